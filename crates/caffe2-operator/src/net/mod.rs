//! Nets: operators in a row, their blobs resolved.

mod build;
mod check;

use std::sync::{Arc, Mutex, PoisonError};

use caffe2_proto::NetDef;
use smallvec::SmallVec;

use crate::access::{BlobAccess, Wiring};
use crate::blob::Blob;
use crate::control::{BuiltSubNet, ControlIo, ControlOperator};
use crate::error::{Error, OpLabel};
use crate::infer::TensorInfo;
use crate::io::{OpIo, RunResources};
use crate::observer::Observer;
use crate::op_error::OpError;
use crate::operator::Operator;

pub(crate) use build::{argument_error, build_net, build_operator, device_of, make_blobs};
pub use check::check_definition;
pub(crate) use check::definition_problems;

/// What is known of a net: its name and type, and its operators in order.
#[derive(Debug)]
pub struct NetInfo {
    name: String,
    net_type: String,
    ops: Vec<OpInfo>,
}

impl NetInfo {
    pub(crate) fn new(def: &NetDef, ops: Vec<OpInfo>) -> NetInfo {
        NetInfo { name: def.name().to_owned(), net_type: def.r#type().to_owned(), ops }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type as it was given; empty for a simple net.
    pub fn net_type(&self) -> &str {
        &self.net_type
    }

    /// The operators in order.
    pub fn ops(&self) -> &[OpInfo] {
        &self.ops
    }
}

/// What is known of an operator of a net.
#[derive(Debug)]
pub struct OpInfo {
    position: usize,
    op_type: &'static str,
    engine: &'static str,
    name: String,
    inputs: Vec<Arc<str>>,
    outputs: Vec<Arc<str>>,
}

impl OpInfo {
    /// The position in the net.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The operator type.
    pub fn op_type(&self) -> &'static str {
        self.op_type
    }

    /// The engine that was chosen; empty for the default one.
    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// The name; often empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the input blobs.
    pub fn inputs(&self) -> &[Arc<str>] {
        &self.inputs
    }

    /// The names of the output blobs.
    pub fn outputs(&self) -> &[Arc<str>] {
        &self.outputs
    }

    pub(crate) fn label(&self) -> OpLabel {
        let (op_type, name) = (self.op_type.to_owned(), self.name.clone());
        OpLabel { position: Some(self.position), op_type, name }
    }
}

/// A net that was built in a workspace, and runs there.
///
/// Operators run in the order of the definition, on the calling thread; kernels may use the threads of
/// the workspace. The first failure stops the run.
pub struct Net {
    info: NetInfo,
    /// Behind a lock only so that a workspace can be shared for reading; running takes it exclusively.
    nodes: Mutex<Vec<Node>>,
    observers: Vec<Arc<dyn Observer>>,
}

/// An operator with its blobs.
pub(crate) struct Node {
    pub(crate) work: Work,
    pub(crate) wiring: Wiring,
}

/// What a node does.
pub(crate) enum Work {
    Operator(Box<dyn Operator>),
    Control(Box<dyn ControlOperator>, Box<[BuiltSubNet]>),
}

impl Node {
    #[inline]
    pub(crate) fn run(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), OpError> {
        run.stop.check()?;
        match &mut self.work {
            Work::Operator(operator) => operator.run(&mut OpIo::new(access.borrow(&self.wiring), run)),
            Work::Control(operator, nets) => {
                operator.run(&mut ControlIo { nets, wiring: &self.wiring, access: access.reborrow(), run })
            }
        }
    }

