//! What a picture says of an operator beside its type.

use caffe2::OperatorDef;
use caffe2::operator::InferredOp;
use caffe2::proto::Argument;

/// Operators that are alike, and drawn in one colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Blob,
    Convolution,
    Product,
    Normalisation,
    Activation,
    Pooling,
    Layout,
    Other,
}

impl Family {
    pub(super) fn of(op_type: &str) -> Family {
        let plain = op_type.strip_prefix("Int8").unwrap_or(op_type);
        let begins = |words: &[&str]| words.iter().any(|word| plain.starts_with(word));
        if begins(&["Conv"]) {
            Family::Convolution
        } else if begins(&["FC", "MatMul", "BatchMatMul", "SparseLengths", "Gather"]) {
            Family::Product
        } else if begins(&[
            "SpatialBN",
            "LRN",
            "LayerNorm",
            "GroupNorm",
            "InstanceNorm",
            "Normalize",
            "AffineChannel",
        ]) {
            Family::Normalisation
        } else if begins(&[
            "Relu",
            "LeakyRelu",
            "PRelu",
            "Sigmoid",
            "Softmax",
            "Tanh",
            "Clip",
            "Elu",
            "Selu",
            "Swish",
            "Soft",
            "HardSigmoid",
            "ReluN",
            "Gelu",
        ]) {
            Family::Activation
        } else if begins(&["MaxPool", "AveragePool", "Reduce"]) {
            Family::Pooling
        } else if begins(&[
            "Concat",
            "Split",
            "Slice",
            "Reshape",
            "Flatten",
            "Transpose",
            "NCHW2",
            "NHWC2",
            "Copy",
            "ChannelShuffle",
            "Pad",
            "Resize",
            "Upsample",
            "ExpandDims",
            "Squeeze",
            "Tile",
            "Dropout",
            "Cast",
        ]) {
            Family::Layout
        } else {
            Family::Other
        }
    }

    /// The colour of its mark, in hexadecimal.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Family::Blob => "#37474f",
            Family::Convolution => "#1565c0",
            Family::Product => "#c62828",
            Family::Normalisation => "#2e7d32",
            Family::Activation => "#ef6c00",
            Family::Pooling => "#6a1b9a",
            Family::Layout => "#78909c",
            Family::Other => "#00838f",
        }
    }
}

/// The arguments that tell what an operator does, in a few characters.
pub(super) fn short(op: &OperatorDef, inferred: &InferredOp) -> String {
    let int = |name: &str| op.argument(name).and_then(|arg| arg.i);
    let on = |name: &str| int(name).is_some_and(|value| value != 0);
    let mut parts = Vec::new();
    match Family::of(op.r#type()) {
        Family::Pooling if on("global_pooling") => parts.push("global".to_owned()),
        Family::Convolution | Family::Pooling => {
            if let Some(kernel) = window(op, "kernel", "kernels") {
                parts.push(kernel);
            }
            let stride = window(op, "stride", "strides").filter(|stride| stride != "1×1");
            parts.extend(stride.map(|stride| format!("/{}", stride.split('×').next().unwrap_or("1"))));
            parts.extend(int("group").filter(|group| *group > 1).map(|group| format!("group {group}")));
            let dilation = int("dilation").filter(|dilation| *dilation > 1);
            parts.extend(dilation.map(|dilation| format!("dilation {dilation}")));
        }
        Family::Product => {
            let columns = inferred.inputs.get(1).and_then(|w| w.shape.as_ref()).map(|w| w.dims().to_vec());
            if let Some([rows, columns]) = columns.as_deref() {
                parts.push(format!("{columns}→{rows}"));
            }
        }
        _ => {
            for name in ["axis", "size", "scale", "min", "max", "ratio"] {
                if let Some(value) = op.argument(name).and_then(number) {
                    parts.push(format!("{name} {value}"));
                }
            }
        }
    }
    parts.join(" ")
}

/// Sizes of a window that are shown at most.
const MOST_SIZES: usize = 8;

/// The sizes of a window, given by one number, by height and width, or as a list.
fn window(op: &OperatorDef, single: &str, list: &str) -> Option<String> {
    let int = |name: &str| op.argument(name).and_then(|arg| arg.i);
    if let Some(size) = int(single) {
        return Some(format!("{size}×{size}"));
    }
    if let (Some(h), Some(w)) = (int(&format!("{single}_h")), int(&format!("{single}_w"))) {
        return Some(format!("{h}×{w}"));
    }
    let sizes = &op.argument(list)?.ints;
    let shown = sizes.iter().take(MOST_SIZES).map(i64::to_string);
    Some(shown.collect::<Vec<_>>().join("×") + if sizes.len() > MOST_SIZES { "×…" } else { "" })
}

fn number(arg: &Argument) -> Option<String> {
    arg.f.map(|f| f.to_string()).or_else(|| arg.i.map(|i| i.to_string()))
}

/// All arguments, long ones cut short.
pub(super) fn arguments(op: &OperatorDef) -> String {
    const MOST: usize = 8;
    const MOST_BYTES: usize = 64;
    fn list<T: ToString>(values: &[T]) -> String {
        let shown: Vec<_> = values.iter().take(MOST).map(ToString::to_string).collect();
        format!("[{}{}]", shown.join(", "), if values.len() > MOST { ", …" } else { "" })
    }
    let value = |arg: &Argument| {
        if let Some(number) = number(arg) {
            number
        } else if let Some(s) = &arg.s {
            let shown = String::from_utf8_lossy(&s[..s.len().min(MOST_BYTES)]).into_owned();
            shown + if s.len() > MOST_BYTES { "…" } else { "" }
        } else if !arg.ints.is_empty() {
            list(&arg.ints)
        } else if !arg.floats.is_empty() {
            list(&arg.floats)
        } else {
            "…".to_owned()
        }
    };
    op.arg.iter().map(|arg| format!("{} = {}", arg.name(), value(arg))).collect::<Vec<_>>().join("\n")
}
