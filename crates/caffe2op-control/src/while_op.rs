//! `While`: a net as long as a condition holds.
//!
//! | argument | default | |
//! |---|---|---|
//! | `loop_net` | required | what runs again and again |
//! | `cond_net` | none | what runs before each look at the condition, to make it |
//!
//! Inputs after the condition, and outputs, say what the nets read and write; they change nothing (Caffe2
//! `while_op.cc`).

use caffe2_operator::proto::NetDef;
use caffe2_operator::{
    ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, OpError, OpSchema, SubNet,
    register_control_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct WhileOp;

const LOOP: usize = 0;
const CONDITION: usize = 1;

impl ControlOperatorType for WhileOp {
    const TYPE: &'static str = "While";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Runs loop_net as long as the condition is true; before each look at it cond_net runs, if there is \
                 one. The nets see and write the blobs of the net around the operator. The operator runs for ever if \
                 the condition never becomes false.",
            )
            .inputs(1..)
            .allow_any_in_place()
            .arg_required::<NetDef>("loop_net", "net that runs each time")
            .arg_optional::<NetDef>("cond_net", "net that runs before each look at the condition")
            .input("condition", "bool tensor of one element; more inputs may tell what the nets read")
            .output("outputs", "what the nets write; need not be told")
    }

    fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
        let body = SubNet::required(args, "loop_net")?;
        Ok([Some(body), SubNet::optional(args, "cond_net")?].into_iter().flatten().collect())
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(WhileOp)
    }
}

impl ControlOperator for WhileOp {
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
        loop {
            if io.net_count() > CONDITION {
                io.run_net(CONDITION)?;
            }
            if !io.condition(0)? {
                return Ok(());
            }
            io.run_net(LOOP)?;
        }
    }
}

register_control_operator!(WhileOp);
