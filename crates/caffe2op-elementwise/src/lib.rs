//! Arithmetic on elements: Caffe2's `Add`, `Sub`, `Mul`, `Div`, `Sum` and `Scale`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_elementwise as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([2, 2], &[1.0f32, 2.0, 3.0, 4.0])?);
//! workspace.feed("bias", Tensor::from_slice([2], &[10.0f32, 20.0])?);
//! let add = OperatorDef::new("Add").inputs(["x", "bias"]).output("y");
//! workspace.run_operator_once(&add)?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [11.0, 22.0, 13.0, 24.0]);
//!
//! // With `broadcast` and `axis` the second operand goes with A's dimensions from `axis` on: here, with rows.
//! workspace.run_operator_once(&add.arg("broadcast", true).arg("axis", 0))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [11.0, 12.0, 23.0, 24.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod arithmetic;
mod scale;
mod sum;

pub use arithmetic::{Add, AddOp, ArithmeticOp, Div, DivOp, Mul, MulOp, Operation, Sub, SubOp};
pub use scale::ScaleOp;
pub use sum::SumOp;
