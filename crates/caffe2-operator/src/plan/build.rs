//! Steps with their nets built and their blobs resolved.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use caffe2_proto::{ExecutionStep, NetDef};
use caffe2_tensor::Tensor;
use hashbrown::HashMap;

use super::mistake;
use super::own::{OwnWorkspace, lock, with_scopes};
use crate::access::{Footprint, Touches, Wiring};
use crate::error::Error;
use crate::net::Net;
use crate::workspace::Workspace;

/// The largest number of substeps of one step that run at the same time.
const MOST_AT_ONCE: usize = 1 << 16;

/// A net of a plan.
pub(super) struct PlanNet {
    /// Taken out when the step that owns it, or the plan, is over.
    net: Mutex<Option<Net>>,
    pub(super) footprint: Footprint,
}

impl PlanNet {
    fn new(mut net: Net) -> Arc<PlanNet> {
        let mut touches = Touches::default();
        net.each_node(&mut |node| {
            node.tell(&mut touches);
            touches.end_node();
        });
        Arc::new(PlanNet { net: Mutex::new(Some(net)), footprint: Footprint::new(touches) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Net>> {
        lock(&self.net)
    }
}

/// A step that can run.
pub(super) struct Step<'p> {
    /// How many iterations there are; without, the stop blob ends them.
    pub(super) iterations: Option<i64>,
    pub(super) body: Body<'p>,
    pub(super) stop: Option<StopBlob<'p>>,
    /// What runs every so often while the step does.
    pub(super) reports: Vec<(Duration, Substep<'p>)>,
    /// Its own blobs and nets, if it has some.
    pub(super) own: Option<Arc<OwnWorkspace<'p>>>,
}

/// What a step does in an iteration.
pub(super) enum Body<'p> {
    Nets(Vec<Arc<PlanNet>>),
    InTurn(Vec<Substep<'p>>),
    /// All substeps at once, each so many times.
    AtOnce(Vec<Substep<'p>>, usize),
}

/// A step below another.
#[derive(Clone)]
pub(super) enum Substep<'p> {
    Built(Arc<Step<'p>>),
    /// One that is built each time it runs, with a workspace of its own within this one.
    Own(&'p ExecutionStep, Option<Arc<OwnWorkspace<'p>>>),
}

/// The blob that ends a step.
pub(super) struct StopBlob<'p> {
    pub(super) name: &'p str,
    /// With the blob as the only input.
    pub(super) wiring: Wiring,
    pub(super) footprint: Footprint,
}

/// Builds the steps of a plan.
pub(super) struct Builder<'p> {
    defs: HashMap<&'p str, &'p NetDef>,
    /// The nets that were built in the workspace that the plan runs in.
    pub(super) nets: Mutex<HashMap<&'p str, Arc<PlanNet>>>,
    /// How many workspaces have got a number.
    numbered: Mutex<i32>,
}

/// The workspace that a step is built in: its own, or that of the plan.
type Within<'a, 'p> = Option<&'a Arc<OwnWorkspace<'p>>>;

impl<'p> Builder<'p> {
    pub(super) fn new(defs: HashMap<&'p str, &'p NetDef>) -> Builder<'p> {
        Builder { defs, nets: Mutex::default(), numbered: Mutex::default() }
    }

    /// Builds a step, and those below it but for what is built each time it runs. Checks come in Caffe2's order.
    pub(super) fn step(
        &self,
        workspace: &mut Workspace,
        def: &'p ExecutionStep,
        within: Within<'_, 'p>,
    ) -> Result<Step<'p>, Error> {
        if !def.create_workspace() {
            return self.step_in(workspace, def, within);
        }
        let own = OwnWorkspace::new(within);
        let built = self.number(workspace, &own, def).and_then(|()| self.step_in(workspace, def, Some(&own)));
        if built.is_err() {
            own.release(workspace);
        }
        built.map(|step| Step { own: Some(own), ..step })
    }

