//! Parts of a tensor picked by their place: Caffe2's `Gather`, `BatchGather`, `GatherRanges` and `LengthsToRanges`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_gather as _; // links the operators
//!
//! let x = Tensor::from_slice([3, 2], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let rows = Tensor::from_slice([2], &[2, 0])?;
//! let gather = OperatorDef::new("Gather").inputs(["x", "rows"]).output("y");
//! let y = run_operator(&gather, [x, rows])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [5.0, 6.0, 1.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod gather;
mod ranges;

pub use gather::{AnyAxis, Axis, GatherOp, SecondAxis};
pub use ranges::{GatherRangesOp, LengthsToRangesOp};
