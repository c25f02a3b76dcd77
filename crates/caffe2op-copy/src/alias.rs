//! `StopGradient`, `Alias` and `EnsureCPUOutput`: for a forward pass on the CPU, other names of `Copy`.
//!
//! No arguments; tensors of any type, strings included (Caffe2 `stop_gradient.cc`, `utility_ops.cc`,
//! `ensure_cpu_output_op.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

/// What tells one [`SameOp`] from another.
pub trait Same: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator does, in words.
    const DOC: &'static str;
    /// Whether the output may replace the input.
    const IN_PLACE: bool = false;
    /// Whether both share memory until one is written.
    const SHARES: bool = false;
    /// Where it differs from Caffe2.
    const DIFFERENCES: &'static str = "";
}

/// `StopGradient`: no gradient goes back through it.
#[derive(Debug)]
pub enum StopGradient {}

/// `Alias`: the output shares the memory of the input.
#[derive(Debug)]
pub enum Alias {}

/// `EnsureCPUOutput`: the output is in the memory of the CPU.
#[derive(Debug)]
pub enum EnsureCpuOutput {}

impl Same for StopGradient {
    const TYPE: &'static str = "StopGradient";
    const DOC: &'static str = "The output equals the input; in training, no gradient goes back.";
    const IN_PLACE: bool = true;
}

impl Same for Alias {
    const TYPE: &'static str = "Alias";
    const DOC: &'static str =
        "The output equals the input and takes no memory of its own until one of them is written.";
    const SHARES: bool = true;
    const DIFFERENCES: &'static str = "In Caffe2 a later write to one of the two shows in the other; here the one that \
         is written gets memory of its own.";
}

impl Same for EnsureCpuOutput {
    const TYPE: &'static str = "EnsureCPUOutput";
    const DOC: &'static str =
        "The output equals the input and is in the memory of the CPU, where the input is already.";
}

/// The operator of each [`Same`].
#[derive(Debug)]
pub struct SameOp<S> {
    what: PhantomData<fn() -> S>,
}

impl<S: Same> OperatorType for SameOp<S> {
    const TYPE: &'static str = S::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(S::TYPE)
            .doc(S::DOC)
            .inputs(1)
            .outputs(1)
            .input("X", "tensor of any type")
            .output("Y", "tensor of the same type, shape and contents")
            .differences(S::DIFFERENCES)
            .infer_same_as_input(0);
        if S::IN_PLACE { schema.allow_in_place(&[(0, 0)]) } else { schema }
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SameOp { what: PhantomData })
    }
}

impl<S: Same> Operator for SameOp<S> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        if io.is_in_place(0, 0) {
            return Ok(());
        }
        let (x, y) = (io.input(0)?, io.output(0)?);
        if S::SHARES {
            y.share(x);
            return Ok(());
        }
        y.assign_reshaped(x, x.shape()).map_err(|source| OpError::Output { index: 0, source })
    }
}

register_cpu_operator!(SameOp<StopGradient>);
register_cpu_operator!(SameOp<Alias>);
register_cpu_operator!(SameOp<EnsureCpuOutput>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace, run_operator};

    #[test]
    fn the_output_equals_the_input() {
        let x = Tensor::from_strings([2], ["a", "b"]).unwrap();
        for op in ["StopGradient", "Alias", "EnsureCPUOutput"] {
            let def = OperatorDef::new(op).input("x").output("y");
            assert_eq!(run_operator(&def, [x.clone()]).unwrap()[0], x);
            let error = run_operator(&def, [Tensor::new()]).unwrap_err().to_string();
            assert!(error.contains("never written"), "{error}");
        }
        let in_place = OperatorDef::new("StopGradient").input("x").output("x");
        assert_eq!(run_operator(&in_place, [x.clone()]).unwrap()[0], x);
    }

    #[test]
    fn an_alias_shares_memory() {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::scalar(1.0f32).unwrap());
        workspace.run_operator_once(&OperatorDef::new("Alias").input("x").output("y")).unwrap();
        assert!(workspace.tensor("x").unwrap().shares_storage_with(workspace.tensor("y").unwrap()));
        workspace.feed("y", Tensor::scalar(2.0f32).unwrap());
        assert_eq!(workspace.tensor("x").unwrap().as_slice::<f32>().unwrap(), [1.0]);
    }
}
