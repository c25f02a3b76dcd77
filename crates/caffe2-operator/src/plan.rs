//! Running plans.

use caffe2_proto::{ExecutionStep, NetDef, PlanDef};
use hashbrown::{HashMap, HashSet};

use crate::error::{Error, ErrorKind};
use crate::workspace::Workspace;

/// Runs the steps of a plan in order. Nets are built when the step that names them is reached, once in
/// the plan, in place of nets of the same name; they stay in the workspace.
pub(crate) fn run(workspace: &mut Workspace, plan: &PlanDef) -> Result<(), Error> {
    if plan.execution_step.is_empty() {
        tracing::warn!(plan = plan.name(), "the plan has no steps");
        return Ok(());
    }
    let mut nets: HashMap<&str, &NetDef> = HashMap::new();
    for net in &plan.network {
        if nets.insert(net.name(), net).is_some() {
            return Err(mistake(format!("the plan has two nets `{}`", net.name())));
        }
    }
    let mut run = PlanRun { workspace, nets, built: HashSet::new() };
    for step in &plan.execution_step {
        run.prepare(step)?;
        run.step(step)?;
    }
    Ok(())
}

fn mistake(message: String) -> Error {
    Error::new(ErrorKind::Definition, message)
}

struct PlanRun<'a> {
    workspace: &'a mut Workspace,
    nets: HashMap<&'a str, &'a NetDef>,
    built: HashSet<&'a str>,
}

