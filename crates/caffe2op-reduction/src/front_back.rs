//! `ReduceFrontSum`, `ReduceFrontMean`, `ReduceFrontMax` and `ReduceBackSum`, `ReduceBackMean`, `ReduceBackMax`:
//! reductions of the first or the last dimensions.
//!
//! | argument | default | |
//! |---|---|---|
//! | `num_reduce_dim` | 1 | how many dimensions |
//! | `num_reduce_dims` | none | the name that Caffe2 documents but does not read: must say the same |
//!
//! A second input may tell for each output how many elements, from the first on, count (Caffe2
//! `reduce_front_back_sum_mean_ops.h`, `reduce_front_back_max_ops.h`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, Comparison, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

use crate::kernel::{Groups, reduce};
use crate::lengths::{check_count, check_lengths, finish, reduce_columns, reduce_rows};
use crate::number::Number;
use crate::reducer::{Max, Mean, Reducer, Sum};

/// What tells one [`ReduceEndOp`] from another.
pub trait EndReduction: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// The types it takes, in words.
    const INPUT: &'static str;
    /// Whether the first dimensions are reduced, not the last.
    const FRONT: bool;
    /// How closely results agree.
    const COMPARISON: Comparison;

    /// Reduces input 0.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn reduce(count: usize, io: &mut OpIo<'_>) -> Result<(), OpError>;
}

macro_rules! reductions {
    ($($name:ident, $reducer:ident, $front:literal, [$($rust:ty),*], $types:literal, $comparison:expr, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl EndReduction for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;
            const INPUT: &'static str = $types;
            const FRONT: bool = $front;
            const COMPARISON: Comparison = $comparison;

            fn reduce(count: usize, io: &mut OpIo<'_>) -> Result<(), OpError> {
                dispatch_input_type!(io, 0, [$($rust),*], T => run::<T, $reducer>($front, count, io))
            }
        }

        register_cpu_operator!(ReduceEndOp<$name>);
    )*};
}

reductions! {
    ReduceFrontSum, Sum, true, [f32, f64, i32, i64], "float, double, int32 or int64 tensor",
        Comparison::Tolerance(1e-5),
        "Sums over the first dimensions. Integers wrap around. No elements make 0.";
    ReduceFrontMean, Mean, true, [f32, f64, i32, i64], "float, double, int32 or int64 tensor",
        Comparison::Tolerance(1e-5),
        "Means over the first dimensions; those of integers are rounded toward zero. No elements make 0.";
    ReduceFrontMax, Max, true, [f32], "float tensor", Comparison::Exact,
        "The greatest elements over the first dimensions. NaN counts only as the first one. No elements make 0.";
    ReduceBackSum, Sum, false, [f32, f64, i32, i64], "float, double, int32 or int64 tensor",
        Comparison::Tolerance(1e-5),
        "Sums over the last dimensions. Integers wrap around. No elements make 0.";
    ReduceBackMean, Mean, false, [f32, f64, i32, i64], "float, double, int32 or int64 tensor",
        Comparison::Tolerance(1e-5),
        "Means over the last dimensions; those of integers are rounded toward zero. No elements make 0.";
    ReduceBackMax, Max, false, [f32], "float tensor", Comparison::Exact,
        "The greatest elements over the last dimensions. NaN counts only as the first one. No elements make 0.";
}

/// The number of dimensions to reduce.
fn read(args: &Args<'_>) -> Result<usize, ArgError> {
    let count = args.get::<i32>("num_reduce_dim")?;
    if let Some(other) = args.get_optional::<i32>("num_reduce_dims")?
        && other != count
    {
        let message = format!("expected {count}, as `num_reduce_dim`, which alone counts, is; found {other}");
        return Err(ArgError::value("num_reduce_dims", message));
    }
    match usize::try_from(count) {
        Ok(1) => Ok(1),
        Ok(other) if args.input_count() > 1 => {
            let message = format!("expected 1, as there are lengths, found {other}");
            Err(ArgError::value("num_reduce_dim", message))
        }
        Ok(count) => Ok(count),
        Err(_) => Err(ArgError::value("num_reduce_dim", format!("expected 0 or more, found {count}"))),
    }
}

/// The shape of the output.
fn output_shape(front: bool, count: usize, x: &Shape) -> Result<Shape, OpError> {
    match x.rank().checked_sub(count) {
        Some(left) => Ok(Shape::new(if front { &x[count..] } else { &x[..left] })?),
        None => Err(OpError::input(
            0,
            format!("expected at least {count} dimensions, as `num_reduce_dim` says, found shape {x}"),
        )),
    }
}

fn run<T: Number, R: Reducer<T>>(front: bool, count: usize, io: &mut OpIo<'_>) -> Result<(), OpError> {
    let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
    let y_shape = output_shape(front, count, shape)?;
    let (outer, inner) = if front {
        (shape.size_to(count), shape.size_from(count))
    } else {
        (y_shape.numel(), shape.size_from(shape.rank() - count))
    };
    let lengths = if io.input_count() > 1 { Some(io.input_slice::<i32>(1)?) } else { None };
    if let Some(lengths) = lengths {
        let most = if x.is_empty() { None } else { Some(if front { outer } else { inner }) };
        check_lengths(lengths, y_shape.numel(), most)?;
    }
    let out = io.output_slice::<T>(0, y_shape)?;
    if x.is_empty() {
        out.fill(T::ZERO);
        return Ok(());
    }
    let Some(lengths) = lengths else {
        let groups = Groups::new([(outer, front), (inner, !front)]);
        return reduce::<T, R>(io.threads(), &groups, x, out)
            .ok_or_else(|| OpError::input(0, "a division by zero"));
    };
    if front {
        reduce_columns::<T, R>(io.threads(), x, lengths, out);
    } else {
        reduce_rows::<T, R>(io.threads(), x, lengths, out);
    }
    finish::<T, R>(lengths, out).ok_or_else(|| OpError::input(1, "a length of 0 has no mean of integers"))
}

