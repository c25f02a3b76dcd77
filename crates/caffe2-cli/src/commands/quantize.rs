//! `caffe2 quantize`: weights as bytes instead of floats.

mod act;
mod args;
mod compare;
mod plan;
mod report;

pub(crate) use args::{QuantizeArgs, net_file};

use plan::Plan;

use crate::progress::Progress;

/// Reads everything and checks it, then rewrites, and compares when there is something to feed.
pub(crate) fn run(args: &QuantizeArgs) -> anyhow::Result<()> {
    let progress = Progress::start();
    let plan = Plan::new(args, &progress)?;
    act::act(plan, progress)
}
