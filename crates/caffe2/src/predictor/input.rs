//! What a net must be given.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use caffe2_operator::{
    BlobInfos, Expectation, Expectations, OpRegistry, TensorInfo, Workspace, expected_inputs, infer_net,
};
use caffe2_proto::NetDef;

use crate::NetFacts;

/// A tensor that a net must be given to run. It prints such as `` `data`, float [?, 3, ?, ?] ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    name: String,
    expectation: Expectation,
    reader: String,
}

impl Input {
    /// The name of the blob.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type and shape, as far as the operators that read it tell.
    pub fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// The operator that reads it first, such as `operator #0 Conv`.
    pub fn reader(&self) -> &str {
        &self.reader
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, {}", self.name, self.expectation)
    }
}

/// What a net must be given, and what is known of the rest of what it reads.
pub(super) fn find(
    net: &NetDef,
    workspace: &Workspace,
    registry: &Arc<OpRegistry>,
) -> (Vec<Input>, BlobInfos) {
    let facts = NetFacts::new(net);
    let mut seen = HashSet::new();
    let declared = net.external_input.iter().map(String::as_str);
    let names = declared.chain(facts.inputs().map(|(name, _)| name)).filter(|name| seen.insert(*name));
    let (mut known, mut missing) = (BlobInfos::new(), Vec::new());
    for name in names {
        match workspace.blob(name).filter(|blob| !blob.is_empty()) {
            Some(blob) => match blob.as_tensor() {
                Some(tensor) if tensor.data_type().is_none() => missing.push(name),
                Some(tensor) => known.insert(name.to_owned(), TensorInfo::from(tensor)),
                // A value of another kind, of which nothing is known.
                None => {}
            },
            None => missing.push(name),
        }
    }
    let expected = expected_inputs(registry, net, &known);
    for name in stand_ins(net, registry, &known, &expected) {
        known.remove(&name);
        if let Some(name) = net.external_input.iter().find(|input| **input == name) {
            missing.push(name);
        }
    }
    let at = |name: &str| net.external_input.iter().position(|input| input == name).unwrap_or(usize::MAX);
    // What is declared and not read is not needed.
    let mut inputs: Vec<_> = facts
        .inputs()
        .filter(|(name, _)| missing.contains(name))
        .map(|(name, reader)| {
            let expectation = expected.get(name).cloned().unwrap_or_default();
            Input { name: name.to_owned(), expectation, reader }
        })
        .collect();
    inputs.sort_by_key(|input| at(&input.name));
    (inputs, known)
}

/// Inputs that exist and that the net cannot take: Caffe2's exporter has the init net make such blobs in the place of
/// inputs, so that the predict net can be built.
fn stand_ins(
    net: &NetDef,
    registry: &Arc<OpRegistry>,
    known: &BlobInfos,
    expected: &Expectations,
) -> Vec<String> {
    if infer_net(registry, net, &mut known.clone()).is_ok() {
        return Vec::new();
    }
    let is_other = |name: &&String| match (known.get(*name), expected.get(*name)) {
        (Some(info), Some(wanted)) => {
            !wanted.takes(info.data_type) || info.shape.as_ref().is_some_and(|shape| !wanted.means(shape))
        }
        _ => false,
    };
    net.external_input.iter().filter(is_other).cloned().collect()
}
