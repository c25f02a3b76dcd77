//! Values from a codebook: Caffe2's `QuantDecode`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_quantdecode as _; // links the operator
//!
//! let codebook = Tensor::from_slice([3], &[-0.5f32, 0.0, 1.5])?;
//! let codes = Tensor::from_slice([2, 2], &[2u8, 0, 0, 1])?;
//! let decode = OperatorDef::new("QuantDecode").inputs(["codebook", "codes"]).output("values");
//! let values = run_operator(&decode, [codebook, codes])?;
//! assert_eq!(values[0], Tensor::from_slice([2, 2], &[1.5f32, -0.5, -0.5, 0.0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod quant_decode;

pub use quant_decode::QuantDecodeOp;
