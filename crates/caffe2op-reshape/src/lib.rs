//! Other dimensions for the same elements: Caffe2's `Reshape` and `Flatten`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_reshape as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::zeros::<f32>([2, 3, 4])?);
//! // 0 keeps a dimension, -1 is what is left.
//! let reshape = OperatorDef::new("Reshape").input("x").outputs(["y", "old_shape"]).arg("shape", vec![0, -1]);
//! workspace.run_operator_once(&reshape)?;
//! assert_eq!(workspace.fetch("y")?.dims(), [2, 12]);
//! assert_eq!(workspace.fetch("old_shape")?.as_slice::<i64>()?, [2, 3, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod flatten;
mod reshape;

pub use flatten::FlattenOp;
pub use reshape::ReshapeOp;
