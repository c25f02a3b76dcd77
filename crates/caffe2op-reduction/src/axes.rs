//! `ReduceSum`, `ReduceMean`, `ReduceMax`, `ReduceMin`, `ReduceL1`, `ReduceL2`: reductions of given dimensions.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axes` | none | the dimensions to reduce, negative ones from the end; none: all |
//! | `keepdims` | true | whether a reduced dimension stays as 1, or goes |
//!
//! Sum, maximum and minimum take float, double, int32 and int64, the others float alone (Caffe2 `reduce_ops.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

use crate::kernel::{Groups, reduce};
use crate::number::Number;
use crate::reducer::{L1, L2, Max, Mean, Min, Reducer, Sum};

/// What tells one [`ReduceOp`] from another.
pub trait AxesReduction: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The types it takes, in words.
    const INPUT: &'static str;
    /// How closely results agree.
    const COMPARISON: Comparison;
    /// Multiply-adds for each element.
    const MACS: u64;

    /// Reduces input 0 along the axes.
    ///
    /// # Errors
    /// When the input does not fit.
    fn reduce(axes: &Axes, io: &mut OpIo<'_>) -> Result<(), OpError>;
}

macro_rules! reductions {
    ($($name:ident, $reducer:ident, [$($rust:ty),*], $types:literal, $comparison:expr, $macs:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl AxesReduction for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;
            const INPUT: &'static str = $types;
            const COMPARISON: Comparison = $comparison;
            const MACS: u64 = $macs;

            fn reduce(axes: &Axes, io: &mut OpIo<'_>) -> Result<(), OpError> {
                dispatch_input_type!(io, 0, [$($rust),*], T => axes.reduce::<T, $reducer>(io))
            }
        }

        register_cpu_operator!(ReduceOp<$name>);
    )*};
}

reductions! {
    ReduceSum, Sum, [f32, f64, i32, i64], "float, double, int32 or int64 tensor", Comparison::Tolerance(1e-5), 0,
        "Sums over dimensions. Integers wrap around. No elements make 0.";
    ReduceMean, Mean, [f32], "float tensor", Comparison::Tolerance(1e-5), 0,
        "Means over dimensions. No elements make 0.";
    ReduceMax, Max, [f32, f64, i32, i64], "float, double, int32 or int64 tensor", Comparison::Exact, 0,
        "The greatest elements over dimensions. NaN counts only as the first one. No elements make the \
         lowest finite number of the type.";
    ReduceMin, Min, [f32, f64, i32, i64], "float, double, int32 or int64 tensor", Comparison::Exact, 0,
        "The smallest elements over dimensions. NaN counts only as the first one. No elements make the \
         highest finite number of the type.";
    ReduceL1, L1, [f32], "float tensor", Comparison::Tolerance(1e-5), 0,
        "Sums of absolute values over dimensions. No elements make 0.";
    ReduceL2, L2, [f32], "float tensor", Comparison::Tolerance(1e-5), 1,
        "Square roots of sums of squares over dimensions. No elements make 0.";
}

/// The arguments: which dimensions, and whether they stay.
#[derive(Debug)]
pub struct Axes {
    axes: Vec<i32>,
    keepdims: bool,
}

impl Axes {
    fn read(args: &Args<'_>) -> Result<Axes, ArgError> {
        Ok(Axes { axes: args.list("axes")?, keepdims: args.get("keepdims")? })
    }

    /// The dimensions of X, each with whether it is reduced.
    fn mark(&self, x: &Shape) -> Result<SmallVec<[(usize, bool); 8]>, OpError> {
        let all = self.axes.is_empty();
        let mut marked: SmallVec<[(usize, bool); 8]> = x.dims().iter().map(|&size| (size, all)).collect();
        for &axis in &self.axes {
            let axis = x.axis(axis.into());
            let axis =
                axis.map_err(|e| OpError::input(0, format!("argument `axes`: {e}, found shape {x}")))?;
            marked[axis].1 = true;
        }
        Ok(marked)
    }

