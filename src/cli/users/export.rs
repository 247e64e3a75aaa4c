//! `chancery users export`: page by page, as `users import` reads it.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;

use crate::accounts::transfer::{Export as Exporter, Format};
use crate::cli::progress::{self, Unit};
use crate::cli::{Admin, Failure};
use crate::store::users::count;

/// Users to a file.
#[derive(Debug, Args)]
pub struct Export {
    /// Write to a new file, readable by its owner alone, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// `jsonl` (a JSON object on each line) or `csv`.
    #[arg(long, default_value = "jsonl", value_parser = format)]
    format: Format,
    /// With the password hashes, without which it cannot be imported. Keep it as secret as the database.
    #[arg(long)]
    with_hashes: bool,
}

fn format(name: &str) -> Result<Format, String> {
    match name {
        "jsonl" => Ok(Format::Jsonl),
        "csv" => Ok(Format::Csv),
        _ => Err("must be jsonl or csv".to_owned()),
    }
}

impl Export {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let Some(path) = &self.output else {
            if self.with_hashes && std::io::stdout().is_terminal() {
                let hint = "password hashes do not belong on a terminal: use --output FILE, or a pipe";
                return Err(Failure::Usage(hint.to_owned()));
            }
            return match self.write(admin, std::io::stdout().lock()).await {
                // Whoever closes the pipe has read enough.
                Err(Interruption::Write(cause)) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => Ok(written?),
            };
        };
        let name = path.display();
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => {
                Failure::Exists(format!("{name} exists already; nothing was written"))
            }
            _ => Failure::Failed(format!("{name}: {cause}")),
        })?;
        let written = self.write(admin, &file).await.and_then(|()| Ok(file.sync_all()?));
        written.map_err(|cause| {
            // A part of it would only mislead.
            let _ = std::fs::remove_file(path);
            Failure::from(cause)
        })
    }

    async fn write(&self, admin: &Admin, target: impl Write) -> Result<(), Interruption> {
        let mut target = BufWriter::new(target);
        let bar = progress::bar(u64::try_from(admin.store.read(count).await?).ok(), Unit::Users);
        let mut exporter = Exporter::new(self.format, self.with_hashes);
        let mut written = 0;
        while let Some((users, text)) = exporter.next(&admin.store).await? {
            target.write_all(&text)?;
            written += users;
            bar.inc(users as u64);
        }
        target.flush()?;
        bar.finish_and_clear();
        eprintln!("{written} user(s) are exported.");
        Ok(())
    }
}

/// Why it ended before its end.
enum Interruption {
    Read(crate::store::StoreError),
    Write(std::io::Error),
}

impl From<crate::store::StoreError> for Interruption {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Read(error)
    }
}

impl From<std::io::Error> for Interruption {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Read(error) => error.into(),
            Interruption::Write(error) => error.into(),
        }
    }
}
