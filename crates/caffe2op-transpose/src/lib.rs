//! Caffe2's `Transpose`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_transpose as _; // links the operator
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("nchw", Tensor::zeros::<f32>([1, 3, 4, 5])?);
//! let transpose = OperatorDef::new("Transpose").input("nchw").output("nhwc").arg("axes", vec![0, 2, 3, 1]);
//! workspace.run_operator_once(&transpose)?;
//! assert_eq!(workspace.fetch("nhwc")?.dims(), [1, 4, 5, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod transpose;

pub use transpose::TransposeOp;
