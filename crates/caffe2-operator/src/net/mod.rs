//! Nets: operators in a row, their blobs resolved.

mod build;
mod check;

use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::access::{BlobAccess, Wiring};
use crate::control::{BuiltSubNet, ControlIo, ControlOperator};
use crate::error::{Error, OpLabel};
use crate::io::{OpIo, RunResources};
use crate::observer::Observer;
use crate::op_error::OpError;
use crate::operator::Operator;

pub(crate) use build::{argument_error, build_net, build_operator, device_of};
pub(crate) use check::{check_definition, definition_problems};

/// What is known of a net: its name and type, and its operators in order.
#[derive(Debug)]
pub struct NetInfo {
    name: String,
    net_type: String,
    ops: Vec<OpInfo>,
}

impl NetInfo {
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

    fn label(&self) -> OpLabel {
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
        let watched =
            !self.observers.is_empty() || tracing::enabled!(target: "caffe2::net", tracing::Level::TRACE);
        let failed = if watched { self.run_watched(access, run) } else { self.run_plainly(access, run) };
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

    fn run_watched(&mut self, access: &mut BlobAccess<'_>, run: &RunResources) -> Option<(usize, OpError)> {
        let Net { info, nodes, observers } = self;
        let nodes = nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _net_span = tracing::trace_span!(target: "caffe2::net", "net", name = info.name).entered();
        observers.iter().for_each(|o| o.net_start(info));
        let mut failed = None;
        for (node, op) in nodes.iter_mut().zip(&info.ops) {
            let _op_span = tracing::trace_span!(
                target: "caffe2::net", "operator", r#type = op.op_type, name = op.name, position = op.position
            )
            .entered();
            observers.iter().for_each(|o| o.op_start(info, op));
            let result = node.run(access, run);
            observers.iter().for_each(|o| o.op_stop(info, op, result.is_ok()));
            if let Err(error) = result {
                failed = Some((op.position, error));
                break;
            }
        }
        observers.iter().for_each(|o| o.net_stop(info, failed.is_none()));
        failed
    }

    fn describe_failure(&mut self, position: usize, cause: OpError, access: &mut BlobAccess<'_>) -> Error {
        let net_inputs = if cause.is_unwritten_input() { self.unwritten_inputs(access) } else { Vec::new() };
        let nodes = self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let error = describe_op_failure(&self.info.ops[position], &nodes[position].wiring, cause, access);
        let error = error.of_op(self.info.ops[position].label()).of_net(&self.info.name);
        if net_inputs.is_empty() {
            return error;
        }
        error.detail([format!("blobs that the net reads and nobody has written: {}", net_inputs.join(", "))])
    }

    /// Blobs that the net reads before it writes them, and that hold nothing.
    fn unwritten_inputs(&mut self, access: &mut BlobAccess<'_>) -> Vec<String> {
        let Net { info, nodes, .. } = self;
        let nodes = nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut written = hashbrown::HashSet::new();
        let mut unwritten: Vec<String> = Vec::new();
        for (node, op) in nodes.iter().zip(&info.ops) {
            for (index, name) in op.inputs.iter().enumerate() {
                let empty = access.look(&node.wiring, index).is_none_or(|blob| {
                    blob.is_empty() || blob.as_tensor().is_some_and(|t| t.data_type().is_none())
                });
                let label = format!("`{name}`");
                if empty && !written.contains(name) && !unwritten.contains(&label) {
                    unwritten.push(label);
                }
            }
            written.extend(op.outputs.iter().cloned());
        }
        unwritten
    }
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
            Some(blob) => match blob.as_tensor() {
                Some(tensor) => format!("`{name}` {}", crate::TensorInfo::from(tensor)),
                None => format!("`{name}` ({})", blob.type_name()),
            },
            None => format!("`{name}`"),
        })
        .collect();
    let error = Error::new(cause.kind(), message).caused_by(cause);
    if inputs.is_empty() { error } else { error.detail([format!("inputs: {}", inputs.join(", "))]) }
}
