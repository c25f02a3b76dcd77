//! `GatherRanges` and `LengthsToRanges`: runs of elements, each told by its start and length.
//!
//! Neither has arguments. (Caffe2 `utility_ops.h`.)

use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_any_type, dispatch_input_type, register_cpu_operator,
};

const DATA: usize = 0;
const RANGES: usize = 1;

/// The operator `GatherRanges`: the elements of ranges, one range after another.
#[derive(Debug, Default)]
pub struct GatherRangesOp {
    /// Start and end of the ranges of the last run, checked.
    ranges: Vec<(usize, usize)>,
}

impl OperatorType for GatherRangesOp {
    const TYPE: &'static str = "GatherRanges";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Joins ranges of a list, each told by its start and length. A range of length 0 may start anywhere. \
                 LENGTHS tells how many elements each example, one row of ranges, brings.",
            )
            .inputs(2)
            .outputs(2)
            .input("DATA", "tensor of any type and one dimension")
            .input("RANGES", "int32 or int64 tensor of shape [examples, ranges, 2], of starts and lengths")
            .output("OUTPUT", "tensor of DATA's type and one dimension: the elements of all ranges")
            .output("LENGTHS", "int32 tensor of shape [examples]")
            .differences(
                "A negative start or length is an error, where Caffe2 reads beside the data or fails late; so are more \
                 elements of an example than int32 can tell, where Caffe2 wraps around.",
            )
            .infer(infer_gathered)
            .infer_by_running()
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(GatherRangesOp::default())
    }
}

/// Checks the inputs' shapes and gives that of LENGTHS.
fn shape_of_lengths(data: &Shape, ranges: &Shape) -> Result<Shape, OpError> {
    if data.rank() != 1 {
        return Err(OpError::input(DATA, format!("expected one dimension, found {data}")));
    }
    match ranges.dims() {
        &[examples, (1..), 2] => Ok(Shape::new(&[examples])?),
        _ => Err(OpError::input(RANGES, format!("expected shape [examples, 1 or more, 2], found {ranges}"))),
    }
}

fn infer_gathered(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let known = context.shape(DATA).zip(context.shape(RANGES));
    let shape = known.map(|(data, ranges)| shape_of_lengths(data, ranges)).transpose()?;
    Ok(vec![
        TensorInfo { data_type: context.data_type(DATA), shape: None },
        TensorInfo { data_type: Some(DataType::Int32), shape },
    ])
}

impl Operator for GatherRangesOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(DATA)?;
        dispatch_input_type!(io, RANGES, [i32, i64], T => {
            let ranges = io.input_slice::<T>(RANGES)?;
            self.gather(io, ranges)
        })
    }
}

impl GatherRangesOp {
    fn gather<T: Element + Into<i64>>(&mut self, io: &mut OpIo<'_>, ranges: &[T]) -> Result<(), OpError> {
        let data = io.input_shape(DATA)?;
        let shape = io.input_shape(RANGES)?;
        let examples = shape_of_lengths(&data, &shape)?;
        self.ranges.clear();
        self.ranges.reserve(ranges.len() / 2);
        let mut total = 0usize;
        for (at, range) in ranges.chunks_exact(2).enumerate() {
            let (start, length): (i64, i64) = (range[0].into(), range[1].into());
            let (start, end) = checked(start, length, data.numel()).ok_or_else(|| {
                let of = data.numel();
                OpError::input(
                    RANGES,
                    format!(
                        "range {at}, {length} elements from {start} on, is outside the {of} elements of DATA"
                    ),
                )
            })?;
            self.ranges.push((start, end));
            total = total.saturating_add(end - start);
        }
        let of_example = shape.get(1).copied().unwrap_or(1).max(1);
        // The lengths are judged before anything is written.
        let lengths = || {
            self.ranges.chunks_exact(of_example).map(|ranges| {
                i32::try_from(ranges.iter().fold(0usize, |sum, (start, end)| sum.saturating_add(end - start)))
            })
        };
        if let Some(example) = lengths().position(|length| length.is_err()) {
            return Err(OpError::input(
                RANGES,
                format!("example {example} has more elements than int32 can tell"),
            ));
        }
        let output = io.output_slice::<i32>(1, &examples)?;
        output.iter_mut().zip(lengths()).for_each(|(y, length)| *y = length.unwrap_or(i32::MAX));
        dispatch_any_type!(io, DATA, T => {
            self.join(io.input_items::<T>(DATA)?, io.output_items::<T>(0, [total])?);
        });
        Ok(())
    }

    fn join<T: Clone>(&self, x: &[T], mut y: &mut [T]) {
        for &(start, end) in &self.ranges {
            let Some((head, rest)) = y.split_at_mut_checked(end - start) else { return };
            head.clone_from_slice(&x[start..end]);
            y = rest;
        }
    }
}

