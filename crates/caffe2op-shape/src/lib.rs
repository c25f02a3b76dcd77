//! What there is to tell of a tensor: Caffe2's `Shape`, `Size`, `HasElements` and `IsEmpty`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_shape as _; // links the operators
//!
//! let shape = OperatorDef::new("Shape").input("x").output("dims");
//! let dims = run_operator(&shape, [Tensor::zeros::<f32>([2, 3])?])?;
//! assert_eq!(dims[0].as_slice::<i64>()?, [2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod count;
mod shape;

pub use count::{Count, CountOp, HasElements, IsEmpty, Size};
pub use shape::ShapeOp;
