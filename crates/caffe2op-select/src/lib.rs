//! One of two tensors, by element or by row: Caffe2's `Where` and `Conditional`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_select as _; // links the operators
//!
//! let condition = Tensor::from_slice([3], &[true, false, true])?;
//! let (x, y) = (Tensor::from_slice([3], &[1.0f32, 2.0, 3.0])?, Tensor::from_slice([3], &[7.0f32, 8.0, 9.0])?);
//! let choose = OperatorDef::new("Where").inputs(["condition", "x", "y"]).output("z");
//! let z = run_operator(&choose, [condition, x, y])?;
//! assert_eq!(z[0].as_slice::<f32>()?, [1.0, 8.0, 3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod choose;

pub use choose::{ByElement, ByRow, Choice, ChooseOp};
