//! Caffe2's operators that search: where the extremes of a tensor are, its greatest values, its distinct values.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_search as _; // links the operators
//!
//! let scores = Tensor::from_slice([2, 3], &[0.1f32, 0.7, 0.2, 0.5, 0.1, 0.4])?;
//! let top = OperatorDef::new("TopK").input("x").outputs(["values", "indices"]).arg("k", 2);
//! let outputs = run_operator(&top, [scores])?;
//! assert_eq!(outputs[0].as_slice::<f32>()?, [0.7, 0.2, 0.5, 0.4]);
//! assert_eq!(outputs[1].as_slice::<i64>()?, [1, 2, 0, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod arg;
mod axis;
mod best;
mod top_k;
mod unique;

pub use arg::{ArgMax, ArgMin, ArgOp, Extreme};
pub use top_k::TopKOp;
pub use unique::UniqueOp;
