//! Tensors repeated: Caffe2's `Tile` and `Expand`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_tile as _; // links the operators
//!
//! let x = || Tensor::from_slice([2, 1], &[1.0f32, 2.0]);
//! let tile = OperatorDef::new("Tile").input("x").output("y").arg("tiles", 2).arg("axis", 0);
//! assert_eq!(run_operator(&tile, [x()?])?[0], Tensor::from_slice([4, 1], &[1.0f32, 2.0, 1.0, 2.0])?);
//!
//! let expand = OperatorDef::new("Expand").inputs(["x", "shape"]).output("y");
//! let y = run_operator(&expand, [x()?, Tensor::from_slice([2], &[2i64, 3])?])?;
//! assert_eq!(y[0], Tensor::from_slice([2, 3], &[1.0f32, 1.0, 1.0, 2.0, 2.0, 2.0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod expand;
mod spread;
mod tile;

pub use expand::ExpandOp;
pub use tile::TileOp;
