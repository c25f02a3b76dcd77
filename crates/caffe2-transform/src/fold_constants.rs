//! Operators of a predict net that give the same in every run.
//!
//! Nets that keep weights small expand them in the predict net: from bytes, halves or rows of codes, perhaps followed by a
//! change of shape or order. Such operators can run once, when a net is loaded. What they make then stays in memory, so
//! whoever runs them must mind a budget: weights stored as bytes take four times their size as floats.

use std::collections::HashSet;

use caffe2_proto::NetDef;

use crate::versions::Versions;

/// Operators that expand what is stored: where a chain begins.
const EXPANDING: [&str; 8] = [
    "ByteWeightDequant",
    "Fused2BitRowwiseQuantizedToFloat",
    "Fused4BitRowwiseQuantizedToFloat",
    "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat",
    "Fused8BitRowwiseQuantizedToFloat",
    "HalfToFloat",
    "QuantDecode",
    "Rowwise8BitQuantizedToFloat",
];

/// Operators that a chain may go on with: what they give depends on their inputs and arguments alone.
const CONTINUING: [&str; 11] = [
    "Alias",
    "Cast",
    "Copy",
    "ExpandDims",
    "Flatten",
    "FlattenToVec",
    "NCHW2NHWC",
    "NHWC2NCHW",
    "Reshape",
    "Squeeze",
    "Transpose",
];

/// The positions of operators of `predict` that may run once instead of in every run: those that expand blobs for which
/// `is_constant` holds, and those that change the shape, order or type of what these give.
///
/// Left out are operators that write a blob which the net writes elsewhere, takes from outside, or gives, and those of
/// blobs that nets within operators name.
///
/// ```
/// use caffe2_proto::{NetDef, OperatorDef};
/// use caffe2_transform::fold_constants::constant_operators;
///
/// let net = NetDef::new("score")
///     .op(OperatorDef::new("ByteWeightDequant").input("w_codes").output("w"))
///     .op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"));
/// assert_eq!(constant_operators(&net, |blob| blob == "w_codes"), [0]);
/// ```
pub fn constant_operators(predict: &NetDef, is_constant: impl Fn(&str) -> bool) -> Vec<usize> {
    let versions = Versions::of(predict, &[]);
    let inputs: HashSet<&str> = predict.external_input.iter().map(String::as_str).collect();
    let own = |name: &String| {
        versions.writes_of(name) == 1 && !versions.is_visible((name, 1)) && !inputs.contains(name.as_str())
    };
    let stored =
        |name: &String| versions.writes_of(name) == 0 && !versions.is_within(name) && is_constant(name);

    let mut made: HashSet<&str> = HashSet::new();
    let mut positions = Vec::new();
    for (position, op) in predict.op.iter().enumerate() {
        let kind = op.r#type();
        let known = match op.input.split_first() {
            Some((first, rest)) if CONTINUING.contains(&kind) => {
                made.contains(first.as_str())
                    && rest.iter().all(|name| made.contains(name.as_str()) || stored(name))
            }
            Some(_) => EXPANDING.contains(&kind) && op.input.iter().all(stored),
            None => false,
        };
        if known && op.control_input.is_empty() && op.output.iter().all(own) {
            made.extend(op.output.iter().map(String::as_str));
            positions.push(position);
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use caffe2_proto::OperatorDef;

    use super::*;

    fn op(kind: &str, inputs: &[&str], outputs: &[&str]) -> OperatorDef {
        OperatorDef::new(kind).inputs(inputs.iter().copied()).outputs(outputs.iter().copied())
    }

    fn found(net: &NetDef) -> Vec<usize> {
        constant_operators(net, |blob| blob.starts_with("stored"))
    }

    #[test]
    fn chains_begin_where_stored_weights_are_expanded() {
        for kind in EXPANDING {
            let net = NetDef::new("n")
                .op(op(kind, &["stored"], &["w"]))
                .op(op("Reshape", &["w", "stored_shape"], &["v", "old"]))
                .op(op("Transpose", &["v"], &["u"]))
                .op(op("FC", &["x", "u", "b"], &["y"]))
                .op(op("Reshape", &["stored"], &["z"]));
            assert_eq!(found(&net), [0, 1, 2], "{kind}");
        }
    }

    #[test]
    fn what_is_fed_or_computed_is_not_constant() {
        let net = NetDef::new("n")
            .op(op("HalfToFloat", &["x"], &["w"]))
            .op(op("Relu", &["x"], &["stored"]))
            .op(op("HalfToFloat", &["stored"], &["v"]))
            .op(op("Copy", &["w"], &["u"]));
        assert!(found(&net).is_empty());
    }

    #[test]
    fn blobs_that_others_write_or_that_are_known_outside_stay() {
        let expand = || op("HalfToFloat", &["stored"], &["w"]);
        assert!(found(&NetDef::new("n").op(expand()).op(op("Relu", &["w"], &["w"]))).is_empty());
        assert!(found(&NetDef::new("n").op(expand()).external_output("w")).is_empty());
        assert!(found(&NetDef::new("n").op(expand()).external_input("w")).is_empty());
        assert!(found(&NetDef::new("n").op(expand().control_input("x"))).is_empty());
        assert_eq!(found(&NetDef::new("n").op(expand())), [0]);
        for named in ["w", "stored"] {
            let inner = NetDef::new("inner").op(op("Exp", &[named], &["v"]));
            let branch = OperatorDef::new("If").input("c").arg("then_net", inner);
            assert!(found(&NetDef::new("n").op(expand()).op(branch)).is_empty(), "{named}");
        }
    }
}
