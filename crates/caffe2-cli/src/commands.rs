//! The subcommands: one module each, with its arguments and how it runs.

mod bench;
mod check;
mod compare;
mod completions;
mod convert;
mod dequantize;
mod draw;
mod inspect;
mod ops;
mod predict;
mod profile;
mod quantize;
mod run;

use clap::Subcommand;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::RunArgs),
    Predict(predict::PredictArgs),
    Bench(bench::BenchArgs),
    Profile(profile::ProfileArgs),
    Compare(compare::CompareArgs),
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Draw(draw::DrawArgs),
    Convert(convert::ConvertArgs),
    Quantize(quantize::QuantizeArgs),
    Dequantize(dequantize::DequantizeArgs),
    Ops(ops::OpsArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Run(args) => run::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Profile(args) => profile::run(&args),
            Command::Compare(args) => compare::run(&args),
            Command::Inspect(args) => inspect::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Draw(args) => draw::run(&args),
            Command::Convert(args) => convert::run(&args),
            Command::Quantize(args) => quantize::run(&args),
            Command::Dequantize(args) => dequantize::run(&args),
            Command::Ops(args) => ops::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}
