//! Keeps weights as the bytes they are stored as, where operators can multiply by them.
//!
//! The pass gives `ByteWeightDequant` operators the argument `keep_codes`, and those that expand rows of bytes with a
//! scale and a bias each (`Fused8BitRowwiseQuantizedToFloat` and its like with halves). Their outputs are then kept as bytes until
//! somebody reads floats, so marking an operator never changes what a net may be used for: every blob can be read,
//! copied and fetched as before. Which operators are marked is a question of memory and speed alone: those whose output
//! reaches the weights of an `FC`, `FCTransposed`, `MatMul` or `Conv`, also by way of `Copy`, `Reshape` and their kin,
//! which share what they are given.
//!
//! ```
//! use caffe2_proto::{NetDef, OperatorDef};
//! use caffe2_transform::keep_codes::KeepCodes;
//!
//! let net = NetDef::new("score").op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"));
//! let keep = KeepCodes::of(&net);
//! // Operators of the init net, one at a time, in their order.
//! let mut weight = OperatorDef::new("ByteWeightDequant").input("w_codes").output("w");
//! let mut other = OperatorDef::new("ByteWeightDequant").input("m_codes").output("mean");
//! assert!(keep.mark(&mut weight) && !keep.mark(&mut other));
//! assert_eq!(weight.argument("keep_codes").and_then(|keep| keep.i), Some(1));
//! ```

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use caffe2_proto::{Argument, NetDef, OperatorDef};

/// The argument that the pass adds.
const ARGUMENT: &str = "keep_codes";

/// Operators that make weights of bytes: all with one rule, or rows that have a rule each.
const UNIFORM: &str = "ByteWeightDequant";
const ROWWISE: [&str; 2] =
    ["Fused8BitRowwiseQuantizedToFloat", "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat"];

/// Operators whose input 1 is a weight that they can take as bytes.
const PRODUCTS: [&str; 3] = ["FC", "FCTransposed", "MatMul"];
const CONVOLUTIONS: [&str; 5] = ["Conv", "Conv1D", "Conv2D", "Conv3D", "ConvFused"];

/// Operators whose first output is their first input, perhaps in another shape: they share bytes and all.
const PASSING_ON: [&str; 8] =
    ["Alias", "Copy", "EnsureCPUOutput", "ExpandDims", "Flatten", "FlattenToVec", "Reshape", "Squeeze"];

/// The blobs that a net reads as weights which may be bytes, by what they hold before it runs.
#[derive(Debug, Clone, Default)]
pub struct KeepCodes {
    wanted: HashMap<String, Use>,
}

/// What a weight is used for; of several uses the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// Convolutions in groups only. Should each channel be a group, they are better off with floats.
    Grouped,
    /// Convolutions.
    Convolution,
    /// Products of matrices.
    Matrix,
}

impl KeepCodes {
    /// What `predict` wants of the blobs that are there before it runs.
    pub fn of(predict: &NetDef) -> KeepCodes {
        let mut keep = KeepCodes::default();
        predict.op.iter().rev().for_each(|op| keep.rewind(op));
        keep
    }

    /// Marks `op`, an operator of the init net, if it expands bytes and its output is wanted; tells whether it did. One
    /// that says already whether codes are kept stays as it is.
    ///
    /// It knows nothing of operators that come later in the init net: a weight that these copy or reshape before the
    /// net uses it under another name is not followed. [`Marks`], which sees the names in all of the init net, follows
    /// it.
    pub fn mark(&self, op: &mut OperatorDef) -> bool {
        mark(self.wanted_of(op), op)
    }

    /// What the first output of `op` is wanted for.
    fn wanted_of(&self, op: &OperatorDef) -> Option<Use> {
        self.wanted.get(op.output.first()?.as_str()).copied()
    }

