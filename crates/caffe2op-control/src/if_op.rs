//! `If`: one net or another, by a condition.
//!
//! | argument | default | |
//! |---|---|---|
//! | `then_net` | required | what runs when the condition is true |
//! | `else_net` | none | what runs when it is false |
//!
//! Inputs after the condition, and outputs, say what the nets read and write; they change nothing (Caffe2 `if_op.cc`).

use caffe2_operator::proto::NetDef;
use caffe2_operator::{
    ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, OpError, OpSchema, SubNet,
    register_control_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct IfOp;

const THEN: usize = 0;
const ELSE: usize = 1;

impl ControlOperatorType for IfOp {
    const TYPE: &'static str = "If";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Runs then_net when the condition is true, and else_net, if there is one, when it is false. The nets \
                 see and write the blobs of the net around the operator.",
            )
            .inputs(1..)
            .allow_any_in_place()
            .arg_required::<NetDef>("then_net", "net that runs when the condition is true")
            .arg_optional::<NetDef>("else_net", "net that runs when the condition is false")
            .input("condition", "bool tensor of one element; more inputs may tell what the nets read")
            .output("outputs", "what the nets write; need not be told")
    }

    fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
        let then = SubNet::required(args, "then_net")?;
        Ok([Some(then), SubNet::optional(args, "else_net")?].into_iter().flatten().collect())
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(IfOp)
    }
}

impl ControlOperator for IfOp {
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
        match io.condition(0)? {
            true => io.run_net(THEN),
            false if io.net_count() > ELSE => io.run_net(ELSE),
            false => Ok(()),
        }
    }
}

register_control_operator!(IfOp);