impl<'a> PlanRun<'a> {
    /// Checks a step and those below it, and builds the nets that they name.
    fn prepare(&mut self, step: &'a ExecutionStep) -> Result<(), Error> {
        check_step(step).map_err(|problem| mistake(format!("step `{}`: {problem}", step.name())))?;
        for name in &step.network {
            let Some(net) = self.nets.get(name.as_str()) else {
                return Err(mistake(format!("step `{}`: the plan has no net `{name}`", step.name())));
            };
            if self.built.insert(name) {
                self.workspace.create_or_replace_net(net)?;
            }
        }
        for substep in &step.substep {
            self.prepare(substep)?;
        }
        match step.should_stop_blob.as_deref() {
            Some(blob) if !self.workspace.has_blob(blob) => {
                Err(mistake(format!("step `{}`: there is no blob `{blob}` to stop by", step.name())))
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, step: &'a ExecutionStep) -> Result<(), Error> {
        let mut left = match (&step.should_stop_blob, step.num_iter) {
            (Some(_), _) if step.only_once() => 1,
            (Some(_), _) => i64::MAX,
            (None, iterations) => iterations.unwrap_or(1),
        };
        while left > 0 {
            left -= 1;
            self.workspace.check_stop()?;
            for name in &step.network {
                self.workspace.go_on_with_net(name)?;
                if self.should_stop(step)? {
                    return Ok(());
                }
            }
            for substep in &step.substep {
                self.step(substep)?;
                if self.should_stop(step)? {
                    return Ok(());
                }
            }
            if step.network.is_empty() && step.substep.is_empty() {
                // Nothing could ever change the stop blob.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the stop blob of the step says so; one that was never written does not.
    fn should_stop(&self, step: &ExecutionStep) -> Result<bool, Error> {
        let Some(name) = step.should_stop_blob.as_deref() else { return Ok(false) };
        let Some(tensor) = self.workspace.blob(name).and_then(|blob| blob.as_tensor()) else {
            return Ok(false);
        };
        if tensor.data_type().is_none() {
            return Ok(false);
        }
        match tensor.as_slice::<bool>() {
            Ok([stop]) => Ok(*stop),
            _ => {
                let found = crate::TensorInfo::from(tensor);
                Err(mistake(format!("stop blob `{name}`: expected one bool, found {found}")))
            }
        }
    }
}

/// What is wrong with a step by itself.
fn check_step(step: &ExecutionStep) -> Result<(), String> {
    if !step.network.is_empty() && !step.substep.is_empty() {
        return Err("has both nets and substeps; expected one kind".into());
    }
    if step.should_stop_blob.is_some() && step.num_iter.is_some() {
        return Err("has both `num_iter` and `should_stop_blob`; expected one".into());
    }
    if step.only_once.is_some() && step.should_stop_blob.is_none() {
        return Err("has `only_once` without `should_stop_blob`".into());
    }
    let refused = [
        ("concurrent_substeps", step.concurrent_substeps() && step.substep.len() > 1),
        ("num_concurrent_instances", step.num_concurrent_instances() > 1),
        ("run_every_ms", step.run_every_ms.is_some()),
        ("report_net", step.report_net.is_some()),
        ("create_workspace", step.create_workspace()),
    ];
    match refused.iter().find(|(_, wanted)| *wanted) {
        Some((field, _)) => Err(format!("`{field}` is not supported")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{add, number, value, workspace};
    use caffe2_proto::OperatorDef;

    fn plan(steps: Vec<ExecutionStep>) -> PlanDef {
        let step = NetDef::new("step").op(add("x", "x", 1.0));
        let above = OperatorDef::new("Above").input("x").output("stop").arg("limit", 4.5f32);
        let check = NetDef::new("check").op(above);
        // Never built, since no step names it.
        let unused = NetDef::new("unused").op(OperatorDef::new("NoSuchOperator"));
        PlanDef { network: vec![step, check, unused], execution_step: steps, ..PlanDef::default() }
    }

    fn nets(names: &[&str]) -> ExecutionStep {
        ExecutionStep { network: names.iter().map(|n| (*n).to_owned()).collect(), ..ExecutionStep::default() }
    }

    fn run(steps: Vec<ExecutionStep>) -> Result<f32, String> {
        let mut ws = workspace();
        ws.feed("x", number(0.0));
        ws.create_blob("stop");
        ws.run_plan(&plan(steps)).map_err(|e| e.to_string())?;
        Ok(value(&ws, "x"))
    }

    #[test]
    fn steps_iterate_over_nets_and_substeps() {
        assert_eq!(run(vec![]), Ok(0.0));
        assert_eq!(run(vec![nets(&["step"]), nets(&["step", "step"])]), Ok(3.0));
        let inner = ExecutionStep { num_iter: Some(3), ..nets(&["step"]) };
        let outer =
            ExecutionStep { num_iter: Some(2), substep: vec![inner.clone(), inner], ..Default::default() };
        assert_eq!(run(vec![outer]), Ok(12.0));
        assert_eq!(run(vec![ExecutionStep { num_iter: Some(0), ..nets(&["step"]) }]), Ok(0.0));
        assert_eq!(run(vec![ExecutionStep { num_iter: Some(9), ..Default::default() }]), Ok(0.0));
    }

    #[test]
    fn a_stop_blob_ends_the_loop_after_the_run_that_sets_it() {
        let stop = ExecutionStep { should_stop_blob: Some("stop".into()), ..nets(&["step", "check"]) };
        assert_eq!(run(vec![stop.clone()]), Ok(5.0));
        assert_eq!(run(vec![ExecutionStep { only_once: Some(true), ..stop }]), Ok(1.0));
    }

    #[test]
    fn nets_of_a_plan_stay_and_replace_those_of_the_same_name() {
        let mut ws = workspace();
        ws.feed("x", number(0.0));
        ws.create_net(&NetDef::new("step").op(add("x", "x", 100.0))).unwrap();
        ws.run_plan(&plan(vec![nets(&["step"])])).unwrap();
        ws.run_net("step").unwrap();
        assert_eq!(value(&ws, "x"), 2.0);
    }

    #[test]
    fn plans_that_make_no_sense_are_refused_with_the_step() {
        let refused = |change: fn(&mut ExecutionStep)| {
            let mut step = ExecutionStep { name: Some("s".into()), ..nets(&["step"]) };
            change(&mut step);
            run(vec![step]).unwrap_err()
        };
        assert!(refused(|s| s.network.push("other".into())).contains("no net `other`"));
        assert!(refused(|s| s.substep.push(ExecutionStep::default())).contains("both nets and substeps"));
        assert!(refused(|s| s.only_once = Some(true)).contains("`only_once`"));
        assert!(refused(|s| s.should_stop_blob = Some("none".into())).contains("`none`"));
        assert!(refused(|s| s.run_every_ms = Some(5)).contains("step `s`: `run_every_ms` is not supported"));
        assert!(refused(|s| s.create_workspace = Some(true)).contains("`create_workspace`"));
        assert!(refused(|s| s.report_net = Some("step".into())).contains("`report_net`"));
        assert!(refused(|s| s.num_concurrent_instances = Some(2)).contains("`num_concurrent_instances`"));
        let both = |s: &mut ExecutionStep| (s.should_stop_blob, s.num_iter) = (Some("stop".into()), Some(1));
        let mut step = nets(&["step"]);
        both(&mut step);
        assert!(run(vec![step]).unwrap_err().contains("`num_iter`"));
        let x_stops = ExecutionStep { should_stop_blob: Some("x".into()), ..nets(&["step"]) };
        assert!(run(vec![x_stops]).unwrap_err().contains("expected one bool, found float [1]"));
        let mut twice = plan(vec![nets(&["step"])]);
        twice.network.push(NetDef::new("step"));
        assert!(workspace().run_plan(&twice).unwrap_err().to_string().contains("two nets `step`"));
    }
}
