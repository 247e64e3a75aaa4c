//! Users as lines of a file, JSON or CSV, one for each: the import reads what the export writes. Called by the CLI.

mod export;
mod import;
mod reader;
mod record;

pub use export::{Export, Format};
pub use import::{Import, Outcome};
pub use reader::{Entry, Reader, Unreadable};
pub use record::MEMBERS;

#[cfg(test)]
mod tests;
