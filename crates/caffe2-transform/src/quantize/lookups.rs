//! Embedding tables whose lookups read fused rows as they are.
//!
//! A table that only such lookups read need never become floats: the init net makes the rows, and the lookups are
//! replaced by their forms for rows.

use std::collections::{HashMap, HashSet};

use caffe2_operator::{BlobInfos, OpRegistry, infer_net};
use caffe2_proto::{NetDef, OperatorDef};

use super::select::Weight;
use crate::names::{Read, nets_within, reads};

/// Operators that look up rows of their first input, and their forms for fused rows.
const FORMS: &[(&str, &str)] = &[
    ("Gather", "GatherFused8BitRowwise"),
    ("SparseLengthsMean", "SparseLengthsMeanFused8BitRowwise"),
    ("SparseLengthsSum", "SparseLengthsSumFused8BitRowwise"),
    ("SparseLengthsWeightedSum", "SparseLengthsWeightedSumFused8BitRowwise"),
];

/// Arguments of `Gather` that must be zero for its form to do the same.
const PLAIN: &[&str] = &["axis", "match_outer", "wrap_indices"];

/// The lookups of a net.
pub(super) struct Lookups<'a> {
    net: &'a NetDef,
    reads: HashMap<&'a str, Vec<Read>>,
    /// Blobs that something else than a lookup may see: those that the net writes, and that the init net reads.
    others: HashSet<&'a str>,
    /// The positions of the gathers whose indices are a vector.
    vectors: HashSet<usize>,
}

impl<'a> Lookups<'a> {
    /// The lookups of `net`, where `inputs` are known of what it is fed.
    pub(super) fn of(init: &'a NetDef, net: &'a NetDef, inputs: &BlobInfos) -> Lookups<'a> {
        let written = net.op.iter().flat_map(|op| op.output.iter().map(String::as_str));
        let within = init.op.iter().flat_map(nets_within).flat_map(|net| reads(net).into_keys());
        let read = init.op.iter().flat_map(|op| op.input.iter().map(String::as_str));
        let others = written.chain(read).chain(within).collect();
        Lookups { net, reads: reads(net), others, vectors: vectors(init, net, inputs).unwrap_or_default() }
    }

    /// Whether all that reads a weight are lookups that have a form for rows.
    pub(super) fn alone_read(&self, weight: &Weight<'_>) -> bool {
        let reads = self.reads.get(weight.blob).map_or(&[][..], Vec::as_slice);
        weight.shape.rank() == 2
            && !self.others.contains(weight.blob)
            && reads.iter().all(|read| read.input == Some(0) && self.has_form(read.position))
    }

    fn has_form(&self, position: usize) -> bool {
        let op = &self.net.op[position];
        match op.r#type() {
            "Gather" => self.vectors.contains(&position) && PLAIN.iter().all(|arg| is_zero(op, arg)),
            op_type => FORMS.iter().any(|(lookup, _)| *lookup == op_type),
        }
    }

    /// The net with lookups in the rows of these tables, by the name of the table.
    pub(super) fn rewritten(&self, rows: &HashMap<String, String>) -> NetDef {
        let mut net = self.net.clone();
        let rename = |blob: &mut String| {
            if let Some(rows) = rows.get(blob) {
                blob.clone_from(rows);
            }
        };
        for op in net.op.iter_mut().filter(|op| op.input.iter().any(|input| rows.contains_key(input))) {
            let form = FORMS.iter().find(|(lookup, _)| *lookup == op.r#type());
            op.r#type = form.map(|(_, form)| (*form).to_owned());
            // Of Gather, whose form does nothing else.
            op.arg.retain(|arg| !PLAIN.contains(&arg.name()));
            op.input.iter_mut().for_each(rename);
        }
        net.external_input.iter_mut().for_each(rename);
        net
    }
}

fn is_zero(op: &OperatorDef, argument: &str) -> bool {
    op.argument(argument).is_none_or(|argument| argument.i == Some(0))
}

/// The positions of the operators whose second input is known to be a vector; `None` when nothing can be known.
fn vectors(init: &NetDef, net: &NetDef, inputs: &BlobInfos) -> Option<HashSet<usize>> {
    let registry = OpRegistry::linked().ok()?;
    let mut known = inputs.clone();
    infer_net(&registry, init, &mut known).ok()?;
    let ops = infer_net(&registry, net, &mut known).ok()?;
    let is_vector = |op: &caffe2_operator::InferredOp| {
        op.inputs.get(1).and_then(|info| info.shape.as_ref()).is_some_and(|shape| shape.rank() == 1)
    };
    Some(ops.iter().enumerate().filter(|(_, op)| is_vector(op)).map(|(position, _)| position).collect())
}
