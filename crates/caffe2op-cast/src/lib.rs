//! Caffe2's `Cast`: the same elements as another type.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_cast as _; // links the operator
//!
//! let def = OperatorDef::new("Cast").input("x").output("y").arg("to", "int32");
//! let y = run_operator(&def, [Tensor::from_slice([2], &[1.9f32, -1.9])?])?;
//! assert_eq!(y[0].as_slice::<i32>()?, [1, -1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod cast;
mod number;

pub use cast::CastOp;
