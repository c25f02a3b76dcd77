//! The program `caffe2`: runs, explains and converts Caffe2 nets.
//!
//! Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.
#![forbid(unsafe_code)]

mod allocations;
mod commands;
mod feeds;
mod logging;
mod model;
mod names;
mod options;
mod progress;
mod recorder;
mod stdout;
mod style;
mod table;
mod timing;
mod units;
mod workload;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;

use commands::Command;
use style::{WRONG, harmless, paint};

/// Runs, explains and converts Caffe2 nets
#[derive(Debug, Parser)]
#[command(name = "caffe2", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say on standard error what is done; twice: every operator
    ///
    /// The environment variable RUST_LOG, where it is set, decides instead.
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 100)]
    verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  What is this file?
    caffe2 inspect net.pb --init init.pb

  What does the model see in this picture?
    caffe2 predict net.pb --init init.pb --image cat.jpg --labels names.txt

`caffe2 COMMAND --help` tells more, with examples.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init(cli.verbose);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has enough: nothing failed.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        // They were told.
        Err(error) if error.is::<ProblemsFound>() => ExitCode::FAILURE,
        Err(error) => {
            // Standard error may be closed too; there is nobody left to tell.
            let _ =
                writeln!(anstream::stderr(), "{} {}", paint(WRONG, "error:"), harmless(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// What a command was to look for is there, and was printed: the status says so too.
#[derive(Debug)]
struct ProblemsFound;

impl std::fmt::Display for ProblemsFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("problems were found")
    }
}

impl std::error::Error for ProblemsFound {}

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
