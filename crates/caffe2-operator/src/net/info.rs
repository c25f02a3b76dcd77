//! What is known of nets and their operators.

use std::sync::Arc;

use caffe2_proto::NetDef;

use crate::error::OpLabel;

/// What is known of a net: its name and type, and its operators in order.
#[derive(Debug)]
pub struct NetInfo {
    pub(super) name: String,
    net_type: String,
    pub(super) workers: usize,
    pub(super) ops: Vec<OpInfo>,
}

impl NetInfo {
    pub(crate) fn new(def: &NetDef, workers: usize, ops: Vec<OpInfo>) -> NetInfo {
        NetInfo { name: def.name().to_owned(), net_type: def.r#type().to_owned(), workers, ops }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type as it was given; empty for a simple net.
    pub fn net_type(&self) -> &str {
        &self.net_type
    }

    /// The number of threads that the definition wants operators to run on; 1 for nets that run in order, and 0 for as
    /// many as the workspace has.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The operators in order.
    pub fn ops(&self) -> &[OpInfo] {
        &self.ops
    }
}

/// What is known of an operator of a net.
#[derive(Debug)]
pub struct OpInfo {
    pub(super) position: usize,
    pub(super) op_type: &'static str,
    pub(super) engine: &'static str,
    pub(super) name: String,
    pub(super) inputs: Vec<Arc<str>>,
    pub(super) outputs: Vec<Arc<str>>,
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