    fn output_shape(&self, marked: &[(usize, bool)]) -> Result<Shape, OpError> {
        let left = marked.iter().filter(|&&(_, reduced)| self.keepdims || !reduced);
        let dims: SmallVec<[usize; 8]> =
            left.map(|&(size, reduced)| if reduced { 1 } else { size }).collect();
        Ok(Shape::new(&dims)?)
    }

    fn reduce<T: Number, R: Reducer<T>>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
        let marked = self.mark(shape)?;
        let out = io.output_slice::<T>(0, self.output_shape(&marked)?)?;
        reduce::<T, R>(io.threads(), &Groups::new(marked), x, out)
            .ok_or_else(|| OpError::input(0, "a division by zero"))
    }
}

/// The operator of each [`AxesReduction`].
#[derive(Debug)]
pub struct ReduceOp<K> {
    axes: Axes,
    kind: PhantomData<fn() -> K>,
}

impl<K: AxesReduction> OperatorType for ReduceOp<K> {
    const TYPE: &'static str = K::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(K::TYPE)
            .doc(K::DOC)
            .inputs(1)
            .outputs(1)
            .arg_repeated::<i32>("axes", "dimensions to reduce, negative ones from the end; none: all")
            .arg("keepdims", "whether a reduced dimension stays, as 1", true)
            .input("X", K::INPUT)
            .output("Y", "tensor of the same type with the dimensions that were not reduced")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.input_numel(0).saturating_mul(K::MACS)))
            .comparison(K::COMPARISON)
            .differences(
                "Axes are resolved for each run, where Caffe2 keeps those of the first. An axis may be given \
                 several times and counts once.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ReduceOp { axes: Axes::read(args)?, kind: PhantomData })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let axes = Axes::read(context.args())?;
    let shape = |x| axes.output_shape(&axes.mark(x)?);
    let shape = context.shape(0).map(shape).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl<K: AxesReduction> Operator for ReduceOp<K> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        K::reduce(&self.axes, io)
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(op: &str, axes: Vec<i32>, keepdims: bool, x: Tensor) -> Result<Tensor, String> {
        let def = OperatorDef::new(op).input("x").output("y").arg("axes", axes).arg("keepdims", keepdims);
        run_operator(&def, [x]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn ramp() -> Tensor {
        Tensor::from_slice([2, 3], &[0.0f32, -1.0, 2.0, -3.0, 4.0, -5.0]).unwrap()
    }

    #[test]
    fn each_reduction_is_the_one_its_name_says() {
        for (op, want) in [
            ("ReduceSum", [1.0f32, -4.0]),
            ("ReduceMean", [1.0 / 3.0, -4.0 / 3.0]),
            ("ReduceMax", [2.0, 4.0]),
            ("ReduceMin", [-1.0, -5.0]),
            ("ReduceL1", [3.0, 12.0]),
            ("ReduceL2", [5f32.sqrt(), 50f32.sqrt()]),
        ] {
            let y = run(op, vec![-1], false, ramp()).unwrap();
            assert_eq!((y.dims(), y.as_slice::<f32>().unwrap()), (&[2][..], &want[..]), "{op}");
            assert_eq!(run(op, vec![], true, ramp()).unwrap().dims(), [1, 1]);
            assert!(run(op, vec![1, 0, -1, 1], false, ramp()).unwrap().dims().is_empty());
            assert_eq!(run(op, vec![1], true, Tensor::zeros::<f32>([2, 0]).unwrap()).unwrap().dims(), [2, 1]);
        }
    }

    #[test]
    fn an_axis_beyond_the_rank_and_other_types_are_refused() {
        for axis in [2, -3, i32::MAX, i32::MIN] {
            let error = run("ReduceSum", vec![axis], true, ramp()).unwrap_err();
            assert!(error.contains("`axes`") && error.contains("[2, 3]"), "{error}");
        }
        let ints = Tensor::from_slice([1], &[1i32]).unwrap();
        assert!(run("ReduceMean", vec![], true, ints.clone()).unwrap_err().contains("int32"));
        assert_eq!(run("ReduceMin", vec![], true, ints.clone()).unwrap(), ints);
    }
}
