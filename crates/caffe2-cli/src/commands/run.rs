//! `caffe2 run`: runs a net on tensors from files.

mod act;
mod args;
mod plan;
mod summary;

pub(crate) use args::RunArgs;
pub(super) use plan::{Plan, check_folder, read_net};

use crate::progress::Progress;

/// Reads everything and checks it, then runs.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let progress = Progress::start();
    let plan = Plan::new(args, &progress)?;
    progress.aside(|| plan.warn());
    act::act(plan, progress)
}
