//! Blocks of pixels as images of their own, and back: Caffe2's `SpaceToBatch` and `BatchToSpace`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_spacebatch as _; // links the operators
//!
//! let to_batch = OperatorDef::new("SpaceToBatch").input("x").output("y");
//! let y = run_operator(&to_batch, [Tensor::from_slice([1, 1, 2, 2], &[1.0f32, 2.0, 3.0, 4.0])?])?.remove(0);
//! assert_eq!(y, Tensor::from_slice([4, 1, 1, 1], &[1.0f32, 2.0, 3.0, 4.0])?);
//! let to_space = OperatorDef::new("BatchToSpace").input("x").output("y");
//! assert_eq!(run_operator(&to_space, [y])?[0].dims(), [1, 1, 2, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod batch_to_space;
mod blocks;
mod space_to_batch;

pub use batch_to_space::BatchToSpaceOp;
pub use space_to_batch::SpaceToBatchOp;
