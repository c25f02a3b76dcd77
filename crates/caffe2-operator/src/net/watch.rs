//! Observers and tracing of one run of a net.

use std::sync::Arc;

use tracing::{Dispatch, Level, Span, dispatcher};

use super::info::{NetInfo, OpInfo};
use crate::observer::Observer;

/// Those who watch a net.
pub(crate) type Observers = Arc<Vec<Arc<dyn Observer>>>;

/// A run that is watched.
#[derive(Clone)]
pub(crate) struct Watch {
    info: Arc<NetInfo>,
    observers: Observers,
    span: Span,
    /// Where spans go: of the thread that runs the net, for those that help it.
    dispatch: Dispatch,
}

/// Ends the run for those who watch it when dropped: with a failure, unless it is told otherwise.
struct Watched {
    watch: Watch,
    ok: bool,
}

/// Calls `run`, which runs a net, with those who watch it, if anybody does, and tells them of its start and its end.
#[inline]
pub(crate) fn watched<R, E>(
    info: &Arc<NetInfo>,
    observers: &Observers,
    run: impl FnOnce(Option<&Watch>) -> Result<R, E>,
) -> Result<R, E> {
    if observers.is_empty() && !tracing::enabled!(target: "caffe2::net", Level::TRACE) {
        return run(None);
    }
    let mut watched = Watch::start(info, observers);
    let result = run(Some(&watched.watch));
    watched.ok = result.is_ok();
    result
}

impl Watch {
    fn start(info: &Arc<NetInfo>, observers: &Observers) -> Watched {
        observers.iter().for_each(|o| o.net_start(info));
        let span = tracing::trace_span!(target: "caffe2::net", "net", name = info.name);
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let watch = Watch { info: Arc::clone(info), observers: Arc::clone(observers), span, dispatch };
        Watched { watch, ok: false }
    }

    /// Calls `run`, which runs the operator at `position`, and tells those who watch.
    pub(crate) fn run<R, E>(
        &self,
        worker: usize,
        position: usize,
        run: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let op = &self.info.ops[position];
        let _net = self.span.enter();
        let _span = tracing::trace_span!(
            target: "caffe2::net", "operator", r#type = op.op_type, name = op.name, position = op.position, worker
        )
        .entered();
        let mut stop = OpStop { watch: self, worker, op, ok: false };
        self.observers.iter().for_each(|o| o.op_start_by(worker, &self.info, op));
        let result = run();
        stop.ok = result.is_ok();
        result
    }

    /// Calls `work` with spans going where they go on the thread that runs the net.
    pub(super) fn on_helper<R>(&self, work: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, work)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Watch { info, observers, .. } = &self.watch;
        observers.iter().for_each(|o| o.net_stop(info, self.ok));
    }
}

struct OpStop<'w> {
    watch: &'w Watch,
    worker: usize,
    op: &'w OpInfo,
    ok: bool,
}

impl Drop for OpStop<'_> {
    fn drop(&mut self) {
        let Watch { info, observers, .. } = self.watch;
        observers.iter().for_each(|o| o.op_stop_by(self.worker, info, self.op, self.ok));
    }
}
