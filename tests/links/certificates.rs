//! An authority of the test's own, and a certificate of it for `localhost`, made by OpenSSL.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Servers run as other users.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let run = |arguments: &str| {
            let arguments = arguments.split(' ').map(|word| word.replace('_', " "));
            let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem");
        run("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\n").unwrap();
        run(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
        );
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The certificate and its key, which must be PostgreSQL's own, or root's and readable by its group.
    pub fn for_postgres(&self) -> (String, String) {
        let key = self.path("server.key");
        if let Some(owner) = crate::process::postgres::owner() {
            std::os::unix::fs::chown(&key, Some(0), Some(owner.group)).unwrap();
            std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
        }
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        (text(&self.path("server.pem")), text(&key))
    }
}
