//! Parses the command line, runs the command, and turns its outcome into an exit code.

use std::process::ExitCode;

use chancery::cli::Cli;
use chancery::clock::Clock;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match actix_rt::System::new().block_on(cli.run(Clock::System)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chancery: {failure}");
            failure.exit_code()
        }
    }
}
