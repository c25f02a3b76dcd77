//! Tensors of given values, of one constant, of counted or of random values: Caffe2's `GivenTensor*Fill`,
//! `ConstantFill`, `DiagonalFill`, `RangeFill`, `LengthsRangeFill`, `Range`, and `XavierFill`, `MSRAFill`,
//! `GaussianFill`, `UniformFill`, `UniformIntFill`.
//!
//! These are what an `init_net` is made of.
//!
//! ```
//! use caffe2_operator::proto::{NetDef, OperatorDef};
//! use caffe2_operator::Workspace;
//! use caffe2op_filler as _; // links the operators
//!
//! let init = NetDef::new("init")
//!     .op(OperatorDef::new("GivenTensorFill").output("w").arg("shape", vec![2, 2]).arg("values", vec![0.5f32, 1.0, 1.5, 2.0]))
//!     .op(OperatorDef::new("ConstantFill").output("b").arg("shape", vec![2]).arg("value", 0.1f32));
//! let mut workspace = Workspace::new();
//! workspace.run_net_once(&init)?;
//! assert_eq!(workspace.fetch("w")?.dims(), [2, 2]);
//! assert_eq!(workspace.fetch("b")?.as_slice::<f32>()?, [0.1, 0.1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The shape of the output
//!
//! All fills but `Range` and `LengthsRangeFill` share these arguments (Caffe2 `filler_op.h`):
//!
//! | argument | default | |
//! |---|---|---|
//! | `shape` | none | without an input: the shape; a scalar when absent |
//! | `input_as_shape` | false | the input's values, not its own shape, are the shape |
//! | `extra_shape` | none | dimensions behind those of the input |
//!
//! # Random numbers
//!
//! Each operator has a generator of its own (PCG), which starts from the `random_seed` of the operator's or the
//! net's device option, or else from the names of its outputs, and goes on from run to run. The numbers are not
//! those of Caffe2.
#![forbid(unsafe_code)]

mod constant;
mod data_type;
mod diagonal;
mod given_tensor;
mod random;
mod range;
mod shape;
mod uniform;

pub use constant::ConstantFillOp;
pub use diagonal::DiagonalFillOp;
pub use given_tensor::{Given, GivenTensorFillOp, LongValues, Values};
pub use random::{Draw, Gaussian, Msra, RandomFillOp, Xavier};
pub use range::{LengthsRangeFillOp, RangeFillOp, RangeOp};
pub use uniform::{UniformElement, UniformFillOp};
