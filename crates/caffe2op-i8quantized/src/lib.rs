//! Tensors of codes with one scale and one zero point, Caffe2's `Int8TensorCPU`: `Int8Quantize`, `Int8Dequantize`,
//! `Quantize` and `Dequantize` of the engine `DNNLOWP`, `Int8GivenTensorFill`, `Int8GivenIntTensorFill`.
//!
//! Such a tensor is a kind of blob of its own, [`Int8Tensor`](caffe2_operator::Int8Tensor):
//! `value = (code - zero_point) * scale`.
//!
//! ```
//! use caffe2_operator::proto::{NetDef, OperatorDef};
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_i8quantized as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([3], &[-1.0f32, 0.3, 2.0])?);
//! let quantize = OperatorDef::new("Int8Quantize").input("x").output("q").arg("Y_scale", 0.5f32).arg("Y_zero_point", 2);
//! let dequantize = OperatorDef::new("Int8Dequantize").input("q").output("y");
//! workspace.run_net_once(&NetDef::new("there and back").op(quantize).op(dequantize))?;
//! let q = workspace.fetch_int8("q")?;
//! assert_eq!((q.scale, q.zero_point, q.values.as_slice::<u8>()?), (0.5, 2, &[0, 3, 6][..]));
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [-1.0, 0.5, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dequantize;
mod fill;
mod quantize;
mod server;

pub use dequantize::{Dequantization, Int8DequantizeOp};
pub use fill::{Int8FillOp, Int8Values};
pub use quantize::Int8QuantizeOp;
pub use server::{ServerQuantizeOp, ServerQuantizer};
