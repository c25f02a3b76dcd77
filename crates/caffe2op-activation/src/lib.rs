//! Activation functions: Caffe2's `Clip`, `Elu`, `Gelu`, `HardSigmoid`, `LeakyRelu`, `PRelu`, `Relu`, `ReluN`, `Selu`,
//! `Sigmoid`, `Softplus`, `Softsign`, `Swish`, `Tanh` and `ThresholdedRelu`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_activation as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([3], &[-2.0f32, 0.0, 3.0])?);
//! workspace.run_operator_once(&OperatorDef::new("LeakyRelu").input("x").output("x").arg("alpha", 0.5f32))?;
//! assert_eq!(workspace.fetch("x")?.as_slice::<f32>()?, [-1.0, 0.0, 3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod activation;
mod functions;
mod piecewise;
mod prelu;
mod smooth;

pub use activation::{Activation, ActivationOp};
pub use functions::{LeakyRelu, Relu, Sigmoid};
pub use piecewise::{Clip, HardSigmoid, ReluN, Softsign, ThresholdedRelu};
pub use prelu::PReluOp;
pub use smooth::{Elu, Gelu, Selu, Softplus, Swish, Tanh};
