//! `RangeFill`, `LengthsRangeFill` and `Range`: tensors of counted numbers.
//!
//! | operator | output |
//! |---|---|
//! | `RangeFill` | floats 0, 1, 2, … in the shape |
//! | `LengthsRangeFill` | int32 0, …, n - 1 for each n of the input, one after another |
//! | `Range` | from start (0) on, in steps (1), to before stop |
//!
//! (Caffe2 `filler_op.h`, `utility_ops.h`.)

use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

use crate::shape::{FillShape, check_is_one};

/// `RangeFill`; see the [crate].
#[derive(Debug)]
pub struct RangeFillOp {
    shape: FillShape,
}

impl OperatorType for RangeFillOp {
    const TYPE: &'static str = "RangeFill";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("A tensor of the floats 0, 1, 2, and so on.")
            .fill_using(FillShape::describe)
            .output("Y", "float tensor of its own positions, in the shape")
            .infer(|context| {
                let shape = FillShape::read(context.args())?.infer(context)?;
                Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
            })
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(RangeFillOp { shape: FillShape::read(args)? })
    }
}

impl Operator for RangeFillOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        let y = io.output_slice::<f32>(0, shape)?;
        y.iter_mut().enumerate().for_each(|(i, y)| *y = i as f32);
        Ok(())
    }
}

/// `LengthsRangeFill`; see the [crate].
#[derive(Debug)]
pub struct LengthsRangeFillOp;

impl OperatorType for LengthsRangeFillOp {
    const TYPE: &'static str = "LengthsRangeFill";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("For each length n the numbers 0, …, n - 1, one after another: [2, 0, 3] gives [0, 1, 0, 1, 2].")
            .inputs(1)
            .outputs(1)
            .input("lengths", "int32 vector, none negative")
            .output("range", "int32 vector with as many elements as the sum of the lengths")
            .differences("A negative length is an error, where Caffe2 may crash.")
            .infer(|context| {
                context.shape(0).map_or(Ok(()), check_is_vector)?;
                Ok(vec![TensorInfo::of_type(DataType::Int32)])
            })
            .infer_by_running()
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LengthsRangeFillOp)
    }
}

impl Operator for LengthsRangeFillOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = io.input(0)?.shape();
        let lengths = io.input_slice::<i32>(0)?;
        check_is_vector(shape)?;
        let add = |sum: usize, n: &i32| sum.checked_add(usize::try_from(*n).ok()?);
        if let Some(n) = lengths.iter().find(|n| **n < 0) {
            return Err(OpError::input(0, format!("expected lengths of 0 or more, found {n}")));
        }
        let Some(total) = lengths.iter().try_fold(0, add) else {
            return Err(OpError::input(0, "the lengths add up to more than memory can hold"));
        };
        let y = io.output_slice::<i32>(0, [total])?;
        for (y, n) in y.iter_mut().zip(lengths.iter().flat_map(|n| 0..*n)) {
            *y = n;
        }
        Ok(())
    }
}

fn check_is_vector(shape: &Shape) -> Result<(), OpError> {
    if shape.rank() == 1 {
        return Ok(());
    }
    Err(OpError::input(0, format!("expected a vector of lengths, found {shape}")))
}

/// `Range`; see the [crate].
#[derive(Debug)]
pub struct RangeOp;

impl OperatorType for RangeOp {
    const TYPE: &'static str = "Range";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "The numbers start, start + step, and so on up to before stop, as numpy.arange gives them. Inputs are \
                 stop; start and stop; or start, stop and step.",
            )
            .inputs(1..=3)
            .outputs(1)
            .input("start", "one element of float, double, int32 or int64: the first number, 0 when absent; the only input is stop")
            .input("stop", "one element of the same type: where the numbers end, not itself one of them")
            .input("step", "one element of the same type: the difference of neighbours, 1 when absent, not 0")
            .output("Y", "vector of the numbers, of the inputs' type")
            .differences(
                "Integers with a negative step go as far down as floats do; Caffe2 stops a step early where the step \
                 does not divide the difference, and gives one number where the step leads away from stop by more \
                 than that. A length that is no number, infinite, or exceeds memory is an error.",
            )
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(RangeOp)
    }
}

const TYPES: [DataType; 4] = [DataType::Float, DataType::Double, DataType::Int32, DataType::Int64];

fn check_type(found: DataType) -> Result<(), OpError> {
    if TYPES.contains(&found) {
        return Ok(());
    }
    Err(OpError::input(0, format!("expected float, double, int32 or int64, found {}", found.name())))
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    for index in 0..context.input_count() {
        context.shape(index).map_or(Ok(()), |shape| check_is_one(index, shape))?;
    }
    let Some(data_type) = context.data_type(0) else { return Ok(vec![TensorInfo::unknown()]) };
    check_type(data_type)?;
    Ok(vec![TensorInfo::of_type(data_type)])
}

impl Operator for RangeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let data_type = io.input_type(0)?;
        check_type(data_type)?;
        match data_type {
            DataType::Float => range::<f32>(io),
            DataType::Double => range::<f64>(io),
            DataType::Int32 => range::<i32>(io),
            _ => range::<i64>(io),
        }
    }
}

/// A number that can be counted in.
trait Countable: Element + Copy + PartialEq + std::fmt::Display {
    const ZERO: Self;
    const ONE: Self;

    /// How many numbers there are; none if too many, or if that cannot be told.
    fn count(start: Self, stop: Self, step: Self) -> Option<usize>;

    /// Number `i`.
    fn nth(start: Self, step: Self, i: usize) -> Self;
}

