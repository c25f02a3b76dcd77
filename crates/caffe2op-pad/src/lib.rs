//! Caffe2's `PadImage`: borders around images, constant or made of the image itself.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_pad as _; // links the operator
//!
//! let pad = OperatorDef::new("PadImage").input("x").output("y").arg("pads", [0, 2, 0, 1]).arg("mode", "reflect");
//! let y = run_operator(&pad, [Tensor::from_slice([1, 1, 1, 3], &[1.0f32, 2.0, 3.0])?])?;
//! assert_eq!(y[0].as_slice::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod pad_image;
mod side;

pub use pad_image::PadImageOp;
