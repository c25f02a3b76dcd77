//! Rows of floats or halves stored as codes of 8, 4 or 2 bits with a scale and a bias each, and back:
//! `FloatToFused8BitRowwiseQuantized`, `Fused8BitRowwiseQuantizedToFloat` and their kin, `FloatToRowwiseQuantized8Bits`,
//! `Rowwise8BitQuantizedToFloat`, `GatherFused8BitRowwise`.
//!
//! The formats are types of [`caffe2_kernels::rowwise`]; the operators are written once, for any of them.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_fusedrowwise as _; // links the operators
//!
//! let x = Tensor::from_slice([1, 3], &[0.0f32, 1.0, 2.55])?;
//! let store = OperatorDef::new("FloatToFused8BitRowwiseQuantized").input("x").output("rows");
//! let rows = run_operator(&store, [x])?;
//! assert_eq!(rows[0].dims(), [1, 11]); // three codes, a scale of four bytes, a bias of four
//! assert_eq!(rows[0].as_slice::<u8>()?[..3], [0, 100, 255]);
//! let restore = OperatorDef::new("Fused8BitRowwiseQuantizedToFloat").input("rows").output("y");
//! assert_eq!(run_operator(&restore, rows)?[0].as_slice::<f32>()?, [0.0, 1.0, 2.55]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dequantize;
mod format;
mod gather;
mod quantize;
mod separate;

pub use dequantize::{DequantizeRowsOp, Dequantizer};
pub use format::DescribedFormat;
pub use gather::GatherFused8BitRowwiseOp;
pub use quantize::{Greedy, QuantizeRowsOp, Quantizer};
pub use separate::{FloatToRowwiseQuantized8BitsOp, Rowwise8BitQuantizedToFloatOp};
