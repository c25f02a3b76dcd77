//! What is said of an operator that failed.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Failed, Net, OpInfo};
use crate::access::{BlobAccess, Wiring};
use crate::error::Error;
use crate::op_error::OpError;

impl Net {
    /// The error of a run in which an operator failed.
    pub(super) fn describe_failure(&mut self, failed: Failed, access: &mut BlobAccess<'_>) -> Error {
        let Failed { position, cause } = failed;
        let net_inputs = if cause.is_unwritten_input() { self.unwritten_inputs(access) } else { Vec::new() };
        let info = Arc::clone(&self.info);
        let op = &info.ops[position];
        let mut error = None;
        self.each_node(&mut |node| {
            if node.position as usize == position {
                error = Some(describe_op_failure(op, &node.wiring, &cause, access));
            }
        });
        let error = error.unwrap_or_else(|| Error::new(cause.kind(), cause.to_string()));
        let error = error.of_op(op.label()).of_net(&info.name);
        if net_inputs.is_empty() {
            return error;
        }
        error.detail([format!("blobs that the net reads and nobody has written: {}", net_inputs.join(", "))])
    }

    /// Blobs that the net reads before it writes them, and that hold nothing.
    fn unwritten_inputs(&mut self, access: &mut BlobAccess<'_>) -> Vec<String> {
        let info = Arc::clone(&self.info);
        let mut written = HashSet::new();
        let mut unwritten: Vec<String> = Vec::new();
        self.each_node(&mut |node| {
            let op = &info.ops[node.position as usize];
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
        });
        unwritten
    }
}

/// The error of an operator with the name of the blob that it is about, and what all inputs hold.
pub(crate) fn describe_op_failure(
    op: &OpInfo,
    wiring: &Wiring,
    cause: &OpError,
    access: &mut BlobAccess<'_>,
) -> Error {
    let blob = cause.blob().and_then(|(output, index)| {
        let names = if output { &op.outputs } else { &op.inputs };
        Some((if output { "output" } else { "input" }, index, names.get(index)?))
    });
    let message = match blob {
        Some((what, index, name)) => {
            let text = cause.to_string();
            let plain = format!("{what} {index}");
            match text.strip_prefix(&plain) {
                Some(rest) => format!("{plain} `{name}`{rest}"),
                None => text,
            }
        }
        None => cause.to_string(),
    };
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
    let error = Error::new(cause.kind(), message).of_blob(blob.map(|(.., name)| &**name));
    let error = error.caused_by(cause.clone());
    if inputs.is_empty() { error } else { error.detail([format!("inputs: {}", inputs.join(", "))]) }
}
