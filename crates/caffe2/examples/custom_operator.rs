//! An operator of one's own in a net, beside those that are there.
//!
//! ```text
//! cargo run --release -p caffe2 --example custom_operator
//! ```
//!
//! docs/writing-an-operator.md goes through the steps.

use std::error::Error;

use caffe2::operator::{ArgError, Shape, TensorInfo};
use caffe2::{
    Args, DataType, NetDef, OpError, OpIo, OpSchema, Operator, OperatorDef, OperatorType, Tensor, Workspace,
    register_cpu_operator,
};

/// Counts the elements above a limit.
struct CountAboveOp {
    limit: f32,
}

impl OperatorType for CountAboveOp {
    const TYPE: &'static str = "CountAbove";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Counts the elements that are greater than a limit.")
            .inputs(1)
            .outputs(1)
            .arg("limit", "what elements are compared with", 0.0f32)
            .input("X", "float tensor")
            .output("count", "int64 scalar")
            .infer(|_| Ok(vec![TensorInfo::new(DataType::Int64, Shape::scalar())]))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CountAboveOp { limit: args.get("limit")? })
    }
}

impl Operator for CountAboveOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let count = io.input_slice::<f32>(0)?.iter().filter(|x| **x > self.limit).count();
        io.output_slice::<i64>(0, Shape::scalar())?[0] = count as i64;
        Ok(())
    }
}

register_cpu_operator!(CountAboveOp);

fn main() -> Result<(), Box<dyn Error>> {
    println!("{} elements are above 0.5", count()?);
    // What is wrong with an argument is told when the net is built.
    let wrong = OperatorDef::new("CountAbove").input("x").output("n").arg("limit", "high");
    println!("{}", Workspace::new().run_operator_once(&wrong).expect_err("a limit is a number"));
    Ok(())
}

/// The operator behind one of Caffe2's.
pub fn count() -> Result<i64, Box<dyn Error>> {
    let net = NetDef::new("count")
        .op(OperatorDef::new("Sigmoid").input("x").output("p"))
        .op(OperatorDef::new("CountAbove").input("p").output("n").arg("limit", 0.5f32));
    let mut workspace = Workspace::new();
    workspace.feed("x", Tensor::from_slice([2, 2], &[-1.0f32, 1.0, 0.5, 3.0])?);
    workspace.run_net_once(&net)?;
    Ok(workspace.fetch("n")?.as_slice::<i64>()?[0])
}
