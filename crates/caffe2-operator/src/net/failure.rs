//! What is said of an operator that failed.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Failed, Net, NetInfo, Node, OpInfo};
use crate::access::{BlobAccess, Wiring};
use crate::blob::Blob;
use crate::error::Error;
use crate::infer::TensorInfo;
use crate::op_error::OpError;

impl Net {
    /// The error of a run in which an operator failed.
    pub(super) fn describe_failure(&mut self, failed: Failed, access: &mut BlobAccess<'_>) -> Error {
        let Failed { position, cause } = failed;
        let info = Arc::clone(&self.info);
        let op = &info.ops[position];
        let mut error = None;
        // Whether each input of each operator holds something.
        let mut written = vec![Vec::new(); if cause.is_unwritten_input() { info.ops.len() } else { 0 }];
        self.each_node(&mut |node| {
            let Node { wiring, position: at, .. } = node;
            if *at as usize == position {
                error = Some(describe_op_failure(op, wiring, &cause, access));
            }
            if let Some(written) = written.get_mut(*at as usize) {
                let holds = |input| access.look(wiring, input).is_some_and(Blob::is_written);
                *written = (0..wiring.input_count()).map(holds).collect();
            }
        });
        let error = error.unwrap_or_else(|| Error::new(cause.kind(), cause.to_string()));
        let error = error.of_op(op.label()).of_net(&info.name);
        if written.is_empty() {
            return error;
        }
        error.detail(unwritten_inputs(&info, |op, input| written[op].get(input).is_some_and(|holds| *holds)))
    }
}

/// A line on blobs that a net reads before it writes them, and that hold nothing. `holds` tells whether an input of an
/// operator, both by position, holds something.
pub(crate) fn unwritten_inputs(
    info: &NetInfo,
    mut holds: impl FnMut(usize, usize) -> bool,
) -> Option<String> {
    // Those that are written, or on the list.
    let mut known = HashSet::new();
    let mut unwritten: Vec<String> = Vec::new();
    for (position, op) in info.ops.iter().enumerate() {
        for (index, name) in op.inputs.iter().enumerate() {
            if !holds(position, index) && known.insert(name) {
                unwritten.push(format!("`{name}`"));
            }
        }
        known.extend(&op.outputs);
    }
    let list = unwritten.join(", ");
    (!unwritten.is_empty()).then(|| format!("blobs that the net reads and nobody has written: {list}"))
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
            Some(blob) => match (blob.as_tensor(), blob.as_int8()) {
                (Some(tensor), _) => format!("`{name}` {}", TensorInfo::from(tensor)),
                (_, Some(int8)) => format!("`{name}` {} (an 8-bit tensor)", TensorInfo::from(int8)),
                _ => format!("`{name}` ({})", blob.type_name()),
            },
            None => format!("`{name}`"),
        })
        .collect();
    let error = Error::new(cause.kind(), message).of_blob(blob.map(|(.., name)| &**name));
    let error = error.caused_by(cause.clone());
    if inputs.is_empty() { error } else { error.detail([format!("inputs: {}", inputs.join(", "))]) }
}
