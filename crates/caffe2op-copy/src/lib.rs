//! Caffe2's `Copy`, `StopGradient`, `Alias`, `EnsureCPUOutput` and `Free`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_copy as _; // links the operator
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_strings([2], ["a", "b"])?);
//! workspace.run_operator_once(&OperatorDef::new("Copy").input("x").output("y"))?;
//! assert_eq!(workspace.fetch("y")?, workspace.fetch("x")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod alias;
mod copy;
mod free;

pub use alias::{Alias, EnsureCpuOutput, Same, SameOp, StopGradient};
pub use copy::CopyOp;
pub use free::FreeOp;
