//! Images of another size: Caffe2's `ResizeNearest` and `UpsampleBilinear`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_resize as _; // links the operators
//!
//! let x = Tensor::from_slice([1, 1, 1, 2], &[1.0f32, 2.0])?;
//! let nearest = OperatorDef::new("ResizeNearest").input("x").output("y").arg("width_scale", 2.0f32);
//! let y = run_operator(&nearest, [x.clone()])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
//! let bilinear = OperatorDef::new("UpsampleBilinear").input("x").output("y").arg("width_scale", 1.5f32);
//! let y = run_operator(&bilinear, [x])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [1.0, 1.5, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod columns;
mod resize_nearest;
mod scale;
mod upsample_bilinear;

pub use resize_nearest::ResizeNearestOp;
pub use upsample_bilinear::UpsampleBilinearOp;
