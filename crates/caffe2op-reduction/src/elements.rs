//! `SumElements` and `SumSqrElements`: one number for a whole tensor.
//!
//! | argument | default | |
//! |---|---|---|
//! | `average` | false | whether to divide by the number of elements |
//!
//! The sum of the elements, or of their squares (Caffe2 `reduction_ops.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

use crate::kernel::{Groups, reduce};
use crate::number::Number;
use crate::reducer::{Mean, MeanSquares, Reducer, Squares, Sum};

/// What tells one [`ElementsOp`] from another.
pub trait ElementsReduction: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The types it takes, in words.
    const INPUT: &'static str;
    /// Multiply-adds for each element.
    const MACS: u64;

    /// Reduces input 0.
    ///
    /// # Errors
    /// When the input does not fit.
    fn reduce(average: bool, io: &mut OpIo<'_>) -> Result<(), OpError>;
}

macro_rules! reductions {
    ($($name:ident, $sum:ident, $mean:ident, [$($rust:ty),*], $types:literal, $macs:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl ElementsReduction for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;
            const INPUT: &'static str = $types;
            const MACS: u64 = $macs;

            fn reduce(average: bool, io: &mut OpIo<'_>) -> Result<(), OpError> {
                dispatch_input_type!(io, 0, [$($rust),*], T => {
                    if average { run::<T, $mean>(io) } else { run::<T, $sum>(io) }
                })
            }
        }

        register_cpu_operator!(ElementsOp<$name>);
    )*};
}

reductions! {
    SumElements, Sum, Mean, [f32], "float tensor", 0,
        "The sum of all elements, or their mean. No elements make 0.";
    SumSqrElements, Squares, MeanSquares, [f32, f64], "float or double tensor", 1,
        "The sum of the squares of all elements, or its mean. No elements make 0.";
}

fn run<T: Number, R: Reducer<T>>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let x = io.input_slice::<T>(0)?;
    let out = io.output_slice::<T>(0, Shape::scalar())?;
    reduce::<T, R>(io.threads(), &Groups::new([(x.len(), true)]), x, out)
        .ok_or_else(|| OpError::input(0, "a division by zero"))
}

/// The operator of each [`ElementsReduction`].
#[derive(Debug)]
pub struct ElementsOp<K> {
    average: bool,
    kind: PhantomData<fn() -> K>,
}

impl<K: ElementsReduction> OperatorType for ElementsOp<K> {
    const TYPE: &'static str = K::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(K::TYPE)
            .doc(K::DOC)
            .inputs(1)
            .outputs(1)
            .arg("average", "whether to divide by the number of elements", false)
            .input("X", K::INPUT)
            .output("sum", "scalar of the same type")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.input_numel(0).saturating_mul(K::MACS)))
            .comparison(Comparison::Tolerance(1e-5))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ElementsOp { average: args.get("average")?, kind: PhantomData })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape: Some(Shape::scalar()) }])
}

impl<K: ElementsReduction> Operator for ElementsOp<K> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        K::reduce(self.average, io)
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(op: &str, average: bool, x: Tensor) -> Result<Tensor, String> {
        let def = OperatorDef::new(op).input("x").output("y").arg("average", average);
        run_operator(&def, [x]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn scalar(value: f32) -> Tensor {
        Tensor::from_slice([], &[value]).unwrap()
    }

    #[test]
    fn all_elements_become_one() {
        let x = || Tensor::from_slice([2, 2], &[1.0f32, 2.0, 3.0, -4.0]).unwrap();
        assert_eq!(run("SumElements", false, x()).unwrap(), scalar(2.0));
        assert_eq!(run("SumElements", true, x()).unwrap(), scalar(0.5));
        assert_eq!(run("SumSqrElements", false, x()).unwrap(), scalar(30.0));
        assert_eq!(run("SumSqrElements", true, x()).unwrap(), scalar(7.5));
        assert_eq!(run("SumElements", true, Tensor::zeros::<f32>([0]).unwrap()).unwrap(), scalar(0.0));
        assert_eq!(run("SumElements", true, scalar(3.0)).unwrap(), scalar(3.0));
        assert!(
            run("SumElements", false, Tensor::zeros::<f64>([1]).unwrap()).unwrap_err().contains("double")
        );
    }
}
