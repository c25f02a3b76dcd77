//! `Slice`: what lies between a start and an end in one of the dimensions.
//!
//! | argument | default | |
//! |---|---|---|
//! | `starts` | none | the first index in each dimension |
//! | `ends` | none | the index behind the last one in each dimension |
//!
//! A negative value v means dimension + 1 + v, so that an end of -1 is that of the dimension. Dimensions beyond those
//! given are taken whole. Two more inputs, both int32 or int64, may hold starts and ends instead (Caffe2 `slice_op.cc`).

use caffe2_operator::{
    ArgError, ArgProblem, Args, Element, InferContext, Item, OpError, OpIo, OpSchema, Operator, OperatorType,
    Shape, TensorInfo, copy_rows, dispatch_any_type, dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

type Bounds = SmallVec<[i64; 6]>;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SliceOp {
    /// Starts and ends; `None`: those that the inputs hold.
    bounds: Option<(Bounds, Bounds)>,
}

impl OperatorType for SliceOp {
    const TYPE: &'static str = "Slice";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Takes what lies between a start and an end. At most one dimension may be cut. Negative values count \
                 from behind the end: -1 is the size of the dimension. Values beyond the size count as the size, and \
                 dimensions beyond those given are taken whole.",
            )
            .inputs(1..=3)
            .outputs(1)
            .arg_repeated::<i64>("starts", "first index in each dimension; must be given unless there are inputs")
            .arg_repeated::<i64>("ends", "index behind the last one in each dimension; likewise")
            .input("X", "tensor of any type")
            .input("starts", "int32 or int64 tensor of one dimension; takes the place of the argument")
            .input("ends", "tensor of the type and size of starts")
            .output("Y", "tensor of the type of X")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        match args.input_count() {
            3 => return Ok(SliceOp { bounds: None }),
            2 => return Err(ArgError::value("ends", "expected a third input beside the second, starts")),
            _ => {}
        }
        for name in ["starts", "ends"] {
            if !args.has(name) {
                return Err(ArgError::new(name, ArgProblem::Absent));
            }
        }
        let (starts, ends) = (args.list::<i64>("starts")?, args.list::<i64>("ends")?);
        if starts.len() != ends.len() {
            let message = format!("expected as many as `starts`, {}, found {}", starts.len(), ends.len());
            return Err(ArgError::value("ends", message));
        }
        Ok(SliceOp { bounds: Some((starts.into(), ends.into())) })
    }
}

/// What is cut out of a shape.
struct Cut {
    shape: Shape,
    axis: usize,
    start: usize,
}

