//! Operators whose results are truth values: `EQ`, `NE`, `LT`, `LE`, `GT`, `GE`, and, of truth values, `And`, `Or`,
//! `Xor`.
//!
//! They have the arguments of `Add`: [`BroadcastRule`] tells how the shapes meet (Caffe2 `elementwise_ops.h`).

use std::marker::PhantomData;

use caffe2_kernels::elementwise::{binary_with, zip_broadcast};
use caffe2_operator::{
    ArgError, Args, BroadcastRule, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, TensorInfo, dispatch_input_type, register_cpu_operator,
};

use crate::arithmetic::{infer_result, operands};

/// What tells one [`CompareOp`] from another.
pub trait Relation: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;

    /// Whether it holds between two elements.
    fn holds<T: PartialOrd>(a: &T, b: &T) -> bool;
}

/// What tells one [`LogicOp`] from another.
pub trait Connective: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;

    /// What it makes of two truth values.
    fn of(a: bool, b: bool) -> bool;
}

macro_rules! relations {
    ($($name:ident, $doc:literal, $function:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Relation for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;

            #[inline(always)]
            fn holds<T: PartialOrd>(a: &T, b: &T) -> bool {
                a.$function(b)
            }
        }

        register_cpu_operator!(CompareOp<$name>);
    )*};
}

macro_rules! connectives {
    ($($name:ident, $doc:literal, $operator:tt;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Connective for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;

            #[inline(always)]
            fn of(a: bool, b: bool) -> bool {
                a $operator b
            }
        }

        register_cpu_operator!(LogicOp<$name>);
    )*};
}

relations! {
    EQ, "Whether elements are equal: C = A == B. NaN equals nothing.", eq;
    NE, "Whether elements differ: C = A != B. NaN differs from everything.", ne;
    LT, "Whether elements of A are smaller: C = A < B. With NaN nothing is.", lt;
    LE, "Whether elements of A are not greater: C = A <= B. With NaN nothing is.", le;
    GT, "Whether elements of A are greater: C = A > B. With NaN nothing is.", gt;
    GE, "Whether elements of A are not smaller: C = A >= B. With NaN nothing is.", ge;
}

connectives! {
    And, "Whether both elements are true.", &;
    Or, "Whether at least one of two elements is true.", |;
    Xor, "Whether exactly one of two elements is true.", ^;
}

/// The operator of each [`Relation`].
#[derive(Debug)]
pub struct CompareOp<R> {
    rule: BroadcastRule,
    relation: PhantomData<fn() -> R>,
}

impl<R: Relation> OperatorType for CompareOp<R> {
    const TYPE: &'static str = R::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(R::TYPE)
            .doc(R::DOC)
            .inputs(2)
            .outputs(1)
            .fill_using(BroadcastRule::describe)
            .input("A", "float, double, int32, int64 or bool tensor")
            .input("B", "tensor of the same type, and of a shape that meets A's")
            .output("C", "bool tensor")
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CompareOp { rule: BroadcastRule::read(args)?, relation: PhantomData })
    }
}

impl<R: Relation> Operator for CompareOp<R> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64, bool], T => self.compute::<T>(io))
    }
}

impl<R: Relation> CompareOp<R> {
    fn compute<T: Element + Copy + PartialOrd>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (a, b) = (io.input_slice::<T>(0)?, io.input_slice::<T>(1)?);
        let broadcast = self.rule.meet_inputs(io)?;
        let out = io.output_slice::<bool>(0, broadcast.dims())?;
        Ok(zip_broadcast(
            io.threads(),
            &broadcast,
            a,
            b,
            out,
            #[inline(always)]
            move |a, b| R::holds(&a, &b),
        )?)
    }
}

/// The operator of each [`Connective`].
#[derive(Debug)]
pub struct LogicOp<C> {
    rule: BroadcastRule,
    connective: PhantomData<fn() -> C>,
}

