//! Observers and tracing of one run of a net.

use std::sync::Arc;

use tracing::{Dispatch, Level, Span, dispatcher};

use super::info::{NetInfo, OpInfo};
use super::node::Node;
use crate::access::BlobAccess;
use crate::io::RunResources;
use crate::observer::Observer;
use crate::op_error::OpError;

/// Those who watch a net.
pub(super) type Observers = Arc<Vec<Arc<dyn Observer>>>;

/// A run that is watched.
#[derive(Clone)]
pub(super) struct Watch {
    info: Arc<NetInfo>,
    observers: Observers,
    span: Span,
    /// Where spans go: of the thread that runs the net, for those that help it.
    dispatch: Dispatch,
}

/// Ends the run for those who watch it when dropped: with a failure, unless it is told otherwise.
pub(super) struct Watched {
    pub(super) watch: Watch,
    pub(super) ok: bool,
}

impl Watch {
    /// Starts the run for those who watch it, if anybody does.
    #[inline]
    pub(super) fn start(info: &Arc<NetInfo>, observers: &Observers) -> Option<Watched> {
        if observers.is_empty() && !tracing::enabled!(target: "caffe2::net", Level::TRACE) {
            return None;
        }
        observers.iter().for_each(|o| o.net_start(info));
        let span = tracing::trace_span!(target: "caffe2::net", "net", name = info.name);
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let watch = Watch { info: Arc::clone(info), observers: Arc::clone(observers), span, dispatch };
        Some(Watched { watch, ok: false })
    }

    /// Runs a node and tells those who watch.
    pub(super) fn run(
        &self,
        worker: usize,
        node: &mut Node,
        access: &mut BlobAccess<'_>,
        run: &RunResources,
    ) -> Result<(), OpError> {
        let op = &self.info.ops[node.position as usize];
        let _net = self.span.enter();
        let _span = tracing::trace_span!(
            target: "caffe2::net", "operator", r#type = op.op_type, name = op.name, position = op.position, worker
        )
        .entered();
        let mut stop = OpStop { watch: self, worker, op, ok: false };
        self.observers.iter().for_each(|o| o.op_start_by(worker, &self.info, op));
        let result = node.run(access, run);
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
