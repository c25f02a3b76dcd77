//! Caffe2's normalisation operators.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_norm as _; // links the operators
//!
//! let norm = OperatorDef::new("AffineChannel").inputs(["x", "scale", "bias"]).output("y");
//! let x = Tensor::from_slice([1, 2, 2], &[1.0f32, 2.0, 3.0, 4.0])?;
//! let (scale, bias) = (Tensor::from_slice([2], &[1.0f32, 10.0])?, Tensor::from_slice([2], &[0.0f32, 0.5])?);
//! let y = run_operator(&norm, [x, scale, bias])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [1.0, 2.0, 30.5, 40.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod affine_channel;
mod apply;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod layout;
mod lrn;
mod moments;
mod normalize;
mod per_group;
mod power;
mod spatial_bn;
mod sums;

pub use affine_channel::AffineChannelOp;
pub use group_norm::GroupNormOp;
pub use instance_norm::InstanceNormOp;
pub use layer_norm::LayerNormOp;
pub use lrn::LrnOp;
pub use normalize::{L1, L2, Norm, NormalizeOp};
pub use spatial_bn::SpatialBnOp;