impl<C: Connective> OperatorType for LogicOp<C> {
    const TYPE: &'static str = C::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(C::TYPE)
            .doc(C::DOC)
            .inputs(2)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .fill_using(BroadcastRule::describe)
            .input("A", "bool tensor")
            .input("B", "bool tensor of a shape that meets A's")
            .output("C", "bool tensor; its shape may not grow beyond that of A if it replaces A")
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LogicOp { rule: BroadcastRule::read(args)?, connective: PhantomData })
    }
}

impl<C: Connective> Operator for LogicOp<C> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [bool], T => {
            // Whether B was written at all is told before its shape is judged.
            io.input_type(1)?;
            let broadcast = self.rule.meet_inputs(io)?;
            let operands = operands::<T>(io, &broadcast)?;
            Ok(binary_with(io.threads(), &broadcast, operands, #[inline(always)] move |a, b| C::of(a, b))?)
        })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    infer_result(context, Some(DataType::Bool))
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Element, Tensor, Workspace};

    fn run(def: OperatorDef, a: Tensor, b: Tensor, output: &str) -> Result<Vec<bool>, String> {
        let mut workspace = Workspace::new();
        workspace.feed("a", a);
        workspace.feed("b", b);
        workspace.run_operator_once(&def.inputs(["a", "b"]).output(output)).map_err(|e| e.to_string())?;
        Ok(workspace.fetch(output).map_err(|e| e.to_string())?.as_slice::<bool>().unwrap().to_vec())
    }

    fn of<T: Element>(values: &[T]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    #[test]
    fn each_relation_is_the_one_its_name_says() {
        let (a, b) = ([1.0f32, 2.0, 3.0, f32::NAN], [2.0f32, 2.0, 2.0, 2.0]);
        for (op, want) in [
            ("EQ", [false, true, false, false]),
            ("NE", [true, false, true, true]),
            ("LT", [true, false, false, false]),
            ("LE", [true, true, false, false]),
            ("GT", [false, false, true, false]),
            ("GE", [false, true, true, false]),
        ] {
            assert_eq!(run(OperatorDef::new(op), of(&a), of(&b), "c").unwrap(), want, "{op}");
            assert_eq!(run(OperatorDef::new(op), of(&a), of(&b[..1]), "c").unwrap(), want, "{op}");
            assert!(run(OperatorDef::new(op), of(&a), of(&b), "a").unwrap_err().contains("in place"));
        }
        assert_eq!(run(OperatorDef::new("LT"), of(&[false, true]), of(&[true]), "c"), Ok(vec![true, false]));
    }

    #[test]
    fn each_connective_is_the_one_its_name_says() {
        let (a, b) = (of(&[false, false, true, true]), of(&[false, true, false, true]));
        for (op, want) in [
            ("And", [false, false, false, true]),
            ("Or", [false, true, true, true]),
            ("Xor", [false, true, true, false]),
        ] {
            for output in ["c", "a"] {
                assert_eq!(run(OperatorDef::new(op), a.clone(), b.clone(), output).unwrap(), want, "{op}");
            }
            assert!(run(OperatorDef::new(op), a.clone(), b.clone(), "b").unwrap_err().contains("in place"));
        }
    }

    #[test]
    fn types_and_shapes_are_checked() {
        let error = run(OperatorDef::new("EQ"), of(&[1i32]), of(&[1i64]), "c").unwrap_err();
        assert!(error.contains("input 1 `b`: wanted a tensor of int32, found one of int64"), "{error}");
        let error = run(OperatorDef::new("And"), of(&[1i32]), of(&[true]), "c").unwrap_err();
        assert!(error.contains("int32 is not supported; supported are bool"), "{error}");
        let error = run(OperatorDef::new("LT"), of(&[1, 2]), of(&[1, 2, 3]), "c").unwrap_err();
        assert!(error.contains("[2]") && error.contains("[3]"), "{error}");
        let legacy = OperatorDef::new("GE").arg("broadcast", true).arg("axis", 5);
        assert!(run(legacy, of(&[1, 2]), of(&[1, 2]), "c").is_err());
    }
}
