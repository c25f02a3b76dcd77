//! One run of a step: what it does next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use caffe2_proto::ExecutionStep;

use super::build::{Body, Builder, PlanNet, Step, StopBlob, Substep};
use super::mistake;
use super::own::{OwnWorkspace, lock};
use super::queue::{Queue, Reporter, Then};
use crate::access::Claims;
use crate::error::Error;
use crate::io::RunResources;
use crate::stop::CancelToken;
use crate::workspace::Workspace;

/// A plan that runs.
pub(super) struct PlanRun<'w, 'p> {
    claims: Claims<'w, Workspace>,
    builder: Builder<'p>,
    pub(super) resources: RunResources,
    /// The same for a net that has to do with the thread it runs on.
    alone: RunResources,
    /// Ends all nets once something failed.
    pub(super) halt: CancelToken,
    /// How many nets are running.
    busy: AtomicUsize,
    /// Workspaces of steps that run.
    own: Mutex<Vec<Arc<OwnWorkspace<'p>>>>,
}

/// A run of a step.
pub(super) struct Job<'p> {
    step: Arc<Step<'p>>,
    next: Next,
    /// How many iterations have begun.
    begun: i64,
    reporters: Vec<Arc<Reporter<'p>>>,
    then: Then<'p>,
}

/// What a job does next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Iteration,
    Net(usize),
    Substep(usize),
    /// Look whether to stop, after a substep.
    AfterSubstep(usize),
    AllSubsteps,
    AfterAllSubsteps,
    /// Have reporters run for the last time.
    LastReports,
    End,
}

