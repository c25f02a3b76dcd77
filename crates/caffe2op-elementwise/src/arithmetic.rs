//! `Add`, `Sub`, `Mul`, `Div`: `C = A op B`, element by element.
//!
//! | argument | default | |
//! |---|---|---|
//! | `broadcast` | false | shapes meet by Caffe2's older rule instead of numpy's |
//! | `axis` | -1 | with `broadcast`: the dimension of A where B begins; -1: they end together |
//! | `axis_str`, `order` | none, `NCHW` | with `broadcast`: the axis by its letter |
//!
//! [`BroadcastRule`] tells the two rules. Operands are float, double, int32 or int64, both of one type; integers
//! wrap around, and divide towards zero (Caffe2 `elementwise_ops.h`).

use std::marker::PhantomData;

use caffe2_kernels::KernelError;
use caffe2_kernels::elementwise::{Arithmetic, BinaryIo, BinaryOp, Broadcast, binary};
use caffe2_operator::{
    ArgError, Args, BroadcastRule, Cost, DataType, Element, ExpectContext, Expectation, InferContext,
    OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo, dispatch_input_type,
    register_cpu_operator,
};

/// What tells one [`ArithmeticOp`] from another.
pub trait Operation: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What is computed.
    const OP: BinaryOp;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The inputs that the output may replace, as pairs with output 0.
    const IN_PLACE: &'static [(usize, usize)] = &[(0, 0), (1, 0)];
    /// Multiplications for each element of the result.
    const MACS: u64 = 0;
    /// Where the operator differs from Caffe2's.
    const DIFFERENCES: &'static str = "";
}

/// `C = A + B`
#[derive(Debug)]
pub enum Add {}

/// `C = A - B`
#[derive(Debug)]
pub enum Sub {}

/// `C = A * B`
#[derive(Debug)]
pub enum Mul {}

/// `C = A / B`
#[derive(Debug)]
pub enum Div {}

impl Operation for Add {
    const TYPE: &'static str = "Add";
    const OP: BinaryOp = BinaryOp::Add;
    const DOC: &'static str = "Adds two tensors element by element: C = A + B. Integers wrap around.";
}

impl Operation for Sub {
    const TYPE: &'static str = "Sub";
    const OP: BinaryOp = BinaryOp::Sub;
    const DOC: &'static str = "Subtracts two tensors element by element: C = A - B. Integers wrap around.";
}

impl Operation for Mul {
    const TYPE: &'static str = "Mul";
    const OP: BinaryOp = BinaryOp::Mul;
    const MACS: u64 = 1;
    const DOC: &'static str = "Multiplies two tensors element by element: C = A * B. Integers wrap around.";
}

impl Operation for Div {
    const TYPE: &'static str = "Div";
    const OP: BinaryOp = BinaryOp::Div;
    const MACS: u64 = 1;
    const DOC: &'static str =
        "Divides two tensors element by element: C = A / B. Integers divide towards zero.";
    const IN_PLACE: &'static [(usize, usize)] = &[(0, 0)];
    const DIFFERENCES: &'static str = "An integer divided by zero is an error, and the smallest integer divided by -1 \
                                       is itself; Caffe2 ends the process for both. Where A is one element and B are \
                                       several, Caffe2 multiplies A by the reciprocals, which may be off in the last \
                                       place, and infinite for very small divisors; here it is divided.";
}

/// The operator of each [`Operation`]; see the [crate].
#[derive(Debug)]
pub struct ArithmeticOp<O> {
    rule: BroadcastRule,
    operation: PhantomData<fn() -> O>,
}

/// `Add`.
pub type AddOp = ArithmeticOp<Add>;
/// `Sub`.
pub type SubOp = ArithmeticOp<Sub>;
/// `Mul`.
pub type MulOp = ArithmeticOp<Mul>;
/// `Div`.
pub type DivOp = ArithmeticOp<Div>;

