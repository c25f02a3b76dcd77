//! Caffe2's `Dropout`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_dropout as _; // links the operator
//!
//! let dropout = OperatorDef::new("Dropout").input("x").outputs(["y"]).arg("is_test", 1);
//! let y = run_operator(&dropout, [Tensor::from_slice([2], &[1.0f32, 2.0])?])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [1.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dropout;

pub use dropout::DropoutOp;
