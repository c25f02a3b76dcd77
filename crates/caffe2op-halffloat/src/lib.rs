//! Floats to halves and back: `FloatToHalf`, `HalfToFloat`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, f16, run_operator};
//! use caffe2op_halffloat as _; // links the operators
//!
//! let x = Tensor::from_slice([2], &[0.1f32, 1e6])?;
//! let narrow = OperatorDef::new("FloatToHalf").input("x").output("y").arg("clip", true);
//! let y = run_operator(&narrow, [x])?;
//! assert_eq!(y[0].as_slice::<f16>()?, [f16::from_f32(0.1), f16::MAX]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod half_float;

pub use half_float::{FloatToHalfOp, HalfToFloatOp};