impl<O: Operation> OperatorType for ArithmeticOp<O> {
    const TYPE: &'static str = O::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(O::TYPE)
            .doc(O::DOC)
            .differences(O::DIFFERENCES)
            .inputs(2)
            .outputs(1)
            .allow_in_place(O::IN_PLACE)
            .fill_using(BroadcastRule::describe)
            .input("A", "float, double, int32 or int64 tensor")
            .input("B", "tensor of the same type, and of a shape that meets A's")
            .output(
                "C",
                "tensor of the same type; its shape may not grow beyond that of an operand that it replaces",
            )
            .infer(infer)
            .infer_by_running()
            .expect(expect)
            .cost(|context| Cost::with_macs(context, context.output_numel(0).saturating_mul(O::MACS)))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ArithmeticOp { rule: BroadcastRule::read(args)?, operation: PhantomData })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    // Both have one type.
    infer_result(context, context.data_type(0).or_else(|| context.data_type(1)))
}

/// The type of the other operand, and the shape that is wanted of the result where that is known to be the shape of
/// this operand, or meant to be: the other stretches, or goes with a run of dimensions.
fn expect(context: &ExpectContext<'_>, index: usize) -> Expectation {
    let result = context.output(0);
    let data_type = context.inputs.data_type(1 - index.min(1)).or(result.data_type);
    let other = context.inputs.shape(1 - index.min(1));
    let dims = match BroadcastRule::read(context.inputs.args()) {
        Ok(rule) if rule.keeps_first() => result.dims.filter(|_| index == 0),
        Ok(_) => result.dims.filter(|dims| other.is_some_and(|other| other.rank() <= dims.len())),
        Err(_) => None,
    };
    Expectation { data_type, dims }
}

/// A result of this type where the two inputs meet.
pub(crate) fn infer_result(
    context: &InferContext<'_>,
    data_type: Option<DataType>,
) -> Result<Vec<TensorInfo>, OpError> {
    let rule = BroadcastRule::read(context.args())?;
    let meet = |(a, b)| Ok::<_, OpError>(Shape::new(rule.meet(a, b)?.dims())?);
    let shape = context.shape(0).zip(context.shape(1)).map(meet).transpose()?;
    Ok(vec![TensorInfo { data_type, shape }])
}

impl<O: Operation> Operator for ArithmeticOp<O> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64], T => self.compute::<T>(io))
    }
}

impl<O: Operation> ArithmeticOp<O> {
    fn compute<T: Arithmetic + Element>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        // Whether B was written at all is told before its shape is judged.
        io.input_type(1)?;
        let broadcast = self.rule.meet_inputs(io)?;
        let operands = operands::<T>(io, &broadcast)?;
        binary(io.threads(), O::OP, &broadcast, operands).map_err(|error| match error {
            KernelError::DivisionByZero => OpError::input(1, "expected no zero in an integer divisor"),
            other => other.into(),
        })
    }
}

/// The operands, in place or not.
pub(crate) fn operands<'a, T: Element>(
    io: &mut OpIo<'a>,
    broadcast: &Broadcast,
) -> Result<BinaryIo<'a, T>, OpError> {
    if let Some(a) = io.in_place_slice(0, 0)? {
        let both = io.is_in_place(1, 0);
        return Ok(if both { BinaryIo::IntoBoth(a) } else { BinaryIo::IntoA { a, b: io.input_slice(1)? } });
    }
    if let Some(b) = io.in_place_slice(1, 0)? {
        return Ok(BinaryIo::IntoB { a: io.input_slice(0)?, b });
    }
    let (a, b) = (io.input_slice(0)?, io.input_slice(1)?);
    Ok(BinaryIo::Apart { a, b, out: io.output_slice(0, broadcast.dims())? })
}

