//! Nets: operators in a row, or as a graph, their blobs resolved.

mod build;
mod check;
mod crew;
mod failure;
mod graph;
mod info;
mod kind;
mod memory;
mod node;
mod release;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use crate::access::BlobAccess;
use crate::error::Error;
use crate::io::RunResources;
use crate::observer::Observer;
use crate::op_error::OpError;

pub(crate) use build::{argument_error, build_net, build_operator, device_of, make_blobs, own_slot};
pub use check::check_definition;
pub(crate) use check::definition_problems;
pub(crate) use crew::Crew;
pub(crate) use failure::{describe_op_failure, unwritten_inputs};
use graph::Graph;
pub use info::{NetInfo, OpInfo};
pub(crate) use kind::empties_blobs;
use memory::Memory;
pub use memory::{BlobMemory, KeptBlob, MemoryReport};
pub(crate) use node::{Node, Work};
pub(crate) use release::LastUses;
pub(crate) use watch::{Observers, Watch, watched};

/// A net that was built in a workspace, and runs there.
///
/// Operators run in the order of the definition, on the calling thread, or in a net of a parallel type on several
/// threads, each once all has run that it depends on: what wrote its inputs, what still reads or wrote before what it
/// writes, and what writes its control inputs. Kernels may use the threads of the workspace. The first failure stops
/// the run: no further operator begins.
pub struct Net {
    info: Arc<NetInfo>,
    operators: Operators,
    observers: Observers,
    memory: Memory,
}

/// The operators of a net in the way that they run.
enum Operators {
    /// One after the other. Behind a lock only so that a workspace can be shared for reading; running takes it
    /// exclusively.
    Row(Mutex<Vec<Node>>),
    Graph(Graph),
}

/// An operator that failed.
struct Failed {
    position: usize,
    cause: OpError,
}

/// Runs nodes in order, each with what `resources` says at the time.
#[inline]
fn run_nodes<'r>(
    nodes: &mut [Node],
    access: &mut BlobAccess<'_>,
    resources: impl Fn() -> &'r RunResources,
    watch: Option<&Watch>,
    worker: usize,
) -> Result<(), Failed> {
    for node in nodes {
        let result = match watch {
            None => node.run(access, resources()),
            Some(watch) => watch.run(worker, node.position as usize, || node.run(access, resources())),
        };
        if let Err(cause) = result {
            return Err(Failed { position: node.position as usize, cause });
        }
    }
    Ok(())
}

impl Net {
    /// Name, type and operators.
    pub fn info(&self) -> &NetInfo {
        &self.info
    }

    /// Has `observer` watch the net from now on; nets within its operators count as part of these. The same observer
    /// twice counts once.
    pub fn attach(&mut self, observer: Arc<dyn Observer>) {
        if !self.observers.iter().any(|o| Arc::ptr_eq(o, &observer)) {
            Arc::make_mut(&mut self.observers).push(observer);
        }
    }

    /// Has `observer` no longer watch the net; tells whether it did.
    pub fn detach(&mut self, observer: &Arc<dyn Observer>) -> bool {
        let before = self.observers.len();
        Arc::make_mut(&mut self.observers).retain(|o| !Arc::ptr_eq(o, observer));
        self.observers.len() < before
    }

    /// Calls `visit` with each node, each after all that it depends on.
    pub(crate) fn each_node(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        self.operators.each_node(visit);
    }

    /// The blobs of the workspace that the operators hold, once for each use.
    pub(crate) fn own_slots(&mut self) -> Vec<u32> {
        let mut slots = Vec::new();
        self.each_node(&mut |node| slots.extend(node.own_slots()));
        slots
    }

    /// Runs all operators.
    pub(crate) fn run(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), Error> {
        run.stop.check().map_err(|stopped| Error::from(stopped).of_net(&self.info.name))?;
        let Net { info, operators, observers, .. } = self;
        let result = watched(info, observers, |watch| match operators {
            Operators::Row(nodes) => run_nodes(in_row(nodes), access, || run, watch, 0),
            Operators::Graph(graph) => graph.run(info.workers_of(run), access, run, watch),
        });
        if result.is_ok() {
            self.memory.has_run();
        }
        result.map_err(|failed| self.describe_failure(failed, access))
    }
}

impl Operators {
    fn is_graph(&self) -> bool {
        matches!(self, Operators::Graph(_))
    }

    /// Calls `visit` with each node, each after all that it depends on.
    fn each_node(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        match self {
            Operators::Row(nodes) => in_row(nodes).iter_mut().for_each(visit),
            Operators::Graph(graph) => graph.each_node(visit),
        }
    }

    /// The nodes in the order of the net, to be [`put`](Operators::put) back.
    fn take(&mut self) -> Vec<Node> {
        match self {
            Operators::Row(nodes) => std::mem::take(nodes.get_mut().unwrap_or_else(PoisonError::into_inner)),
            Operators::Graph(graph) => graph.take(),
        }
    }

    /// Has these nodes run, in the same way as those that were taken.
    fn put(&mut self, nodes: Vec<Node>) {
        *self = match self {
            Operators::Row(_) => Operators::Row(Mutex::new(nodes)),
            Operators::Graph(_) => Operators::Graph(Graph::new(nodes)),
        };
    }
}

/// The nodes of a net that runs in order.
fn in_row(nodes: &mut Mutex<Vec<Node>>) -> &mut [Node] {
    nodes.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("info", &self.info).finish_non_exhaustive()
    }
}
