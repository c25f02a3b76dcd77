//! Merges convolutions with what follows them: one operator computes what several did, while the result is in the cache.
//!
//! | operator | taken into the `Conv` before it |
//! |---|---|
//! | `SpatialBN` in test mode, `AffineChannel` | in the same order of dimensions |
//! | `Mul`, `Add` with `broadcast` and the axis of the channels | what Caffe calls a `Scale` layer |
//! | `Sum` of two | with the other summand, which may be anything that is there by then |
//! | `Relu`, `LeakyRelu`, `Clip` | ends the chain |
//!
//! The merged operator is a `ConvFused`, which only this project has. Parameters stay the blobs that they are, so weights kept as
//! bytes can be merged too. Blobs between the merged operators are not computed any more: [`Fused::gone`] names them, and who
//! wants to see one says so ([`FuseOptions::keep`]).
//!
//! ```
//! use caffe2_proto::{NetDef, OperatorDef};
//! use caffe2_transform::fuse::{FuseOptions, fuse};
//!
//! let mut net = NetDef::new("n")
//!     .op(OperatorDef::new("Conv").inputs(["x", "w", "b"]).output("y").arg("kernel", 3))
//!     .op(OperatorDef::new("SpatialBN").inputs(["y", "s", "t", "m", "v"]).output("z").arg("is_test", 1))
//!     .op(OperatorDef::new("Relu").input("z").output("z"))
//!     .external_output("z");
//! let fused = fuse(&mut net, &FuseOptions::default());
//! assert_eq!((net.op.len(), net.op[0].r#type()), (1, "ConvFused"));
//! assert_eq!((fused.merged, fused.gone), (2, vec!["y".to_owned()]));
//! ```

mod chain;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use caffe2_proto::NetDef;

use crate::versions::Versions;
use chain::{Chain, Context};

/// What is known of a net that the definition does not tell.
#[derive(Clone, Copy)]
pub struct FuseOptions<'a> {
    /// Blobs that are to be there when the net has run, beside its outputs.
    pub keep: &'a [String],
    /// Whether a blob that is there before the net runs has one dimension and several elements. Of others `Mul` and `Add`
    /// are not taken in: a single element is for all channels, and what has more dimensions is not by channel.
    pub is_vector: &'a dyn Fn(&str) -> bool,
}

impl Default for FuseOptions<'_> {
    /// Nothing is kept or known.
    fn default() -> Self {
        FuseOptions { keep: &[], is_vector: &|_| false }
    }
}

/// What was merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fused {
    /// Operators that became part of another.
    pub merged: usize,
    /// Blobs that the net computed and does not any more, in order.
    pub gone: Vec<String>,
}

/// Merges operators of `net` in place.
pub fn fuse(net: &mut NetDef, options: &FuseOptions<'_>) -> Fused {
    let versions = Versions::of(net, options.keep);
    let mut replaced = vec![None; net.op.len()];
    let mut dropped = HashSet::new();
    let mut taken = HashSet::new();
    for position in 0..net.op.len() {
        let of = Context { net, versions: &versions, taken: &taken, is_vector: options.is_vector };
        if let Some(chain) = Chain::from(of, position) {
            let (last, merged) = chain.merge();
            dropped.extend(chain.positions().filter(|position| *position != last));
            replaced[last] = Some(merged);
            let positions: Vec<_> = chain.positions().collect();
            taken.extend(positions);
        }
    }
    let before: Vec<String> = net.op.iter().flat_map(|op| op.output.iter().cloned()).collect();
    let ops = std::mem::take(&mut net.op).into_iter().zip(replaced).enumerate();
    net.op = ops
        .filter(|(position, _)| !dropped.contains(position))
        .map(|(_, (op, merged))| merged.unwrap_or(op))
        .collect();
    let written: HashSet<&String> = net.op.iter().flat_map(|op| &op.output).collect();
    let mut seen = HashSet::new();
    let gone = before.iter().filter(|name| !written.contains(name) && seen.insert(*name)).cloned().collect();
    Fused { merged: dropped.len(), gone }
}