register_cpu_operator!(ArithmeticOp<Add>);
register_cpu_operator!(ArithmeticOp<Sub>);
register_cpu_operator!(ArithmeticOp<Mul>);
register_cpu_operator!(ArithmeticOp<Div>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{ArgDefault, Tensor, Workspace};

    fn run(op: &str, a: Tensor, b: Tensor, output: &str) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("a", a);
        workspace.feed("b", b);
        let def = OperatorDef::new(op).inputs(["a", "b"]).output(output);
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch(output).map_err(|e| e.to_string())
    }

    fn floats<const N: usize>(values: [f32; N]) -> Tensor {
        Tensor::from_slice([N], &values).unwrap()
    }

    fn ints(values: [i32; 2]) -> Tensor {
        Tensor::from_slice([2], &values).unwrap()
    }

    #[test]
    fn defaults_are_those_of_caffe2() {
        let schema = AddOp::schema();
        let default = |name| schema.arg_spec(name).unwrap().default;
        assert_eq!(default("broadcast"), ArgDefault::Bool(false));
        assert_eq!(default("axis"), ArgDefault::Int(-1));
        assert_eq!(default("axis_str"), ArgDefault::String(""));
        assert_eq!(default("order"), ArgDefault::String("NCHW"));
    }

    #[test]
    fn each_operation_is_the_one_its_name_says() {
        let results = [("Add", 8.0), ("Sub", 4.0), ("Mul", 12.0), ("Div", 3.0)];
        for (op, want) in results {
            for output in ["c", "a", "b"] {
                let got = run(op, floats([6.0]), floats([2.0]), output);
                match (op, output) {
                    ("Div", "b") => assert!(got.unwrap_err().contains("does not work in place")),
                    _ => assert_eq!(got.unwrap(), floats([want]), "{op} into {output}"),
                }
            }
        }
    }

    #[test]
    fn an_operand_cannot_grow_into_the_result() {
        let wide = || Tensor::from_slice([2, 1], &[1.0f32, 2.0]).unwrap();
        assert_eq!(run("Add", wide(), floats([1.0, 2.0]), "c").unwrap().dims(), [2, 2]);
        let error = run("Add", wide(), floats([1.0, 2.0]), "a").unwrap_err();
        assert!(error.contains("input 0") && error.contains("[2, 2]"), "{error}");
        let error = run("Add", wide(), floats([1.0, 2.0]), "b").unwrap_err();
        assert!(error.contains("input 1") && error.contains("[2, 2]"), "{error}");
        // As many elements are not enough: the shapes must be equal.
        let row = Tensor::from_slice([1, 2], &[1.0f32, 2.0]).unwrap();
        assert!(run("Add", floats([1.0, 2.0]), row, "a").unwrap_err().contains("[1, 2]"));
    }

    #[test]
    fn an_operand_shared_with_another_blob_is_not_changed_there() {
        let mut workspace = Workspace::new();
        let shared = floats([1.0]);
        workspace.feed("a", shared.clone());
        let def = OperatorDef::new("Add").inputs(["a", "a"]).output("a");
        workspace.run_operator_once(&def).unwrap();
        assert_eq!(workspace.fetch("a").unwrap(), floats([2.0]));
        assert_eq!(shared, floats([1.0]));
    }

    #[test]
    fn integers_wrap_and_zero_divides_nothing() {
        assert_eq!(run("Add", ints([i32::MAX, 1]), ints([1, 1]), "c").unwrap(), ints([i32::MIN, 2]));
        assert_eq!(run("Div", ints([i32::MIN, -7]), ints([-1, 2]), "c").unwrap(), ints([i32::MIN, -3]));
        assert!(run("Div", ints([1, 1]), ints([1, 0]), "c").unwrap_err().contains("input 1"));
    }

    #[test]
    fn types_must_be_numbers_and_agree() {
        let error = run("Mul", floats([1.0]), Tensor::from_slice([1], &[1i64]).unwrap(), "c").unwrap_err();
        assert!(error.contains("input 1 `b`: wanted a tensor of float, found one of int64"), "{error}");
        let bytes = || Tensor::from_slice([1], &[1u8]).unwrap();
        let error = run("Mul", bytes(), bytes(), "c").unwrap_err();
        assert!(
            error.contains("uint8 is not supported; supported are float, double, int32, int64"),
            "{error}"
        );
        assert!(run("Mul", floats([1.0]), Tensor::new(), "c").unwrap_err().contains("never written"));
    }
}
