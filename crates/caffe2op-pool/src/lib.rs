//! Pooling: Caffe2's `MaxPool` and `AveragePool`, and their names for one, two and three dimensions.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_pool as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([1, 1, 2, 4], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])?);
//! let pool = |op_type| OperatorDef::new(op_type).input("x").output("y").arg("kernel", 2).arg("stride", 2);
//! workspace.run_operator_once(&pool("MaxPool"))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [6.0, 8.0]);
//! workspace.run_operator_once(&pool("AveragePool"))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [3.5, 5.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod pool;

pub use pool::{AveragePoolOp, MaxPoolOp, PoolArgs};