fn cut(x: &Shape, starts: &[i64], ends: &[i64]) -> Result<Cut, OpError> {
    if starts.len() > x.rank() {
        let message =
            format!("expected at least {} dimensions, as many as there are starts, found {x}", starts.len());
        return Err(OpError::input(0, message));
    }
    let mut dims = SmallVec::<[usize; 6]>::from_slice(x.dims());
    let mut found = None;
    for (axis, (&start, &end)) in starts.iter().zip(ends).enumerate() {
        let dim = x[axis];
        let index = |value: i64| match usize::try_from(value) {
            Ok(value) => Some(value.min(dim)),
            Err(_) => usize::try_from((dim as i64).saturating_add(1).saturating_add(value)).ok(),
        };
        let (from, to) = match (index(start), index(end)) {
            (Some(from), Some(to)) if from <= to => (from, to),
            _ => {
                let message = format!("there is nothing from {start} to {end} along axis {axis} of {x}");
                return Err(OpError::input(0, message));
            }
        };
        if (from, to) == (0, dim) {
            continue;
        }
        if let Some((other, _)) = found.replace((axis, from)) {
            let message = format!("cannot cut both axis {other} and axis {axis} of {x}: only one at a time");
            return Err(OpError::input(0, message));
        }
        dims[axis] = to - from;
    }
    let (axis, start) = found.unwrap_or((0, 0));
    Ok(Cut { shape: Shape::new(&dims)?, axis, start })
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = SliceOp::from_args(context.args())?;
    let held = || context.integers(1).zip(context.integers(2)).filter(|(s, e)| s.len() == e.len());
    let bounds = operator.bounds.or_else(|| held().map(|(starts, ends)| (starts.into(), ends.into())));
    let known = context.shape(0).zip(bounds);
    let shape =
        known.map(|(x, (starts, ends))| Ok::<_, OpError>(cut(x, &starts, &ends)?.shape)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

/// The starts or the ends that an input holds.
fn bounds_of_input<T: Element + Into<i64>>(io: &OpIo<'_>, index: usize) -> Result<Bounds, OpError> {
    let (values, shape) = (io.input_slice::<T>(index)?, io.input(index)?.shape());
    match shape.rank() {
        1 => Ok(values.iter().map(|&value| value.into()).collect()),
        _ => Err(OpError::input(index, format!("expected one dimension, found {shape}"))),
    }
}

fn compute<T: Item>(io: &mut OpIo<'_>, starts: &[i64], ends: &[i64]) -> Result<(), OpError> {
    let (x, shape) = (io.input_items::<T>(0)?, io.input(0)?.shape());
    let Cut { shape: to, axis, start } = cut(shape, starts, ends)?;
    let y = io.output_items::<T>(0, &to)?;
    if y.is_empty() {
        return Ok(());
    }
    let inner = shape.size_from(axis + 1);
    let (start, row, own) = match shape.rank() {
        0 => (0, 1, 1),
        _ => (start * inner, shape[axis] * inner, to[axis] * inner),
    };
    copy_rows(own, &x[start..], row, y, own);
    Ok(())
}

impl Operator for SliceOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        if let Some((starts, ends)) = &self.bounds {
            return dispatch_any_type!(io, 0, T => compute::<T>(io, starts, ends));
        }
        let (starts, ends) = dispatch_input_type!(io, 1, [i32, i64], T => {
            (bounds_of_input::<T>(io, 1)?, bounds_of_input::<T>(io, 2)?)
        });
        if starts.len() != ends.len() {
            let message =
                format!("expected as many as there are starts, {}, found {}", starts.len(), ends.len());
            return Err(OpError::input(2, message));
        }
        dispatch_any_type!(io, 0, T => compute::<T>(io, &starts, &ends))
    }
}

register_cpu_operator!(SliceOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn slice(starts: &[i64], ends: &[i64]) -> Result<Tensor, String> {
        let x = Tensor::from_slice([2, 3], &[0u8, 1, 2, 3, 4, 5]).unwrap();
        let def = OperatorDef::new("Slice").input("x").output("y");
        let argument = def.clone().arg("starts", starts.to_vec()).arg("ends", ends.to_vec());
        let bounds = |values: &[i64]| Tensor::from_slice([values.len()], values).unwrap();
        let by_input = run_operator(&def.inputs(["s", "e"]), [x.clone(), bounds(starts), bounds(ends)]);
        let out = run_operator(&argument, [x]).map_err(|e| e.to_string());
        assert_eq!(out.as_ref().ok(), by_input.as_ref().ok());
        out.map(|out| out[0].clone())
    }

    #[test]
    fn one_dimension_is_cut() {
        let want = |dims, elements: &[u8]| Ok(Tensor::from_slice::<u8>(dims, elements).unwrap());
        assert_eq!(slice(&[0, 1], &[-1, 3]), want([2, 2], &[1, 2, 4, 5]));
        assert_eq!(slice(&[1], &[i64::MAX]), want([1, 3], &[3, 4, 5]));
        assert_eq!(slice(&[0, -2], &[2, -1]), want([2, 1], &[2, 5]));
        assert_eq!(slice(&[], &[]), want([2, 3], &[0, 1, 2, 3, 4, 5]));
        assert_eq!(slice(&[9], &[9]), want([0, 3], &[]));
    }

    #[test]
    fn what_cannot_be_cut_is_named() {
        for (starts, ends, words) in [
            (&[1, 1][..], &[2, 2][..], "both axis 0 and axis 1 of [2, 3]"),
            (&[1], &[0], "nothing from 1 to 0 along axis 0 of [2, 3]"),
            (&[i64::MIN], &[0], "nothing from"),
            (&[0], &[0, 1], "as many as"),
            (&[0, 0, 0], &[1, 1, 1], "at least 3 dimensions"),
        ] {
            let error = slice(starts, ends).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
