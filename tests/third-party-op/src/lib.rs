//! An operator crate as somebody outside of this project would write it: it needs `caffe2-operator` and nothing
//! else. A program that says `use third_party_op as _;` has the operator [`Clamp`](ClampOp).
#![forbid(unsafe_code)]

use caffe2_operator::{
    ArgError, Args, Cost, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

/// `Clamp`: `y = min(max(x, low), high)`; NaN stays NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct ClampOp {
    /// What smaller elements become.
    pub low: f32,
    /// What greater elements become.
    pub high: f32,
}

impl OperatorType for ClampOp {
    const TYPE: &'static str = "Clamp";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Moves every element into the range from `low` to `high`.")
            .inputs(1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg("low", "what smaller elements become", 0.0f32)
            .arg("high", "what greater elements become", 1.0f32)
            .input("X", "float tensor of any shape")
            .output("Y", "the shape of X")
            .infer_same_as_input(0)
            .cost(Cost::copying)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (low, high) = (args.get("low")?, args.get("high")?);
        if low <= high {
            return Ok(ClampOp { low, high });
        }
        Err(ArgError::value("high", format!("expected at least low, which is {low}, found {high}")))
    }
}

impl Operator for ClampOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.unary::<f32>(0, 0)?.map(|x| x.clamp(self.low, self.high));
        Ok(())
    }
}

register_cpu_operator!(ClampOp);
