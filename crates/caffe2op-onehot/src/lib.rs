//! Caffe2's operators that write categories as vectors with a single one.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_onehot as _; // links the operators
//!
//! let def = OperatorDef::new("OneHot").inputs(["categories", "count"]).output("y");
//! let y = run_operator(&def, [Tensor::from_slice([2], &[2i64, 0])?, Tensor::scalar(3i64)?])?;
//! assert_eq!(y[0], Tensor::from_slice([2, 3], &[0.0f32, 0.0, 1.0, 1.0, 0.0, 0.0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod batch;
mod single;

pub use batch::BatchOneHotOp;
pub use single::OneHotOp;
