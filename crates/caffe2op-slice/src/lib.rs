//! Caffe2's `Slice`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_slice as _; // links the operator
//!
//! // All rows, and the last two columns.
//! let slice = OperatorDef::new("Slice").input("x").output("y").arg("starts", vec![0, 1]).arg("ends", vec![-1, 3]);
//! let y = run_operator(&slice, [Tensor::from_slice([2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?])?;
//! assert_eq!(y[0], Tensor::from_slice([2, 2], &[2.0f32, 3.0, 5.0, 6.0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod slice;

pub use slice::SliceOp;
