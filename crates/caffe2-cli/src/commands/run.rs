//! `caffe2 run`: runs a net on tensors from files.

mod act;
mod args;
mod net_facts;
mod plan;
mod summary;

pub(crate) use act::prepare;
pub(crate) use args::RunArgs;
pub(crate) use plan::allowed_folder;

use plan::Plan;

use crate::progress::Progress;

/// Reads everything and checks it, then runs.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let progress = Progress::start();
    let plan = Plan::new(args, &progress)?;
    progress.aside(|| plan.warn());
    act::act(plan, progress)
}