    fn step_in(
        &self,
        workspace: &mut Workspace,
        def: &'p ExecutionStep,
        within: Within<'_, 'p>,
    ) -> Result<Step<'p>, Error> {
        if !def.network.is_empty() && !def.substep.is_empty() {
            return Err(wrong(def, "has both nets and substeps; expected one kind"));
        }
        let mut reports = Vec::new();
        let body = if def.substep.is_empty() {
            let nets = def.network.iter().map(|name| self.net(workspace, def, name, within));
            Body::Nets(nets.collect::<Result<_, _>>()?)
        } else {
            let mut steps = Vec::new();
            for substep in &def.substep {
                let built = self.substep(workspace, substep, within)?;
                match substep.run_every_ms {
                    Some(ms) => reports.push((Duration::from_millis(ms.max(0) as u64), built)),
                    None => steps.push(built),
                }
            }
            concurrency(def, steps)?
        };
        let stop = match def.should_stop_blob.as_deref() {
            Some(name) => Some(stop_blob(workspace, def, name, within)?),
            None => None,
        };
        if let Some(name) = &def.report_net {
            let Some(seconds) = def.report_interval else {
                return Err(wrong(def, "has `report_net` without `report_interval`"));
            };
            let net = self.net(workspace, def, name, within)?;
            reports.push((Duration::from_secs(seconds.max(0) as u64), Substep::of_net(net)));
        }
        Ok(Step { iterations: iterations(def)?, body, stop, reports, own: None })
    }

    fn substep(
        &self,
        workspace: &mut Workspace,
        def: &'p ExecutionStep,
        within: Within<'_, 'p>,
    ) -> Result<Substep<'p>, Error> {
        if def.create_workspace() {
            return Ok(Substep::Own(def, within.cloned()));
        }
        self.step(workspace, def, within).map(|step| Substep::Built(Arc::new(step)))
    }

    /// The net of that name, built if it was not before.
    fn net(
        &self,
        workspace: &mut Workspace,
        step: &ExecutionStep,
        name: &'p str,
        within: Within<'_, 'p>,
    ) -> Result<Arc<PlanNet>, Error> {
        let no_net = || wrong(step, format!("the plan has no net `{name}`"));
        let def = self.defs.get(name).ok_or_else(no_net)?;
        let mut nets = lock(within.map_or(&self.nets, |own| &own.nets));
        if let Some(net) = nets.get(name) {
            return Ok(Arc::clone(net));
        }
        let net = match within {
            Some(own) => own.build(workspace, def)?,
            None => workspace.lend_net(def)?,
        };
        let net = PlanNet::new(net);
        nets.insert(name, Arc::clone(&net));
        Ok(net)
    }

    /// Gives a workspace the blob that numbers it, if there is one that numbers the machine.
    fn number(
        &self,
        workspace: &mut Workspace,
        own: &Arc<OwnWorkspace<'p>>,
        step: &ExecutionStep,
    ) -> Result<(), Error> {
        let Some(slot) = with_scopes(Some(own), |scopes| workspace.find_within("NODE_ID", scopes)) else {
            return Ok(());
        };
        let machine =
            workspace.blob_at(slot).and_then(|blob| blob.as_tensor()?.as_slice::<i32>().ok()?.first());
        let Some(machine) = machine else {
            return Err(wrong(step, "blob `NODE_ID` is not an int32 tensor with an element"));
        };
        let mut numbered = lock(&self.numbered);
        if *numbered >= 1 << 16 {
            return Err(wrong(step, "more than 65536 workspaces in one plan cannot be numbered"));
        }
        let number = machine.wrapping_shl(16).wrapping_add(*numbered);
        *numbered += 1;
        let number = Tensor::scalar(number).map_err(|e| wrong(step, e.to_string()))?;
        own.put(workspace, "GLOBAL_WORKSPACE_ID", number);
        Ok(())
    }
}

impl<'p> Substep<'p> {
    /// Runs a net once.
    fn of_net(net: Arc<PlanNet>) -> Substep<'p> {
        let body = Body::Nets(vec![net]);
        Substep::Built(Arc::new(Step {
            iterations: Some(1),
            body,
            stop: None,
            reports: Vec::new(),
            own: None,
        }))
    }
}

fn wrong(step: &ExecutionStep, problem: impl std::fmt::Display) -> Error {
    mistake(format!("step `{}`: {problem}", step.name()))
}

/// Whether substeps run one after the other or at once, and how often then.
fn concurrency<'p>(def: &ExecutionStep, steps: Vec<Substep<'p>>) -> Result<Body<'p>, Error> {
    let instances = def.num_concurrent_instances.unwrap_or(1);
    let at_once = (def.concurrent_substeps() && def.substep.len() > 1) || instances > 1;
    if !at_once {
        return Ok(Body::InTurn(steps));
    }
    match usize::try_from(instances) {
        Ok(instances) if instances.saturating_mul(steps.len()) <= MOST_AT_ONCE => {
            Ok(Body::AtOnce(steps, instances))
        }
        _ => {
            let count = steps.len();
            let problem = format!(
                "wants {instances} of each of {count} substeps at once; expected 0 to {MOST_AT_ONCE} together"
            );
            Err(wrong(def, problem))
        }
    }
}

fn stop_blob<'p>(
    workspace: &mut Workspace,
    def: &ExecutionStep,
    name: &'p str,
    within: Within<'_, 'p>,
) -> Result<StopBlob<'p>, Error> {
    let Some(slot) = with_scopes(within, |scopes| workspace.find_within(name, scopes)) else {
        return Err(wrong(def, format!("there is no blob `{name}` to stop by")));
    };
    let wiring = Wiring::new(std::iter::once(slot), &[]);
    let mut touches = Touches::default();
    wiring.tell(&mut touches);
    touches.end_node();
    Ok(StopBlob { name, wiring, footprint: Footprint::new(touches) })
}

fn iterations(def: &ExecutionStep) -> Result<Option<i64>, Error> {
    match (&def.should_stop_blob, def.num_iter) {
        (Some(_), Some(_)) => Err(wrong(def, "has both `num_iter` and `should_stop_blob`; expected one")),
        (Some(_), None) => Ok(def.only_once().then_some(1)),
        (None, _) if def.only_once.is_some() => Err(wrong(def, "has `only_once` without `should_stop_blob`")),
        (None, iterations) => Ok(Some(iterations.unwrap_or(1))),
    }
}