/// Start and end of a range within `size` elements; a range of length 0 may start anywhere.
fn checked(start: i64, length: i64, size: usize) -> Option<(usize, usize)> {
    if length == 0 {
        return Some((0, 0));
    }
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    let end = start.checked_add(length)?;
    (end <= size).then_some((start, end))
}

/// The operator `LengthsToRanges`: where segments of given lengths begin.
#[derive(Debug)]
pub struct LengthsToRangesOp;

impl OperatorType for LengthsToRangesOp {
    const TYPE: &'static str = "LengthsToRanges";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Puts before each length the sum of those before it: starts and lengths of adjoining segments.")
            .inputs(1)
            .outputs(1)
            .input("lengths", "int32 tensor of one dimension; none is negative")
            .output("ranges", "int32 tensor of shape [segments, 2]")
            .differences("A negative length is an error, and so is a sum beyond int32, where Caffe2 wraps around.")
            .infer(infer_ranges)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LengthsToRangesOp)
    }
}

fn shape_of_ranges(lengths: &Shape) -> Result<Shape, OpError> {
    match lengths.dims() {
        &[segments] => Ok(Shape::new(&[segments, 2])?),
        _ => Err(OpError::input(0, format!("expected one dimension, found {lengths}"))),
    }
}

fn infer_ranges(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = context.shape(0).map(shape_of_ranges).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Int32), shape }])
}

impl Operator for LengthsToRangesOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [i32], T => {
            let lengths = io.input_slice::<T>(0)?;
            let shape = shape_of_ranges(io.input(0)?.shape())?;
            let mut start: T = 0;
            let ranges = io.output_slice::<T>(0, shape)?;
            for (at, (range, &length)) in ranges.chunks_exact_mut(2).zip(lengths).enumerate() {
                if length < 0 {
                    return Err(OpError::input(0, format!("length {at} is negative: {length}")));
                }
                range.copy_from_slice(&[start, length]);
                // The end of the last segment is nowhere written, and may be beyond.
                start = match start.checked_add(length) {
                    Some(end) => end,
                    None if at + 1 == lengths.len() => start,
                    None => return Err(OpError::input(0, format!("the first {} lengths exceed int32", at + 1))),
                };
            }
            Ok(())
        })
    }
}

register_cpu_operator!(GatherRangesOp);
register_cpu_operator!(LengthsToRangesOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Error, Tensor, run_operator};

    fn gather(data: Tensor, ranges: &[i64]) -> Result<Vec<Tensor>, Error> {
        let def = OperatorDef::new("GatherRanges").inputs(["data", "ranges"]).outputs(["y", "lengths"]);
        run_operator(&def, [data, Tensor::from_slice([ranges.len() / 4, 2, 2], ranges).unwrap()])
    }

    #[test]
    fn ranges_are_joined() {
        let words = Tensor::from_strings([3], ["a", "b", "c"]).unwrap();
        let got = gather(words.clone(), &[1, 2, 0, 1, -9, 0, 2, 1]).unwrap();
        assert_eq!(got[0], Tensor::from_strings([4], ["b", "c", "a", "c"]).unwrap());
        assert_eq!(got[1], Tensor::from_slice([2], &[3, 1]).unwrap());
        for wrong in [[3, 1], [-1, 1], [0, -1], [2, 2], [i64::MAX, 1], [i64::MIN, 1], [1, i64::MAX]] {
            let error = gather(words.clone(), &[0, 1, wrong[0], wrong[1]]).unwrap_err().to_string();
            assert!(error.contains("range 1") && error.contains("outside the 3 elements of DATA"), "{error}");
        }
        assert!(gather(Tensor::scalar(1u8).unwrap(), &[]).unwrap_err().to_string().contains("one dimension"));
    }

    #[test]
    fn lengths_become_ranges() {
        let run = |lengths: &[i32]| {
            let def = OperatorDef::new("LengthsToRanges").input("x").output("y");
            run_operator(&def, [Tensor::from_slice([lengths.len()], lengths).unwrap()])
        };
        let want = Tensor::from_slice([4, 2], &[0, 1, 1, 3, 4, 0, 4, 2]).unwrap();
        assert_eq!(run(&[1, 3, 0, 2]).unwrap(), [want]);
        assert_eq!(run(&[1, i32::MAX]).unwrap(), [Tensor::from_slice([2, 2], &[0, 1, 1, i32::MAX]).unwrap()]);
        assert!(run(&[1, i32::MAX, 0]).unwrap_err().to_string().contains("first 2 lengths exceed"));
        assert!(run(&[1, -1]).unwrap_err().to_string().contains("length 1 is negative"));
    }
}
