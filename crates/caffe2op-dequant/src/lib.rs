//! Byte weights to floats: Caffe2's `ByteWeightDequant`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_dequant as _; // links the operator
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("codes", Tensor::from_slice([3], &[0u8, 51, 255])?);
//! let dequant = OperatorDef::new("ByteWeightDequant")
//!     .input("codes")
//!     .output("weights")
//!     .arg("min", -1.0f32)
//!     .arg("max", 4.0f32);
//! workspace.run_operator_once(&dequant)?;
//! assert_eq!(workspace.fetch("weights")?.as_slice::<f32>()?, [-1.0, 0.0, 4.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod byte_weight_dequant;

pub use byte_weight_dequant::{ByteWeightDequantArgs, ByteWeightDequantOp, Formula};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/quantization.md")]
struct QuantizationPage;