    /// The blobs of the workspace that the operator and the nets within it hold, once for each use.
    pub(crate) fn own_slots(&mut self) -> SmallVec<[u32; 8]> {
        let mut slots: SmallVec<[u32; 8]> = self.wiring.own_slots().collect();
        if let Work::Control(_, nets) = &mut self.work {
            nets.iter_mut().for_each(|sub| slots.extend(sub.net.own_slots()));
        }
        slots
    }
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
            self.observers.push(observer);
        }
    }

    /// Has `observer` no longer watch the net; tells whether it did.
    pub fn detach(&mut self, observer: &Arc<dyn Observer>) -> bool {
        let before = self.observers.len();
        self.observers.retain(|o| !Arc::ptr_eq(o, observer));
        self.observers.len() < before
    }

    fn nodes_mut(&mut self) -> &mut Vec<Node> {
        self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blobs of the workspace that the operators hold, once for each use.
    pub(crate) fn own_slots(&mut self) -> Vec<u32> {
        self.nodes_mut().iter_mut().flat_map(Node::own_slots).collect()
    }

    /// Runs all operators in order.
    pub(crate) fn run(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Result<(), Error> {
        run.stop.check().map_err(|stopped| Error::from(stopped).of_net(&self.info.name))?;
        let failed = if is_watched(&self.observers) {
            let Net { info, nodes, observers } = self;
            let mut nodes = nodes.get_mut().unwrap_or_else(PoisonError::into_inner).iter_mut();
            run_watched(info, observers, |_| nodes.next().map_or(Ok(()), |node| node.run(access, run)))
        } else {
            self.run_plainly(access, run)
        };
        match failed {
            None => Ok(()),
            Some((position, cause)) => Err(self.describe_failure(position, cause, access)),
        }
    }

    fn run_plainly(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Option<(usize, OpError)> {
        for (position, node) in self.nodes_mut().iter_mut().enumerate() {
            if let Err(error) = node.run(access, run) {
                return Some((position, error));
            }
        }
        None
    }

    fn describe_failure(&mut self, position: usize, cause: OpError, access: &mut BlobAccess<'_>) -> Error {
        let unwritten = cause.is_unwritten_input();
        let Net { info, nodes, .. } = self;
        let nodes = nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let error = describe_op_failure(&info.ops[position], &nodes[position].wiring, cause, access);
        let error = error.of_op(info.ops[position].label()).of_net(&info.name);
        if !unwritten {
            return error;
        }
        let holds =
            |op: usize, input: usize| access.look(&nodes[op].wiring, input).is_some_and(Blob::is_written);
        error.detail(unwritten_inputs(info, holds))
    }
}

/// Whether anybody wants to know what a net does when.
pub(crate) fn is_watched(observers: &[Arc<dyn Observer>]) -> bool {
    !observers.is_empty() || tracing::enabled!(target: "caffe2::net", tracing::Level::TRACE)
}

/// Has `run` run each operator of a net in order, until one fails, and tells observers. Gives the position of the one
/// that failed, and how.
pub(crate) fn run_watched<E>(
    info: &NetInfo,
    observers: &[Arc<dyn Observer>],
    mut run: impl FnMut(&OpInfo) -> Result<(), E>,
) -> Option<(usize, E)> {
    let _net_span = tracing::trace_span!(target: "caffe2::net", "net", name = info.name).entered();
    observers.iter().for_each(|o| o.net_start(info));
    let mut failed = None;
    for op in &info.ops {
        let _op_span = tracing::trace_span!(
            target: "caffe2::net", "operator", r#type = op.op_type, name = op.name, position = op.position
        )
        .entered();
        observers.iter().for_each(|o| o.op_start(info, op));
        let result = run(op);
        observers.iter().for_each(|o| o.op_stop(info, op, result.is_ok()));
        if let Err(error) = result {
            failed = Some((op.position, error));
            break;
        }
    }
    observers.iter().for_each(|o| o.net_stop(info, failed.is_none()));
    failed
}

/// A line on blobs that a net reads before it writes them, and that hold nothing. `holds` tells whether an input of an
/// operator, both by position, holds something.
pub(crate) fn unwritten_inputs(
    info: &NetInfo,
    mut holds: impl FnMut(usize, usize) -> bool,
) -> Option<String> {
    let mut written = hashbrown::HashSet::new();
    let mut unwritten: Vec<String> = Vec::new();
    for (position, op) in info.ops.iter().enumerate() {
        for (index, name) in op.inputs.iter().enumerate() {
            let label = format!("`{name}`");
            if !holds(position, index) && !written.contains(name) && !unwritten.contains(&label) {
                unwritten.push(label);
            }
        }
        written.extend(op.outputs.iter().cloned());
    }
    let list = unwritten.join(", ");
    (!unwritten.is_empty()).then(|| format!("blobs that the net reads and nobody has written: {list}"))
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The error of an operator with the name of the blob that it is about, and what all inputs hold.
pub(crate) fn describe_op_failure(
    op: &OpInfo,
    wiring: &Wiring,
    cause: OpError,
    access: &mut BlobAccess<'_>,
) -> Error {
    let message = cause.with_names(&op.inputs, &op.outputs);
    let inputs: Vec<_> = op
        .inputs
        .iter()
        .enumerate()
        .map(|(index, name)| match access.look(wiring, index) {
            Some(blob) => match (blob.as_tensor(), blob.as_int8()) {
                (Some(tensor), _) => format!("`{name}` {}", TensorInfo::from(tensor)),
                (_, Some(int8)) => format!("`{name}` {} (an 8-bit tensor)", TensorInfo::from(int8)),
                _ => format!("`{name}` ({})", blob.type_name()),
            },
            None => format!("`{name}`"),
        })
        .collect();
    let error = Error::new(cause.kind(), message).caused_by(cause);
    if inputs.is_empty() { error } else { error.detail([format!("inputs: {}", inputs.join(", "))]) }
}
