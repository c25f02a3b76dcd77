//! Tensors joined along an axis, and parted again: Caffe2's `Concat` and `Split`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_concatsplit as _; // links the operators
//!
//! let (a, b) = (Tensor::from_slice([2, 1], &[1.0f32, 2.0])?, Tensor::from_slice([2, 2], &[3.0f32, 4.0, 5.0, 6.0])?);
//! let concat = OperatorDef::new("Concat").inputs(["a", "b"]).outputs(["ab", "sizes"]).arg("axis", 1);
//! let joined = run_operator(&concat, [a, b])?;
//! assert_eq!(joined[0].as_slice::<f32>()?, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
//! assert_eq!(joined[1].as_slice::<i32>()?, [1, 2]);
//!
//! let split = OperatorDef::new("Split").inputs(["ab", "sizes"]).outputs(["a", "b"]).arg("axis", 1);
//! let parts = run_operator(&split, joined)?;
//! assert_eq!(parts[0].as_slice::<f32>()?, [1.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod axis;
mod concat;
mod split;

pub use concat::ConcatOp;
pub use split::SplitOp;
