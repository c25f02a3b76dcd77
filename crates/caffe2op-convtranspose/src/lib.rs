//! Transposed convolution: Caffe2's `ConvTranspose`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_convtranspose as _; // links the operator
//!
//! let op = OperatorDef::new("ConvTranspose").inputs(["x", "w"]).output("y").arg("kernel", 2).arg("stride", 2);
//! let x = Tensor::from_slice([1, 1, 1, 2], &[1.0f32, 2.0])?;
//! let w = Tensor::from_slice([1, 1, 2, 2], &[1.0f32, 10.0, 100.0, 1000.0])?;
//! let y = run_operator(&op, [x, w])?;
//! assert_eq!(y[0].dims(), [1, 1, 2, 4]);
//! assert_eq!(y[0].as_slice::<f32>()?, [1.0, 10.0, 2.0, 20.0, 100.0, 1000.0, 200.0, 2000.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod args;
mod conv_transpose;

pub use args::ConvTransposeArgs;
pub use conv_transpose::ConvTransposeOp;
