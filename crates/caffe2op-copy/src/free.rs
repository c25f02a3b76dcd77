//! `Free`: empties blobs, so that their memory can be used for others.
//!
//! No arguments; blobs of any kind, each in place (Caffe2 `utility_ops.h`).

use caffe2_operator::{
    ArgError, Args, Blob, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct FreeOp;

impl OperatorType for FreeOp {
    const TYPE: &'static str = "Free";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Empties blobs. Their names stay; what reads one before it is written again fails.")
            .inputs(1..)
            .outputs(1..)
            .same_number_of_outputs()
            .enforce_in_place_if(|input, output| input == output)
            .input("blob", "any blob, such as one that a net needed for a while")
            .output("blob", "the same blob, without content")
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FreeOp)
    }
}

impl Operator for FreeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        (0..io.output_count()).try_for_each(|index| {
            *io.output_blob(index)? = Blob::default();
            Ok(())
        })
    }
}

register_cpu_operator!(FreeOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{Blob, Tensor, Workspace};

    #[test]
    fn memory_is_given_back_and_names_stay() {
        let fill = |name: &str| OperatorDef::new("Copy").input("x").output(name);
        let free = OperatorDef::new("Free").inputs(["y", "odd"]).outputs(["y", "odd"]);
        let net = NetDef::new("n").external_inputs(["x", "odd"]).op(fill("y")).op(fill("z")).op(free);
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::zeros::<f32>([100]).unwrap());
        workspace.feed("odd", Blob::new(7u8));
        workspace.create_net(&net).unwrap();
        for _ in 0..2 {
            workspace.run_net("n").unwrap();
            assert_eq!(workspace.memory().used(), 400);
            assert!(workspace.blob("y").unwrap().is_empty() && workspace.blob("odd").unwrap().is_empty());
        }
        let error = workspace.run_operator_once(&OperatorDef::new("Copy").input("y").output("x"));
        assert!(error.unwrap_err().to_string().contains("`y`"));
    }

    #[test]
    fn what_is_not_in_place_is_refused() {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::scalar(1.0f32).unwrap());
        let error =
            workspace.run_operator_once(&OperatorDef::new("Free").input("x").output("y")).unwrap_err();
        assert!(error.to_string().contains("same blob"), "{error}");
        assert!(!workspace.blob("x").unwrap().is_empty());
    }
}
