//! Caffe2's `NCHW2NHWC` and `NHWC2NCHW`: images with channels before, or behind, the spatial dimensions.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_orderswitch as _; // links the operators
//!
//! let switch = OperatorDef::new("NCHW2NHWC").input("x").output("y");
//! let y = run_operator(&switch, [Tensor::zeros::<f32>([1, 3, 4, 5])?])?;
//! assert_eq!(y[0].dims(), [1, 4, 5, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod order_switch;

pub use order_switch::{Nchw2NhwcOp, Nhwc2NchwOp};
