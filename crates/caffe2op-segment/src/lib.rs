//! Sums over groups of rows: Caffe2's operators on lengths and segment ids, and those that pick the rows from an
//! embedding table of floats, halves, or codes with a scale and a bias for each row.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_segment as _; // links the operators
//!
//! let table = Tensor::from_slice([3, 2], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let (indices, lengths) = (Tensor::from_slice([3], &[2i64, 0, 1])?, Tensor::from_slice([2], &[2i32, 1])?);
//! let sum = OperatorDef::new("SparseLengthsSum").inputs(["table", "indices", "lengths"]).output("y");
//! let y = run_operator(&sum, [table, indices, lengths])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [6.0, 8.0, 3.0, 4.0]); // rows 2 and 0, and row 1
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod lengths;
mod lengths_tile;
mod reduction;
mod rows;
mod segment_sum;
mod segments;
mod sparse_lengths;
mod table;

pub use lengths::LengthsOp;
pub use lengths_tile::LengthsTileOp;
pub use reduction::{Max, Mean, Reduction, Sum};
pub use segment_sum::{SortedSegmentSumOp, UnsortedSegmentSumOp};
pub use sparse_lengths::{
    PositionalWeightedSum, SparseLengths, SparseLengthsOp, SparseReduction, WeightedMean, WeightedSum,
    Weighting,
};
pub use table::{Fused, Plain, Separate, SummedFormat, TableKind};
