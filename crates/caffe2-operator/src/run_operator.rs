//! One operator on given tensors, without a workspace to keep.

use caffe2_proto::OperatorDef;
use caffe2_tensor::Tensor;

use crate::{Error, Workspace};

/// Feeds the tensors to the inputs of an operator, in order, runs it, and returns its outputs, in order:
/// for tests and experiments.
///
/// ```
/// # use caffe2_operator::{ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType};
/// use caffe2_operator::proto::OperatorDef;
/// use caffe2_operator::{Tensor, run_operator};
/// # struct IncrementOp;
/// # impl OperatorType for IncrementOp {
/// #     const TYPE: &'static str = "Increment";
/// #     fn schema() -> OpSchema { OpSchema::new(Self::TYPE).inputs(1).outputs(1) }
/// #     fn from_args(_: &Args<'_>) -> Result<Self, ArgError> { Ok(IncrementOp) }
/// # }
/// # impl Operator for IncrementOp {
/// #     fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
/// #         let x = io.input_slice::<f32>(0)?;
/// #         let y = io.output_slice::<f32>(0, [x.len()])?;
/// #         y.iter_mut().zip(x).for_each(|(y, x)| *y = x + 1.0);
/// #         Ok(())
/// #     }
/// # }
/// # caffe2_operator::register_cpu_operator!(IncrementOp);
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let increment = OperatorDef::new("Increment").input("x").output("y");
/// let y = run_operator(&increment, [Tensor::from_slice([2], &[1.0f32, 2.0])?])?;
/// assert_eq!(y[0].as_slice::<f32>()?, [2.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Workspace::run_operator_once`] and [`Workspace::fetch`]; inputs beyond the tensors do not exist.
pub fn run_operator(
    def: &OperatorDef,
    tensors: impl IntoIterator<Item = Tensor>,
) -> Result<Vec<Tensor>, Error> {
    let mut workspace = Workspace::new();
    for (name, tensor) in def.input.iter().zip(tensors) {
        workspace.feed(name, tensor);
    }
    workspace.run_operator_once(def)?;
    def.output.iter().map(|name| workspace.fetch(name)).collect()
}
