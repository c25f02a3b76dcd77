//! `CreateScope`: the scope blob that `Do` wants (Caffe2 `create_scope_op.cc`).

use caffe2_operator::{
    ArgError, Args, Blob, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct CreateScopeOp;

/// What a scope blob holds: in Caffe2 a stack of workspaces, which `Do` fills. Here the blobs of the net in a `Do`
/// lie in the workspace that the operator runs in, and nothing needs to be kept.
#[derive(Debug, Clone, Copy)]
struct Scope;

impl OperatorType for CreateScopeOp {
    const TYPE: &'static str = "CreateScope";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Makes a scope, the last input and output of Do.")
            .inputs(0)
            .outputs(1)
            .output("scope", "scope, which is no tensor")
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CreateScopeOp)
    }
}

impl Operator for CreateScopeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let blob = io.output_blob(0)?;
        if blob.get_mut::<Scope>().is_err() {
            *blob = Blob::new(Scope);
        }
        Ok(())
    }
}

register_cpu_operator!(CreateScopeOp);
