//! `chancery users import`: batch by batch, so that memory stays flat and an interruption loses nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use crate::accounts::transfer::{Entry, Import as Importer, Outcome, Reader, Unreadable};
use crate::cli::progress::{self, Unit};
use crate::cli::{Admin, Failure, output};

/// Lines in one transaction, at the most, and their bytes.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 1024 * 1024;
/// Faults that are told when there is no file for them.
const TOLD: u64 = 20;

/// Users from a file.
#[derive(Debug, Args)]
pub struct Import {
    /// Lines of JSON objects, or CSV below a header; `-` is standard input. Members or columns, of which only the first
    /// two are needed: username, password_hash, id, email, scopes, claims, disabled, created_at, last_login_at.
    file: PathBuf,
    /// Tell what would happen, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write what is wrong with which line to a file, as lines of JSON; it is overwritten.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What became of the lines.
#[derive(Default)]
struct Counts {
    imported: u64,
    already_there: u64,
    refused: u64,
}

/// Where faults are told.
struct Faults {
    file: Option<BufWriter<File>>,
    told: u64,
}

impl Import {
    pub(super) fn begins(&self) -> Result<bool, Failure> {
        if self.file.as_os_str() != "-" {
            self.file.metadata().map_err(|cause| self.fault(&cause))?;
        }
        Ok(!self.dry_run)
    }

    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let (mut reader, bar) = self.open()?;
        let mut faults = Faults::open(self.errors.as_deref(), &self.file)?;
        let settings = &admin.settings.password;
        let mut importer = Importer::new(&admin.store, settings, admin.clock.now(), self.dry_run);
        let mut counts = Counts::default();
        loop {
            let batch = batch(&mut reader).map_err(|cause| counts.interrupted(&cause))?;
            if batch.is_empty() {
                break;
            }
            let lines: Vec<_> = batch.iter().map(|entry| entry.line).collect();
            let outcomes = importer.store(batch).await.map_err(|cause| counts.interrupted(&cause))?;
            for (line, outcome) in lines.into_iter().zip(outcomes) {
                counts.add(&outcome);
                faults.note(line, outcome, &bar)?;
            }
            bar.set_position(reader.bytes());
            bar.set_message(format!("{} users", counts.imported));
        }
        bar.finish_and_clear();
        faults.finish()?;
        self.report(&counts)
    }

    fn open(&self) -> Result<(Reader<Box<dyn BufRead>>, ProgressBar), Failure> {
        let fault = |cause| self.fault(&cause);
        let (source, length): (Box<dyn BufRead>, _) = if self.file.as_os_str() == "-" {
            (Box::new(std::io::stdin().lock()), None)
        } else {
            let file = File::open(&self.file).map_err(fault)?;
            let metadata = file.metadata().map_err(fault)?;
            (Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len()))
        };
        let reader = Reader::open(source).map_err(|error| match error {
            Unreadable::Io(cause) => fault(cause),
            Unreadable::Format(_) => Failure::Usage(format!("{}: {error}", self.file.display())),
        })?;
        Ok((reader, progress::bar(length, Unit::Bytes)))
    }

    fn fault(&self, cause: &std::io::Error) -> Failure {
        Failure::Failed(format!("{}: {cause}", self.file.display()))
    }

    fn report(&self, counts: &Counts) -> Result<(), Failure> {
        let Counts { imported, already_there, refused } = counts;
        let verb = if self.dry_run { "would be" } else { "are" };
        eprintln!(
            "{imported} user(s) {verb} imported; {already_there} were there already; {refused} refused."
        );
        if self.json {
            output::json(&json!({
                "dry_run": self.dry_run,
                "lines": imported + already_there + refused,
                "imported": imported,
                "already_there": already_there,
                "refused": refused,
            }))?;
        }
        if *refused == 0 {
            return Ok(());
        }
        Err(Failure::Partly(match &self.errors {
            Some(path) => format!("{} says what is wrong with which line", path.display()),
            None => "mend the lines that are told above, and import again".to_owned(),
        }))
    }
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Imported => &mut self.imported,
            Outcome::AlreadyThere => &mut self.already_there,
            Outcome::Refused { .. } => &mut self.refused,
        } += 1;
    }

    fn interrupted(&self, cause: &dyn std::fmt::Display) -> Failure {
        let imported = self.imported;
        Failure::Failed(format!(
            "{cause}; {imported} user(s) are imported: run it again to go on with the others"
        ))
    }
}

impl Faults {
    /// The file is for its owner alone, because it names users.
    fn open(path: Option<&Path>, source: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let real = |path: &Path| path.canonicalize().ok();
        if path.and_then(real).is_some_and(|path| real(source) == Some(path)) {
            return Err(Failure::Usage("--errors would overwrite the file that is imported".to_owned()));
        }
        let open = |path: &Path| {
            let opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
            opened.map_err(|cause| Failure::Failed(format!("{}: {cause}", path.display())))
        };
        Ok(Self { file: path.map(open).transpose()?.map(BufWriter::new), told: 0 })
    }

    fn note(&mut self, line: u64, outcome: Outcome, bar: &ProgressBar) -> Result<(), Failure> {
        let Outcome::Refused { username, problem } = outcome else { return Ok(()) };
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", json!({ "line": line, "username": username, "problem": problem }))?;
            return Ok(());
        }
        self.told += 1;
        if self.told <= TOLD {
            let name = username.map(|name| format!(" ({name})")).unwrap_or_default();
            bar.suspend(|| eprintln!("{}", output::safe(&format!("line {line}{name}: {problem}"))));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        if self.told > TOLD {
            eprintln!("… and {} more: --errors FILE has room for them all.", self.told - TOLD);
        }
        Ok(())
    }
}

fn batch(reader: &mut Reader<Box<dyn BufRead>>) -> std::io::Result<Vec<Entry>> {
    let (mut batch, end) = (Vec::new(), reader.bytes() + BATCH_BYTES);
    while batch.len() < BATCH && reader.bytes() < end {
        match reader.entry()? {
            Some(entry) => batch.push(entry),
            None => break,
        }
    }
    Ok(batch)
}
