//! The fully connected layer: Caffe2's `FC` and `FCTransposed`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_fullyconnected as _; // links the operator
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([1, 3], &[1.0f32, 2.0, 3.0])?);
//! workspace.feed("w", Tensor::from_slice([2, 3], &[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0])?);
//! workspace.feed("b", Tensor::from_slice([2], &[0.5f32, -6.0])?);
//! workspace.run_operator_once(&OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [1.5, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod fully_connected;

pub use fully_connected::{FcArgs, FullyConnectedOp};
