//! Other dimensions for the same elements: Caffe2's `Reshape`, `Flatten`, `FlattenToVec`,
//! `ResizeLike`, `Squeeze` and `ExpandDims`.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_reshape as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::zeros::<f32>([2, 3, 4])?);
//! // 0 keeps a dimension, -1 is what is left.
//! let reshape = OperatorDef::new("Reshape").input("x").outputs(["y", "old_shape"]).arg("shape", vec![0, -1]);
//! workspace.run_operator_once(&reshape)?;
//! assert_eq!(workspace.fetch("y")?.dims(), [2, 12]);
//! assert_eq!(workspace.fetch("old_shape")?.as_slice::<i64>()?, [2, 3, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dims;
mod flatten;
mod reshape;
mod vector;

pub use dims::{ExpandDims, Squeeze, UnitDims, UnitDimsOp};
pub use flatten::FlattenOp;
pub use reshape::ReshapeOp;
pub use vector::{FlattenToVecOp, ResizeLikeOp};

use caffe2_operator::{OpError, OpIo, Shape};

/// Makes the output the input in another shape of as many elements, in place or not.
fn give_shape(io: &mut OpIo<'_>, shape: &Shape) -> Result<(), OpError> {
    let output = |source| OpError::Output { index: 0, source };
    match io.in_place(0, 0)? {
        Some(tensor) => tensor.reshape(shape).map_err(output),
        None => {
            let x = io.input(0)?;
            io.output(0)?.assign_reshaped(x, shape).map_err(output)
        }
    }
}
