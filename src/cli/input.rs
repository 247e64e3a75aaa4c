//! Passwords by prompt, standard input or file, never as an argument; and the values that several commands take.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::Failure;
use crate::accounts::password::Password;
use crate::accounts::{ExtraClaims, Scopes};
use crate::clock::Timestamp;

/// Where a password comes from.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from the first line of a file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordSource {
    /// Reads the password. A prompt asks twice and does not echo.
    pub fn read(&self) -> Result<Password, Failure> {
        Password::parse(&self.text(prompt_twice)?).map_err(Failure::Usage)
    }

    /// Reads the passphrase of something that is encrypted already: a prompt asks once.
    pub fn read_passphrase(&self) -> Result<Zeroizing<String>, Failure> {
        self.text(|| prompt("Passphrase: "))
    }

    fn text(
        &self,
        ask: impl FnOnce() -> Result<Zeroizing<String>, Failure>,
    ) -> Result<Zeroizing<String>, Failure> {
        if self.password_stdin {
            return first_line(std::io::stdin().lock(), "standard input");
        }
        let Some(path) = &self.password_file else { return ask() };
        let name = path.display().to_string();
        let file = std::fs::File::open(path).map_err(|cause| Failure::Failed(format!("{name}: {cause}")))?;
        first_line(std::io::BufReader::new(file), &name)
    }
}

/// More is no password.
const MAX_LINE: u64 = 64 * 1024;

fn first_line(source: impl BufRead, name: &str) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let mut source = source.take(MAX_LINE);
    source.read_line(&mut line).map_err(|cause| Failure::Failed(format!("{name}: {cause}")))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        let hint = "there is no terminal to ask for the password at: use --password-stdin or --password-file";
        return Err(Failure::Usage(hint.to_owned()));
    }
    Ok(rpassword::prompt_password(question).map(Zeroizing::new)?)
}

fn prompt_twice() -> Result<Zeroizing<String>, Failure> {
    let (first, second) = (prompt("Password: ")?, prompt("Again: ")?);
    if first == second { Ok(first) } else { Err(Failure::Usage("the passwords differ".to_owned())) }
}

/// `--scope`, which may be repeated or hold several; none when it was not given.
pub fn scopes(given: &[String]) -> Result<Option<Scopes>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    Scopes::parse(&given.join(" ")).map(Some).map_err(Failure::Usage)
}

/// A moment on the command line.
pub fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "must be a time such as 2026-01-31T12:00:00Z".to_owned())
}

/// `--claims`.
pub fn claims(json: &str) -> Result<ExtraClaims, String> {
    ExtraClaims::parse(json)
}

/// A value of a client's own, or `default` for the setting's.
#[derive(Clone, Debug)]
pub struct Own<T>(pub Option<T>);

impl<T: FromStr<Err: std::fmt::Display>> FromStr for Own<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))).map_err(|error: T::Err| error.to_string()),
        }
    }
}

/// A duration such as `10m`, in whole seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime(pub Duration);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(duration) if duration.subsec_nanos() == 0 => Ok(Self(duration)),
            Ok(_) => Err("must be whole seconds".to_owned()),
            Err(_) => Err("must be a duration such as 30s, 10m or 7d, or \"default\"".to_owned()),
        }
    }
}