/// The operator of each [`EndReduction`].
#[derive(Debug)]
pub struct ReduceEndOp<K> {
    count: usize,
    kind: PhantomData<fn() -> K>,
}

impl<K: EndReduction> OperatorType for ReduceEndOp<K> {
    const TYPE: &'static str = K::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(K::TYPE)
            .doc(K::DOC)
            .inputs(1..=2)
            .outputs(1)
            .arg("num_reduce_dim", "how many dimensions to reduce; 1 if there are lengths", 1)
            .arg_optional::<i32>("num_reduce_dims", "not read by Caffe2: must be as num_reduce_dim")
            .input("X", K::INPUT)
            .input(
                "lengths",
                "int32 tensor of as many elements as the output: how many elements, from the first on, count for \
                 it. With a length of 0 the first one counts, and a mean divides it by 0",
            )
            .output("Y", "tensor of the same type with the dimensions that were not reduced")
            .infer(infer::<K>)
            .comparison(K::COMPARISON)
            .differences(
                "Lengths below 0 or beyond the elements there are, and lengths of 0 for means of integers, are \
                 errors, where Caffe2 reads beyond the tensor or crashes. num_reduce_dims, which Caffe2 documents \
                 and ignores, is an error unless it agrees with num_reduce_dim.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ReduceEndOp { count: read(args)?, kind: PhantomData })
    }
}

fn infer<K: EndReduction>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let count = read(context.args())?;
    let shape = context.shape(0).map(|x| output_shape(K::FRONT, count, x)).transpose()?;
    if let (Some(y), Some(lengths)) = (&shape, context.shape(1)) {
        check_count(lengths.numel(), y.numel())?;
    }
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl<K: EndReduction> Operator for ReduceEndOp<K> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        K::reduce(self.count, io)
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Element, Tensor, run_operator};

    fn run<T: Element>(def: OperatorDef, x: Tensor, lengths: Option<&[i32]>) -> Result<Vec<T>, String> {
        let mut def = def.input("x").output("y");
        let mut tensors = vec![x];
        if let Some(lengths) = lengths {
            def = def.input("lengths");
            tensors.push(Tensor::from_slice([lengths.len()], lengths).unwrap());
        }
        let y = run_operator(&def, tensors).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<T>().unwrap().to_vec())
    }

    fn x() -> Tensor {
        Tensor::from_slice([2, 3], &[1, 2, 3, 4, 5, -9]).unwrap()
    }

    fn def(op: &str) -> OperatorDef {
        OperatorDef::new(op)
    }

    #[test]
    fn front_and_back() {
        assert_eq!(run::<i32>(def("ReduceFrontSum"), x(), None).unwrap(), [5, 7, -6]);
        assert_eq!(run::<i32>(def("ReduceBackSum"), x(), None).unwrap(), [6, 0]);
        assert_eq!(run::<i32>(def("ReduceFrontMean"), x(), None).unwrap(), [2, 3, -3]);
        assert_eq!(run::<i32>(def("ReduceBackMean").arg("num_reduce_dim", 2), x(), None).unwrap(), [1]);
        assert_eq!(run::<i32>(def("ReduceBackSum").arg("num_reduce_dim", 0), x(), None).unwrap().len(), 6);
        let empty = Tensor::zeros::<f32>([0, 2]).unwrap();
        assert_eq!(run::<f32>(def("ReduceFrontMax"), empty, None).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn lengths_leave_the_rest_out() {
        assert_eq!(run::<i32>(def("ReduceFrontSum"), x(), Some(&[1, 2, 0])).unwrap(), [1, 7, 3]);
        assert_eq!(run::<i32>(def("ReduceBackMean"), x(), Some(&[2, 1])).unwrap(), [1, 4]);
        for (op, lengths) in
            [("ReduceBackSum", &[4, 1][..]), ("ReduceBackSum", &[1, -1]), ("ReduceBackSum", &[1])]
        {
            let error = run::<i32>(def(op), x(), Some(lengths)).unwrap_err();
            assert!(error.contains("lengths"), "{error}");
        }
        assert!(run::<i32>(def("ReduceBackMean"), x(), Some(&[0, 1])).unwrap_err().contains("length of 0"));
    }

    #[test]
    fn arguments_are_checked() {
        let error = run::<i32>(def("ReduceBackSum").arg("num_reduce_dim", 3), x(), None).unwrap_err();
        assert!(error.contains("`num_reduce_dim`") && error.contains("[2, 3]"), "{error}");
        for (name, value) in [("num_reduce_dim", -1), ("num_reduce_dims", 2)] {
            let error = run::<i32>(def("ReduceFrontSum").arg(name, value), x(), None).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        let two = def("ReduceFrontSum").arg("num_reduce_dim", 2);
        assert!(run::<i32>(two, x(), Some(&[1])).unwrap_err().contains("expected 1"));
    }
}
