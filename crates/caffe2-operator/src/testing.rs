//! Operators for the tests of this crate, in a registry of their own.

use std::sync::Arc;

use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::Tensor;

use crate::{
    ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, OpError, OpIo, OpRegistry, OpSchema,
    Operator, OperatorType, SubNet, Workspace,
};

/// `y = x + value`, in place if wanted.
pub(crate) struct AddValueOp(f32);

impl OperatorType for AddValueOp {
    const TYPE: &'static str = "AddValue";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .inputs(1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg("value", "what is added", 1.0f32)
            .infer_same_as_input(0)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(AddValueOp(args.get("value")?))
    }
}

impl Operator for AddValueOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.unary::<f32>(0, 0)?.map(|x| x + self.0);
        Ok(())
    }
}

/// Fills its outputs with its input's first element times 1, 2, 3 …; refuses an input of 13.
pub(crate) struct SpreadOp;

impl OperatorType for SpreadOp {
    const TYPE: &'static str = "Spread";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE).inputs(1).outputs(1..)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SpreadOp)
    }
}

impl Operator for SpreadOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_slice::<f32>(0)?[0];
        if x == 13.0 {
            return Err(OpError::input(0, "expected any number but 13"));
        }
        for o in 0..io.output_count() {
            io.output_slice::<f32>(o, [1])?[0] = x * (o + 1) as f32;
        }
        Ok(())
    }
}

/// Writes whether its input is above `limit`.
pub(crate) struct AboveOp(f32);

impl OperatorType for AboveOp {
    const TYPE: &'static str = "Above";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE).inputs(1).outputs(1).arg_required::<f32>("limit", "")
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(AboveOp(args.get("limit")?))
    }
}

impl Operator for AboveOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_slice::<f32>(0)?[0];
        io.output_slice::<bool>(0, [])?[0] = x > self.0;
        Ok(())
    }
}

/// An engine of `AddValue` that serves only whole values, and adds them twice to be told apart.
pub(crate) struct AddWholeOp(f32);

impl OperatorType for AddWholeOp {
    const TYPE: &'static str = "AddValue";

    fn schema() -> OpSchema {
        AddValueOp::schema()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let value: f32 = args.get("value")?;
        if value.fract() != 0.0 {
            return Err(ArgError::unsupported("value", "only whole numbers"));
        }
        Ok(AddWholeOp(value))
    }
}

impl Operator for AddWholeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.unary::<f32>(0, 0)?.map(|x| x + 2.0 * self.0);
        Ok(())
    }
}

/// Counts its runs in a blob that is no tensor.
pub(crate) struct CountRunsOp;

impl OperatorType for CountRunsOp {
    const TYPE: &'static str = "CountRuns";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE).inputs(1).outputs(1).enforce_in_place(&[(0, 0)])
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CountRunsOp)
    }
}

impl Operator for CountRunsOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let blob = io.output_blob(0)?;
        let found = blob.type_name();
        let runs = blob.get_mut::<u64>();
        *runs.map_err(|_| OpError::InputKind { index: 0, wanted: "u64", found })? += 1;
        Ok(())
    }
}

/// Makes a tensor as large as it is told.
pub(crate) struct LargeOp(i64);

impl OperatorType for LargeOp {
    const TYPE: &'static str = "Large";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE).inputs(0).outputs(1).arg_required::<i64>("size", "")
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LargeOp(args.get("size")?))
    }
}

impl Operator for LargeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.output_slice::<f32>(0, [self.0 as usize])?;
        Ok(())
    }
}

/// Integers that depend on all inputs, on their order and on `salt`, and how many there are too; fails when the first
/// input is `salt`, and waits meanwhile if it is told to. Any output may be any input.
pub(crate) struct MixOp {
    salt: i64,
    sleep: std::time::Duration,
}

impl OperatorType for MixOp {
    const TYPE: &'static str = "Mix";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .inputs(1..)
            .outputs(1..)
            .allow_any_in_place()
            .arg_required::<i64>("salt", "")
            .arg("sleep_us", "", 0)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let sleep: i64 = args.get("sleep_us")?;
        Ok(MixOp { salt: args.get("salt")?, sleep: std::time::Duration::from_micros(sleep as u64) })
    }
}

impl Operator for MixOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let stir = |hash: i64, x: i64| (hash ^ x).wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(17);
        let mut hash = self.salt;
        for i in 0..io.input_count() {
            let read = |source| OpError::Input { index: i, source };
            let x = io.peek(i)?.as_slice::<i64>().map_err(read)?;
            if i == 0 && x == [self.salt] {
                return Err(OpError::input(0, format!("expected anything but {}", self.salt)));
            }
            hash = x.iter().fold(stir(hash, x.len() as i64), |hash, x| stir(hash, *x));
        }
        if !self.sleep.is_zero() {
            std::thread::sleep(self.sleep);
        }
        for o in 0..io.output_count() {
            hash = stir(hash, o as i64);
            let count = 1 + (self.salt as usize * 7 + o * 3) % 23;
            let y = io.output_slice::<i64>(o, [count])?;
            y.iter_mut().zip(1..).for_each(|(y, i)| *y = stir(hash, i));
        }
        Ok(())
    }
}

/// Runs a net if its condition, an integer, is odd.
pub(crate) struct IfOddOp;

impl ControlOperatorType for IfOddOp {
    const TYPE: &'static str = "IfOdd";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE).inputs(1..).allow_any_in_place().arg_required::<NetDef>("net", "")
    }

    fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
        SubNet::required(args, "net").map(|net| vec![net])
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(IfOddOp)
    }
}

impl ControlOperator for IfOddOp {
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
        if io.integers(0)?.first().is_some_and(|x| x % 2 != 0) { io.run_net(0) } else { Ok(()) }
    }
}

pub(crate) fn registry() -> Arc<OpRegistry> {
    OpRegistry::builder()
        .operator::<AddValueOp>()
        .operator_with_engine::<AddWholeOp>("WHOLE")
        .operator::<SpreadOp>()
        .operator::<AboveOp>()
        .operator::<CountRunsOp>()
        .operator::<LargeOp>()
        .operator::<MixOp>()
        .control_operator::<IfOddOp>()
        .build()
        .expect("no duplicates")
}

pub(crate) fn workspace() -> Workspace {
    Workspace::with_registry(registry())
}

pub(crate) fn number(value: f32) -> Tensor {
    Tensor::from_slice([1], &[value]).expect("one element")
}

pub(crate) fn value(workspace: &Workspace, blob: &str) -> f32 {
    workspace.tensor(blob).unwrap().as_slice::<f32>().unwrap()[0]
}

pub(crate) fn add(input: &str, output: &str, value: f32) -> OperatorDef {
    OperatorDef::new("AddValue").input(input).output(output).arg("value", value)
}

/// `x` plus 1 in place, then plus 10 to `y`.
pub(crate) fn net(name: &str) -> NetDef {
    NetDef::new(name).external_input("x").op(add("x", "x", 1.0)).op(add("x", "y", 10.0)).external_output("y")
}
