//! The program `caffe2`: runs Caffe2 nets from their files.
//!
//! Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.
#![forbid(unsafe_code)]

mod commands;
mod logging;
mod names;
mod progress;
mod stdout;
mod table;
mod units;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;

use commands::Command;

/// Runs Caffe2 nets from their files
#[derive(Debug, Parser)]
#[command(name = "caffe2", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say on standard error what is done; twice: every operator
    ///
    /// The environment variable RUST_LOG, where it is set, decides instead.
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 100)]
    verbose: u8,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init(cli.verbose);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has enough: nothing failed.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed too; there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether standard output was closed; errors of files are of another type.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_defined() {
        super::Cli::command().debug_assert();
    }
}
