//! Caffe2's `Softmax`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_softmax as _; // links the operator
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([2, 2], &[1.0f32, 1.0, -100.0, 100.0])?);
//! workspace.run_operator_once(&OperatorDef::new("Softmax").input("x").output("y"))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [0.5, 0.5, 0.0, 1.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod softmax;

pub use softmax::SoftmaxOp;
