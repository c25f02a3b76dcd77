//! Running plans (Caffe2 `plan_executor.cc`).
//!
//! A step runs as a job that does one thing at a time: run a net, or have substeps run and wait for them. Jobs that can
//! go on wait in a queue, from which the thread that runs the plan, and others if jobs run at the same time, take
//! them in turn. So a plan takes no more threads than the workspace has, however many steps run at once, and steps
//! that wait for each other's blobs do not keep each other from running.

mod build;
mod job;
mod own;
mod queue;
#[cfg(test)]
mod tests;

use caffe2_proto::{ExecutionStep, NetDef, PlanDef};
use hashbrown::{HashMap, HashSet};

use self::build::Builder;
use self::job::PlanRun;
use crate::access::Claims;
use crate::control::MAX_NESTING;
use crate::error::{Error, ErrorKind};
use crate::workspace::{Workspace, ancestors};

/// Runs the steps of a plan in order.
pub(crate) fn run(workspace: &mut Workspace, plan: &PlanDef) -> Result<(), Error> {
    if plan.execution_step.is_empty() {
        tracing::warn!(plan = plan.name(), "the plan has no steps");
        return Ok(());
    }
    let mut nets = HashMap::new();
    for net in &plan.network {
        if nets.insert(net.name(), net).is_some() {
            return Err(mistake(format!("the plan has two nets `{}`", net.name())));
        }
    }
    if workspace.memory_sharing() {
        // What one net of the plan makes and another reads is left alone, whenever the other is built.
        plan.network.iter().for_each(|net| each_outside_read(net, 0, &mut |name| workspace.keep_blob(name)));
        // So is what steps look at to stop.
        let mut steps: Vec<&ExecutionStep> = plan.execution_step.iter().collect();
        while let Some(step) = steps.pop() {
            step.should_stop_blob.iter().for_each(|name| workspace.keep_blob(name));
            steps.extend(&step.substep);
        }
    }
    let resources = workspace.resources().clone();
    let parent = workspace.shared_parent();
    let ancestors = ancestors(parent.as_deref());
    let run = PlanRun::new(Claims::new(workspace, &ancestors), Builder::new(nets), resources);
    plan.execution_step.iter().try_for_each(|step| run.run_step(step))
}

/// Calls `visit` with the blobs that a net reads and did not write before, and with all that nets within it read.
fn each_outside_read(net: &NetDef, depth: usize, visit: &mut dyn FnMut(&str)) {
    if depth > MAX_NESTING {
        return;
    }
    let mut written = HashSet::new();
    for op in &net.op {
        op.input.iter().filter(|name| !written.contains(name.as_str())).for_each(|name| visit(name));
        for within in op.arg.iter().flat_map(|arg| arg.n.as_deref().into_iter().chain(&arg.nets)) {
            each_outside_read(within, depth + 1, visit);
        }
        written.extend(op.output.iter().map(String::as_str));
    }
}

fn mistake(message: String) -> Error {
    Error::new(ErrorKind::Definition, message)
}
