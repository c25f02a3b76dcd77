//! `ArgMax` and `ArgMin`: where along a dimension the greatest or the smallest element is.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | -1 | the dimension to search along; -1 is the last |
//! | `keepdims` | true | keep it, with size 1 |
//!
//! `Y[..] = argmax over i of X[.., i, ..]`, the first if several are equal (Caffe2 `arg_ops.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

use crate::axis::{Axis, Lines};

/// What tells `ArgMax` from `ArgMin`.
pub trait Extreme: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;

    /// Whether an element goes beyond the best so far.
    fn beyond<T: PartialOrd>(element: &T, best: &T) -> bool;
}

macro_rules! extremes {
    ($($name:ident, $function:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Extreme for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;

            #[inline(always)]
            fn beyond<T: PartialOrd>(element: &T, best: &T) -> bool {
                element.$function(best)
            }
        }

        register_cpu_operator!(ArgOp<$name>);
    )*};
}

extremes! {
    ArgMax, gt, "Finds where along a dimension the greatest element is: the index of the first, if several are equal. \
                 NaN is greater than nothing, and nothing is greater than NaN. A dimension of size 0 gives 0.";
    ArgMin, lt, "Finds where along a dimension the smallest element is: the index of the first, if several are equal. \
                 NaN is smaller than nothing, and nothing is smaller than NaN. A dimension of size 0 gives 0.";
}

/// The operator of each [`Extreme`].
#[derive(Debug)]
pub struct ArgOp<E> {
    axis: Axis,
    keep: bool,
    extreme: PhantomData<fn() -> E>,
}

impl<E: Extreme> OperatorType for ArgOp<E> {
    const TYPE: &'static str = E::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(E::TYPE)
            .doc(E::DOC)
            .inputs(1)
            .outputs(1)
            .fill_using(Axis::describe)
            .arg("keepdims", "whether the output keeps the dimension, with size 1", true)
            .input("X", "float, double, int32 or int64 tensor of at least one dimension")
            .output("Y", "int64 tensor of the indices, with size 1 for the dimension or without it")
            .differences(
                "axis -1 is the last dimension of each X, not that of the first X that the operator saw.",
            )
            .infer(infer::<E>)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ArgOp { axis: Axis::read(args)?, keep: args.get("keepdims")?, extreme: PhantomData })
    }
}

impl<E: Extreme> ArgOp<E> {
    fn output_shape(&self, x: &Shape) -> Result<(Lines, Shape), OpError> {
        let lines = self.axis.of(x)?;
        let (before, after) = x.split_at(lines.axis);
        let one: &[usize] = if self.keep { &[1] } else { &[] };
        let dims = before.iter().chain(one).chain(after.iter().skip(1)).copied();
        Ok((lines, shape_of(dims)?))
    }

    fn compute<T: Element + PartialOrd>(&self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_slice::<T>(0)?;
        let (lines, shape) = self.output_shape(io.input(0)?.shape())?;
        let y = io.output_slice::<i64>(0, shape)?;
        y.fill(0);
        if lines.len == 0 || y.is_empty() {
            return Ok(());
        }
        for (x, y) in x.chunks_exact(lines.len * lines.inner).zip(y.chunks_exact_mut(lines.inner)) {
            match (x, &mut *y) {
                ([first, ..], [y]) => *y = of_line::<E, T>(*first, x),
                ([first, ..], y) => of_columns::<E, T>(*first, x, y),
                ([], _) => {}
            }
        }
        Ok(())
    }
}

/// Where the extreme of a line is.
fn of_line<E: Extreme, T: Element + PartialOrd>(first: T, line: &[T]) -> i64 {
    let (mut best, mut index) = (first, 0);
    for (i, element) in line.iter().enumerate() {
        if E::beyond(element, &best) {
            (best, index) = (*element, i as i64);
        }
    }
    index
}

/// Where the extreme of each column of a matrix is; `y` is 0 and as long as a row.
fn of_columns<E: Extreme, T: Element + PartialOrd>(first: T, x: &[T], y: &mut [i64]) {
    /// Columns that are searched side by side.
    const SIDE: usize = 32;
    let width = y.len();
    for (y, start) in y.chunks_mut(SIDE).zip((0..).step_by(SIDE)) {
        let mut best = [first; SIDE];
        for (i, row) in x.chunks_exact(width).enumerate() {
            let columns = row.get(start..).unwrap_or_default().iter().zip(&mut best).zip(&mut *y);
            for ((element, best), index) in columns {
                if i == 0 || E::beyond(element, best) {
                    (*best, *index) = (*element, i as i64);
                }
            }
        }
    }
}

fn shape_of(dims: impl Iterator<Item = usize>) -> Result<Shape, OpError> {
    Ok(Shape::new(&dims.collect::<smallvec::SmallVec<[usize; 6]>>())?)
}

fn infer<E: Extreme>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ArgOp::<E>::from_args(context.args())?;
    let shape = context.shape(0).map(|x| operator.output_shape(x)).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Int64), shape: shape.map(|(_, shape)| shape) }])
}

impl<E: Extreme> Operator for ArgOp<E> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64], T => self.compute::<T>(io))
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(def: OperatorDef, x: Tensor) -> Result<(Vec<usize>, Vec<i64>), String> {
        let y = run_operator(&def.input("x").output("y"), [x]).map_err(|e| e.to_string())?;
        Ok((y[0].dims().to_vec(), y[0].as_slice().unwrap().to_vec()))
    }

    fn max() -> OperatorDef {
        OperatorDef::new("ArgMax")
    }

    #[test]
    fn the_first_extreme_along_any_axis() {
        let x = || Tensor::from_slice([2, 3, 2], &[1i32, 9, 5, 0, 5, 3, 7, 1, 2, 8, 7, 8]).unwrap();
        assert_eq!(run(max(), x()), Ok((vec![2, 3, 1], vec![1, 0, 0, 0, 1, 1])));
        assert_eq!(run(max().arg("axis", 1), x()), Ok((vec![2, 1, 2], vec![1, 0, 0, 1])));
        let flat = max().arg("axis", 0).arg("keepdims", false);
        assert_eq!(run(flat, x()), Ok((vec![3, 2], vec![1, 0, 0, 1, 1, 1])));
        let min = OperatorDef::new("ArgMin").arg("axis", 1);
        assert_eq!(run(min, x()), Ok((vec![2, 1, 2], vec![0, 1, 1, 0])));
        let empty = Tensor::zeros::<f32>([2, 0]).unwrap();
        assert_eq!(run(max(), empty.clone()), Ok((vec![2, 1], vec![0, 0])));
        assert_eq!(run(max().arg("axis", 0), empty), Ok((vec![1, 0], vec![])));
        let wide: Vec<i64> = (0..3 * 70).map(|i| i * 37 % 11).collect();
        let column = |j: usize| [0, 1, 2].into_iter().rev().max_by_key(|i| wide[i * 70 + j]).unwrap() as i64;
        let wide = Tensor::from_slice([3, 70], &wide).unwrap();
        assert_eq!(run(max().arg("axis", 0), wide), Ok((vec![1, 70], (0..70).map(column).collect())));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = run(max().arg("axis", 1), Tensor::zeros::<f32>([3]).unwrap()).unwrap_err();
        assert!(error.contains("`axis`") && error.contains("[3]"), "{error}");
        assert!(run(max(), Tensor::scalar(1.0f32).unwrap()).is_err());
        assert!(run(max().arg("axis", -2), Tensor::new()).unwrap_err().contains("found -2"));
        assert!(run(max(), Tensor::zeros::<u8>([3]).unwrap()).unwrap_err().contains("uint8"));
    }
}
