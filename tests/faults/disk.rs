//! Disks without room, under SQLite and under PostgreSQL: a small file system of its own that is filled up, and a limit on
//! the size of files, which needs no rights. What cannot be written is answered `503`, and what was is kept.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use diesel::{Connection, PgConnection};
use tempfile::TempDir;

use crate::alone;
use crate::client::{Client, Excuse, Record};
use crate::clock::{await_within, now, pause};
use crate::outage::{Extent, LOGIN, Rig, Walled};
use crate::process::Home;
use crate::process::postgres::Postgres;

const ILL: Duration = Duration::from_millis(1500);
/// By then whatever room was left is used up.
const USED_UP: Duration = Duration::from_secs(30);

/// A file system of its own in memory; unmounted when this is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None, and a word about it, where mounting is not allowed.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0755"); // PostgreSQL runs as another user
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("mounting is not allowed: only the limit on file sizes is tested");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for size in [64 * 1024, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// Sets how large files may become that a process writes; its children to come inherit that.
fn limit_files(process: u32, bytes: &str) {
    // One that has ended needs none.
    let Ok(owner) = std::fs::metadata(format!("/proc/{process}")) else { return };
    let limit = format!("--fsize={bytes}:"); // the soft limit alone, which may be raised again
    let mut prlimit = Command::new("prlimit");
    prlimit.uid(owner.uid()).gid(owner.gid()).args(["--pid", &process.to_string(), &limit]);
    let limited = prlimit.output().unwrap();
    let told = String::from_utf8_lossy(&limited.stderr);
    assert!(limited.status.success() || told.contains("No such process"), "{told}");
}

/// Logs in until that is put off.
fn use_up(address: SocketAddr) {
    let (record, mut client) = (Record::new(Excuse::Outage), Client::of(address));
    let is_put_off = || client.post(&record, "/token", LOGIN).status == 503;
    let took = await_within(USED_UP, "a login that is put off", is_put_off);
    record.check();
    eprintln!("no room after {took:?}");
}

#[test]
fn sqlite_may_run_out_of_disk() {
    let _alone = alone();
    let Some(disk) = SmallDisk::mount("24m") else { return };
    let url = format!("sqlite://{}/chancery.db", disk.path().display());
    let mut rig = Rig::on(disk, Home::with_cheap_passwords(), &url);
    let address = rig.server.address();
    let fill = |disk: &mut SmallDisk| {
        disk.fill();
        use_up(address);
        ILL
    };
    let tally = rig.withstand(Extent::Part, fill, |disk| disk.clear());
    assert!(tally.put_off > 0 && tally.lost == 0, "{tally:?}");
}

#[test]
fn sqlite_may_reach_a_limit_on_file_sizes() {
    let _alone = alone();
    let home = Home::with_cheap_passwords();
    let url = format!("sqlite://{}", home.database().display());
    let mut rig = Rig::on((), home, &url);
    let (address, process) = (rig.server.address(), rig.server.server.id());
    let limit = |(): &mut ()| {
        limit_files(process, "65536");
        use_up(address);
        ILL
    };
    let tally = rig.withstand(Extent::Part, limit, |()| limit_files(process, "unlimited"));
    assert!(tally.put_off > 0 && tally.lost == 0, "{tally:?}");
}

#[test]
fn postgres_may_run_out_of_disk() {
    let _alone = alone();
    let Some(disk) = SmallDisk::mount("160m") else { return };
    let settings = [("max_wal_size", "32MB"), ("min_wal_size", "32MB")];
    let mut rig = Rig::start(Postgres::start_in(disk.path(), &settings), 16);
    let address = rig.server.address();
    let fill = |_: &mut Walled| {
        disk.fill();
        use_up(address);
        ILL
    };
    let tally = rig.withstand(Extent::Part, fill, |base| {
        disk.clear();
        revive(&mut base.postgres);
    });
    assert!(tally.put_off > 0, "{tally:?}");
}

/// It panics and dies of this: its log cannot be written.
#[test]
fn postgres_may_reach_a_limit_on_file_sizes() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), 16);
    let limit = |base: &mut Walled| {
        let postmaster = base.postgres.pid();
        limit_files(postmaster, "65536");
        for process in children(postmaster) {
            limit_files(process, "65536");
        }
        ILL
    };
    rig.withstand(Extent::Whole, limit, |base| base.postgres.start_again());
}

fn children(process: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    listed.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Starts it again if it has died of what it could not write.
fn revive(postgres: &mut Postgres) {
    let end = now() + Duration::from_secs(3);
    while PgConnection::establish(&postgres.url("postgres")).is_err() {
        if now() > end {
            eprintln!("PostgreSQL died and is started again");
            return postgres.start_again();
        }
        pause(Duration::from_millis(50));
    }
}