macro_rules! countable {
    (floats $($float:ty),*; integers $($integer:ty),*) => {
        $(impl Countable for $float {
            const ZERO: $float = 0.0;
            const ONE: $float = 1.0;

            fn count(start: $float, stop: $float, step: $float) -> Option<usize> {
                let count = ((stop - start) / step).ceil();
                // 2^63 is no isize.
                (count.is_finite() && count < isize::MAX as $float).then_some(count.max(0.0) as usize)
            }

            fn nth(start: $float, step: $float, i: usize) -> $float {
                start + i as $float * step
            }
        })*
        $(impl Countable for $integer {
            const ZERO: $integer = 0;
            const ONE: $integer = 1;

            fn count(start: $integer, stop: $integer, step: $integer) -> Option<usize> {
                let (difference, step) = (i128::from(stop) - i128::from(start), i128::from(step));
                let rounded = difference / step + i128::from(difference % step != 0);
                let leads_there = difference.signum() == step.signum();
                if leads_there { usize::try_from(rounded).ok() } else { Some(0) }
            }

            fn nth(start: $integer, step: $integer, i: usize) -> $integer {
                // What is cut off is what wraps.
                start.wrapping_add((i as $integer).wrapping_mul(step))
            }
        })*
    };
}

countable!(floats f32, f64; integers i32, i64);

fn range<T: Countable>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let (start, stop, step) = match io.input_count() {
        1 => (T::ZERO, one::<T>(io, 0)?, T::ONE),
        2 => (one(io, 0)?, one(io, 1)?, T::ONE),
        _ => (one(io, 0)?, one(io, 1)?, one::<T>(io, 2)?),
    };
    if step == T::ZERO {
        return Err(OpError::input(2, "expected a step other than 0"));
    }
    let Some(count) = T::count(start, stop, step) else {
        return Err(OpError::shape(format!(
            "the numbers from {start} to {stop} in steps of {step} are more than memory can hold, or cannot be counted"
        )));
    };
    let y = io.output_slice::<T>(0, [count])?;
    y.iter_mut().enumerate().for_each(|(i, y)| *y = T::nth(start, step, i));
    Ok(())
}

fn one<T: Countable>(io: &OpIo<'_>, index: usize) -> Result<T, OpError> {
    let values = io.input_slice::<T>(index)?;
    check_is_one(index, io.input(index)?.shape())?;
    Ok(values[0])
}

register_cpu_operator!(RangeFillOp);
register_cpu_operator!(LengthsRangeFillOp);
register_cpu_operator!(RangeOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run<T: Countable>(op: &str, inputs: &[Vec<T>]) -> Result<Vec<T>, String> {
        let def = OperatorDef::new(op).inputs(["a", "b", "c"].into_iter().take(inputs.len())).output("y");
        let inputs: Vec<_> = inputs.iter().map(|v| Tensor::from_slice([v.len()], v).unwrap()).collect();
        let y = run_operator(&def, inputs).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<T>().unwrap().to_vec())
    }

    fn integers(bounds: &[i32]) -> Result<Vec<i32>, String> {
        run("Range", &bounds.iter().map(|v| vec![*v]).collect::<Vec<_>>())
    }

    #[test]
    fn integers_are_counted_as_numpy_does() {
        assert_eq!(integers(&[3]).unwrap(), [0, 1, 2]);
        assert!(integers(&[-3]).unwrap().is_empty());
        assert_eq!(integers(&[2, 4]).unwrap(), [2, 3]);
        assert_eq!(integers(&[0, 10, 3]).unwrap(), [0, 3, 6, 9]);
        assert_eq!(integers(&[0, 9, 3]).unwrap(), [0, 3, 6]);
        assert_eq!(integers(&[5, -5, -3]).unwrap(), [5, 2, -1, -4]);
        assert_eq!(integers(&[5, 2, -2]).unwrap(), [5, 3]);
        assert!(integers(&[0, 1, -2]).unwrap().is_empty());
        assert_eq!(integers(&[i32::MIN, i32::MAX, 1 << 30]).unwrap(), [i32::MIN, -(1 << 30), 0, 1 << 30]);
        assert!(integers(&[0, 1, 0]).unwrap_err().contains("input 2 `c`: expected a step other than 0"));
    }

    #[test]
    fn floats_that_cannot_be_counted_are_refused() {
        let floats = |a: f32, b: f32, c: f32| run("Range", &[vec![a], vec![b], vec![c]]);
        assert_eq!(floats(5.0, -5.0, -3.0).unwrap(), [5.0, 2.0, -1.0, -4.0]);
        assert!(floats(0.0, 3.0, f32::INFINITY).unwrap().is_empty());
        for (a, b, c) in
            [(0.0, f32::NAN, 1.0), (0.0, f32::INFINITY, 1.0), (0.0, 1.0, 1e-45), (0.0, 1e38, 1e-3)]
        {
            assert!(floats(a, b, c).unwrap_err().contains("cannot be counted"));
        }
        assert!(run("Range", &[vec![0.0f64, 1.0]]).unwrap_err().contains("expected one element, found [2]"));
        assert!(run("Range", &[vec![i64::MIN], vec![i64::MAX]]).is_err());
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(run("LengthsRangeFill", &[vec![2, 0, 3]]).unwrap(), [0, 1, 0, 1, 2]);
        assert!(run("LengthsRangeFill", &[vec![3, -2]]).unwrap_err().contains("found -2"));
        assert!(run("LengthsRangeFill", &[vec![i32::MAX; 4]]).is_err());
    }
}
