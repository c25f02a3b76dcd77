//! Convolutions: Caffe2's `Conv`, and its names `Conv1D`, `Conv2D` and `Conv3D`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_conv as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([1, 1, 2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?);
//! workspace.feed("w", Tensor::from_slice([1, 1, 2, 2], &[1.0f32, 0.0, 0.0, 10.0])?);
//! workspace.feed("b", Tensor::from_slice([1], &[0.5f32])?);
//! let conv = OperatorDef::new("Conv").inputs(["x", "w", "b"]).output("y").arg("kernel", 2);
//! workspace.run_operator_once(&conv)?;
//! let y = workspace.fetch("y")?;
//! assert_eq!((y.dims(), y.as_slice::<f32>()?), (&[1, 1, 1, 2][..], &[51.5, 62.5][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod conv;
mod kept_filter;

pub use conv::{ConvArgs, ConvOp};
