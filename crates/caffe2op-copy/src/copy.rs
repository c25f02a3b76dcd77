//! `Copy`: the output equals the input.
//!
//! No arguments; a tensor of any type, strings included (Caffe2 `copy_op.cc`).

use caffe2_operator::{
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct CopyOp;

impl OperatorType for CopyOp {
    const TYPE: &'static str = "Copy";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Copies a tensor. The two are independent: a write to one is not seen in the other.")
            .inputs(1)
            .outputs(1)
            .input("X", "tensor of any type")
            .output("Y", "tensor of the same type, shape and contents")
            .infer_same_as_input(0)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CopyOp)
    }
}

impl Operator for CopyOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        let (x, y) = (io.input(0)?, io.output(0)?);
        y.assign_reshaped(x, x.shape()).map_err(|source| OpError::Output { index: 0, source })
    }
}

register_cpu_operator!(CopyOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{Tensor, Workspace};

    fn copy() -> OperatorDef {
        OperatorDef::new("Copy").input("x").output("y")
    }

    #[test]
    fn what_was_never_written_is_not_copied() {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::new());
        let error = workspace.run_operator_once(&copy()).unwrap_err().to_string();
        assert!(error.contains("input 0 `x`") && error.contains("never written"), "{error}");
    }

    #[test]
    fn elements_are_copied_unless_somebody_shares_them_already() {
        let net = NetDef::new("net").external_input("x").op(copy()).external_output("y");
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::scalar(1.0f32).unwrap());
        workspace.create_net(&net).unwrap();
        let run = |workspace: &mut Workspace| {
            workspace.run_net("net").unwrap();
            let (x, y) = (workspace.tensor("x").unwrap(), workspace.tensor("y").unwrap());
            assert_eq!(x, y);
            x.shares_storage_with(y)
        };
        assert!(!run(&mut workspace) && !run(&mut workspace));
        let shared = Tensor::scalar(2.0f32).unwrap();
        workspace.feed("x", shared.clone());
        assert!(run(&mut workspace) && workspace.tensor("y").unwrap().shares_storage_with(&shared));
    }
}
