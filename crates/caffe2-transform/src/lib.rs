//! Rewrites of Caffe2 nets, from `NetDef` to `NetDef`.
//!
//! ```
//! use caffe2_proto::{NetDef, OperatorDef};
//! use caffe2_transform::dequantize::dequantize;
//! use caffe2_transform::quantize::{QuantizeOptions, quantize};
//! # use caffe2 as _; // links the operators
//!
//! // A net, and the init net that makes its weight.
//! let net = NetDef::new("score").op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"));
//! let values: Vec<f32> = (0..3200).map(|i| (i as f32 * 0.7).sin()).collect();
//! let fill = OperatorDef::new("GivenTensorFill").output("w").arg("shape", [32, 100]).arg("values", values);
//! let init = NetDef::new("init").op(fill);
//!
//! // The same weight from bytes: less than a quarter of the definition, and close to what it was.
//! let bytes = quantize(&init, &net, &QuantizeOptions::default())?;
//! assert_eq!(bytes.init.op[1].r#type(), "ByteWeightDequant");
//! let weight = &bytes.report.weights[0];
//! assert!(weight.bytes_after * 4 < weight.bytes_before && weight.error.signal_to_noise > 45.0);
//!
//! // And back to floats.
//! let floats = dequantize(&bytes.init, Some(&net))?;
//! assert_eq!(floats.init.op[0].r#type(), "GivenTensorFill");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`quantize`] stores the weights of an init net as bytes, with operators that every Caffe2 has.
//! - [`dequantize`] stores them as floats again.
//! - [`keep_codes`] keeps weights as bytes where operators can multiply by them.
//! - [`fold_constants`] finds operators that give the same in every run.
//! - [`fuse`] merges convolutions with what follows them.
//! - [`winograd`] has convolutions go by Winograd's algorithm.
#![forbid(unsafe_code)]

mod definitions;
pub mod dequantize;
pub mod fold_constants;
pub mod fuse;
pub mod keep_codes;
mod names;
pub mod quantize;
mod versions;
pub mod winograd;
