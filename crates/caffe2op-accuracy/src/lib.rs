//! Caffe2's `Accuracy` operator: how often a classifier is right.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_accuracy as _; // links the operator
//!
//! let scores = Tensor::from_slice([2, 3], &[0.1f32, 0.7, 0.2, 0.5, 0.3, 0.2])?;
//! let labels = Tensor::from_slice([2], &[1, 2])?;
//! let accuracy = OperatorDef::new("Accuracy").inputs(["scores", "labels"]).output("accuracy");
//! assert_eq!(run_operator(&accuracy, [scores, labels])?[0].as_slice::<f32>()?, [0.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod accuracy;

pub use accuracy::AccuracyOp;