    /// From what is wanted after `op` to what is wanted before it.
    fn rewind(&mut self, op: &OperatorDef) {
        let outputs = op.output.iter().enumerate();
        let mut first = None;
        for (index, output) in outputs {
            let was = self.wanted.remove(output.as_str());
            first = if index == 0 { was } else { first };
        }
        if let (Some(wanted), Some(input)) = (first, op.input.first())
            && PASSING_ON.contains(&op.r#type())
        {
            self.want(input, wanted);
        }
        self.use_weights(op);
    }

    /// Adds the weights that `op` itself can take as bytes, and those of nets within it that see the same blobs.
    fn use_weights(&mut self, op: &OperatorDef) {
        if let Some(weight) = op.input.get(1) {
            let kind = op.r#type();
            if PRODUCTS.contains(&kind) {
                self.want(weight, Use::Matrix);
            } else if CONVOLUTIONS.contains(&kind) {
                let groups = op.argument("group").and_then(|group| group.i).unwrap_or(1);
                self.want(weight, if groups > 1 { Use::Grouped } else { Use::Convolution });
            }
        }
        if matches!(op.r#type(), "If" | "While") {
            // Whether these run, and how often, is not known: what they write may be what was there before.
            for net in op.arg.iter().filter_map(|arg| arg.n.as_ref()) {
                net.op.iter().for_each(|op| self.use_weights(op));
            }
        }
    }

    fn want(&mut self, blob: &str, wanted: Use) {
        let known = self.wanted.entry(blob.to_owned()).or_insert(wanted);
        *known = wanted.max(*known);
    }
}

/// Whether a filter with the shape that `op` gives its output takes one channel, the second dimension in NCHW order and
/// the last in NHWC.
fn has_one_channel(op: &OperatorDef) -> bool {
    match op.argument("shape").map(|shape| shape.ints.as_slice()) {
        Some([_, channels, .., last]) => *channels == 1 || *last == 1,
        _ => false,
    }
}

/// Whether an operator that expands bytes, whose output is wanted for this, is to keep them.
fn suits(wanted: Option<Use>, op: &OperatorDef) -> bool {
    let worth_it = match (op.r#type(), wanted) {
        (UNIFORM, Some(Use::Matrix | Use::Convolution)) => true,
        (UNIFORM, Some(Use::Grouped)) => !has_one_channel(op),
        (kind, Some(Use::Matrix | Use::Convolution)) => ROWWISE.contains(&kind),
        _ => false,
    };
    worth_it && op.argument(ARGUMENT).is_none()
}

fn mark(wanted: Option<Use>, op: &mut OperatorDef) -> bool {
    let suits = suits(wanted, op);
    if suits {
        op.arg.push(Argument::new(ARGUMENT, true));
    }
    suits
}

/// Which operators of an init net are to keep codes, by position: for a net whose operators are decoded one at a time.
///
/// ```
/// use caffe2_proto::{NetDef, OperatorDef};
/// use caffe2_transform::keep_codes::Marks;
///
/// let weight = OperatorDef::new("ByteWeightDequant").input("q").output("v");
/// let init = NetDef::new("init").op(weight).op(OperatorDef::new("Copy").input("v").output("w"));
/// let mut net = NetDef::new("score").op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"));
/// let marks = Marks::plan(&init, &mut net);
/// assert!(marks.wants(0, &init.op[0]) && !marks.wants(1, &init.op[1]));
/// ```
#[derive(Debug, Clone)]
pub struct Marks {
    wanted: Vec<Option<Use>>,
    in_net: usize,
}

impl Marks {
    /// Marks operators of `predict`, and finds out which of `init` are wanted. Of the latter's operators types, inputs and
    /// outputs are looked at, but no arguments.
    pub fn plan(init: &NetDef, predict: &mut NetDef) -> Marks {
        let (mut keep, mut in_net) = (KeepCodes::default(), 0);
        for op in predict.op.iter_mut().rev() {
            in_net += usize::from(keep.mark(op));
            keep.rewind(op);
        }
        let backwards = init.op.iter().rev().map(|op| {
            let wanted = keep.wanted_of(op);
            keep.rewind(op);
            wanted
        });
        let mut wanted: Vec<_> = backwards.collect();
        wanted.reverse();
        Marks { wanted, in_net }
    }

    /// Whether [`Marks::mark`] would mark `op`, the whole operator at `position` of the init net.
    pub fn wants(&self, position: usize, op: &OperatorDef) -> bool {
        suits(self.wanted.get(position).copied().flatten(), op)
    }

    /// Marks `op`, the whole operator at `position` of the init net, if its codes are to be kept; tells whether it did.
    pub fn mark(&self, position: usize, op: &mut OperatorDef) -> bool {
        mark(self.wanted.get(position).copied().flatten(), op)
    }
}

/// Marks the operators of both nets whose outputs `predict` uses as weights; tells how many. The two may be run as
/// before, in any workspace, and by Caffe2 too, which ignores the argument.
pub fn keep_codes(init: &mut NetDef, predict: &mut NetDef) -> usize {
    let marks = Marks::plan(init, predict);
    let ops = init.op.iter_mut().enumerate();
    marks.in_net + ops.filter_map(|(position, op)| marks.mark(position, op).then_some(())).count()
}
