//! The subcommands: one module each, with its arguments and how it runs.

mod dequantize;
mod ops;
mod quantize;
mod run;

use clap::Subcommand;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::RunArgs),
    Quantize(quantize::QuantizeArgs),
    Dequantize(dequantize::DequantizeArgs),
    Ops(ops::OpsArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Run(args) => run::run(&args),
            Command::Quantize(args) => quantize::run(&args),
            Command::Dequantize(args) => dequantize::run(&args),
            Command::Ops(args) => ops::run(&args),
        }
    }
}
