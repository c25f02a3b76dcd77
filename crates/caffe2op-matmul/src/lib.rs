//! Products of matrices: Caffe2's `MatMul` and `BatchMatMul`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_matmul as _; // links the operators
//!
//! let a = Tensor::from_slice([1, 2], &[1.0f32, 2.0])?;
//! let b = Tensor::from_slice([2, 2], &[1.0f32, 0.0, 10.0, 1.0])?;
//! let y = run_operator(&OperatorDef::new("MatMul").inputs(["a", "b"]).output("y"), [a, b])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [21.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod batch_matmul;
mod matmul;

pub use batch_matmul::BatchMatMulOp;
pub use matmul::MatMulOp;