/// What became of a job that went on for a while.
pub(super) enum Progress<'p> {
    /// It can go on.
    Again(Job<'p>),
    /// It goes on when these have run.
    Fork(Job<'p>, Vec<Substep<'p>>),
    /// It goes on when its reporters have run for the last time.
    LastReports(Job<'p>, Vec<Arc<Reporter<'p>>>),
    Over(Then<'p>),
}

impl<'w, 'p> PlanRun<'w, 'p> {
    pub(super) fn new(
        claims: Claims<'w, Workspace>,
        builder: Builder<'p>,
        mut resources: RunResources,
    ) -> PlanRun<'w, 'p> {
        let halt = CancelToken::default();
        resources.stop.halt = Some(halt.clone());
        let alone = resources.alone();
        let (busy, own) = (AtomicUsize::new(0), Mutex::default());
        PlanRun { claims, builder, resources, alone, halt, busy, own }
    }

    /// Builds and runs a step of the plan.
    pub(super) fn run_step(&self, def: &'p ExecutionStep) -> Result<(), Error> {
        let step = if def.create_workspace() {
            Substep::Own(def, None)
        } else {
            Substep::Built(Arc::new(self.build(def, None)?))
        };
        Queue::run(self, step)
    }

    fn build(
        &self,
        def: &'p ExecutionStep,
        within: Option<&Arc<OwnWorkspace<'p>>>,
    ) -> Result<Step<'p>, Error> {
        self.claims.alone(|workspace| {
            let step = self.builder.step(workspace, def, within)?;
            let mut own = lock(&self.own);
            own.extend(step.own.clone());
            if workspace.memory_sharing() {
                // New nets may use blobs that others let go of so far.
                let nets = own.iter().flat_map(|own| lock(&own.nets).values().cloned().collect::<Vec<_>>());
                for net in nets.chain(lock(&self.builder.nets).values().cloned()) {
                    net.lock().iter_mut().for_each(|net| net.prepare_memory(workspace.table_mut()));
                }
            }
            Ok(step)
        })
    }

    /// A job for a step.
    pub(super) fn start(&self, step: Substep<'p>, then: Then<'p>) -> Result<Job<'p>, Error> {
        let step = match step {
            Substep::Built(step) => step,
            Substep::Own(def, within) => Arc::new(self.build(def, within.as_ref())?),
        };
        let reporters =
            step.reports.iter().map(|(every, what)| Reporter::new(*every, what.clone())).collect();
        Ok(Job { step, next: Next::Iteration, begun: 0, reporters, then })
    }

    /// Has a job go on until it has run a net, has to wait, or is over.
    pub(super) fn go_on(&self, mut job: Job<'p>) -> Result<Progress<'p>, Error> {
        let step = Arc::clone(&job.step);
        loop {
            job.next = match (job.next, &step.body) {
                (Next::Iteration, body) => {
                    self.resources.stop.check()?;
                    let over = step.iterations.is_some_and(|iterations| job.begun >= iterations);
                    job.begun += 1;
                    if over { Next::LastReports } else { first_of(body) }
                }
                (Next::Net(at), Body::Nets(nets)) => {
                    self.run_net(&nets[at])?;
                    job.next = self.unless_stopped(&step, at + 1, nets.len(), Next::Net)?;
                    return Ok(Progress::Again(job));
                }
                (Next::Substep(at), Body::InTurn(steps)) => {
                    job.next = Next::AfterSubstep(at);
                    return Ok(Progress::Fork(job, vec![steps[at].clone()]));
                }
                (Next::AfterSubstep(at), Body::InTurn(steps)) => {
                    self.unless_stopped(&step, at + 1, steps.len(), Next::Substep)?
                }
                (Next::AllSubsteps, Body::AtOnce(steps, instances)) => {
                    job.next = Next::AfterAllSubsteps;
                    let all = std::iter::repeat_n(steps, *instances).flatten().cloned().collect();
                    return Ok(Progress::Fork(job, all));
                }
                (Next::AfterAllSubsteps, _) => self.unless_stopped(&step, 1, 1, Next::Substep)?,
                (Next::LastReports, _) => {
                    job.next = Next::End;
                    let reporters = std::mem::take(&mut job.reporters);
                    return Ok(Progress::LastReports(job, reporters));
                }
                _ => {
                    self.end(&step);
                    return Ok(Progress::Over(job.then));
                }
            };
        }
    }

    /// What comes next, of so many, unless the step is to stop.
    fn unless_stopped(
        &self,
        step: &Step<'p>,
        at: usize,
        of: usize,
        next: impl FnOnce(usize) -> Next,
    ) -> Result<Next, Error> {
        Ok(match &step.stop {
            Some(stop) if self.says_stop(stop)? => Next::LastReports,
            _ if at < of => next(at),
            _ => Next::Iteration,
        })
    }

    fn run_net(&self, net: &PlanNet) -> Result<(), Error> {
        let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
        // When there is a net for every thread, none starts more of them.
        let resources = if busy >= self.resources.threads.count() { &self.alone } else { &self.resources };
        let result = self.claims.with(&net.footprint, |access| match &mut *net.lock() {
            Some(net) => net.run(access, resources),
            None => Ok(()),
        });
        self.busy.fetch_sub(1, Ordering::Relaxed);
        if !self.resources.new_blobs.is_empty() {
            self.claims.alone(Workspace::settle_new_blobs);
        }
        result
    }

    /// Whether a stop blob says so; one that was never written does not.
    fn says_stop(&self, stop: &StopBlob<'_>) -> Result<bool, Error> {
        self.claims.with(&stop.footprint, |access| {
            let tensor = access.look(&stop.wiring, 0).and_then(|blob| blob.as_tensor());
            let Some(tensor) = tensor.filter(|tensor| tensor.data_type().is_some()) else { return Ok(false) };
            match tensor.as_slice::<bool>() {
                Ok([stop]) => Ok(*stop),
                _ => {
                    let found = crate::TensorInfo::from(tensor);
                    Err(mistake(format!("stop blob `{}`: expected one bool, found {found}", stop.name)))
                }
            }
        })
    }

    /// A step is over.
    fn end(&self, step: &Step<'p>) {
        if let Some(own) = &step.own {
            lock(&self.own).retain(|other| !Arc::ptr_eq(other, own));
            self.claims.alone(|workspace| own.release(workspace));
        }
    }
}

/// What an iteration begins with; nothing further for a step in which nothing runs.
fn first_of(body: &Body<'_>) -> Next {
    match body {
        Body::Nets(nets) if !nets.is_empty() => Next::Net(0),
        Body::InTurn(steps) if !steps.is_empty() => Next::Substep(0),
        Body::AtOnce(steps, instances) if !steps.is_empty() && *instances > 0 => Next::AllSubsteps,
        _ => Next::LastReports,
    }
}

impl<'p> Job<'p> {
    pub(super) fn reporters(&self) -> &[Arc<Reporter<'p>>] {
        &self.reporters
    }
}

/// The nets of the plan go to the workspace, and what is left of steps with workspaces of their own goes.
impl Drop for PlanRun<'_, '_> {
    fn drop(&mut self) {
        let own = std::mem::take(&mut *lock(&self.own));
        let nets = std::mem::take(&mut *lock(&self.builder.nets));
        self.claims.alone(|workspace| {
            own.iter().for_each(|own| own.release(workspace));
            for (name, net) in nets {
                workspace.nets_mut().extend(net.lock().take().map(|net| (name.to_owned(), net)));
            }
        });
    }
}
