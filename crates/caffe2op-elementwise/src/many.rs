//! `Max`, `Min`, `Mean`, `WeightedSum`: one result for each element of any number of tensors of one shape.
//!
//! None has arguments. Sources: Caffe2 `minmax_ops.h`, `mean_op.h`, `utility_ops.h`.

use std::marker::PhantomData;

use caffe2_kernels::elementwise::{Arithmetic, BinaryIo, Broadcast, InOut, binary_with, map, scale, sum};
use caffe2_operator::{
    ArgError, Args, Comparison, Element, OpError, OpIo, OpSchema, Operator, OperatorType, Threads,
    dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

/// The elements of the inputs from 1 on.
type Rest<'a, T> = SmallVec<[&'a [T]; 8]>;

/// The elements of every `step`-th input from `step` on, once each has been found to have as many as input 0.
fn rest<'a, T: Element>(
    io: &OpIo<'a>,
    step: usize,
    alike: fn(&OpIo<'_>, usize) -> Result<bool, OpError>,
) -> Result<Rest<'a, T>, OpError> {
    let mut rest = Rest::new();
    for index in (step..io.input_count()).step_by(step) {
        rest.push(io.input_slice(index)?);
        if !alike(io, index)? {
            let (shape, first) = (io.peek(index)?.shape(), io.peek(0)?.shape());
            return Err(OpError::input(index, format!("shape {shape}, but input 0 has {first}")));
        }
    }
    Ok(rest)
}

fn same_shape(io: &OpIo<'_>, index: usize) -> Result<bool, OpError> {
    Ok(io.peek(index)?.shape() == io.peek(0)?.shape())
}

fn same_count(io: &OpIo<'_>, index: usize) -> Result<bool, OpError> {
    Ok(io.peek(index)?.shape().numel() == io.peek(0)?.shape().numel())
}

/// Applies `f` to what stands in the output and the elements of another tensor.
fn combine<T: Copy + Send + Sync>(
    threads: &Threads,
    into: &mut [T],
    other: &[T],
    f: impl Fn(T, T) -> T + Copy + Sync + Send,
) -> Result<(), OpError> {
    let alike = Broadcast::new(&[into.len()], &[into.len()])?;
    Ok(binary_with(threads, &alike, BinaryIo::IntoA { a: into, b: other }, f)?)
}

/// What tells `Max` from `Min`.
pub trait Extreme: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;

    /// Which of two elements stays.
    fn of(first: f32, second: f32) -> f32;
}

/// The larger element stays.
#[derive(Debug)]
pub enum Max {}

/// The smaller element stays.
#[derive(Debug)]
pub enum Min {}

impl Extreme for Max {
    const TYPE: &'static str = "Max";
    const DOC: &'static str = "The largest of the elements at one place, from left to right: the first one stays unless a \
                               later one is larger. So NaN in the first input stays, and NaN in a later one is \
                               passed over.";

    #[inline(always)]
    fn of(first: f32, second: f32) -> f32 {
        if first < second { second } else { first }
    }
}

impl Extreme for Min {
    const TYPE: &'static str = "Min";
    const DOC: &'static str = "The smallest of the elements at one place, from left to right: the first one stays unless a \
                               later one is smaller. So NaN in the first input stays, and NaN in a later one is \
                               passed over.";

    #[inline(always)]
    fn of(first: f32, second: f32) -> f32 {
        if second < first { second } else { first }
    }
}

/// The operator of each [`Extreme`].
#[derive(Debug)]
pub struct ExtremeOp<E> {
    extreme: PhantomData<fn() -> E>,
}

impl<E: Extreme> OperatorType for ExtremeOp<E> {
    const TYPE: &'static str = E::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(E::TYPE)
            .doc(E::DOC)
            .differences("Two inputs of different shapes are refused, as more inputs are; Caffe2 reads beyond the second.")
            .inputs(1..)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .input("X", "float tensors, all of the same shape")
            .output("Y", "float tensor of the same shape; may replace the first input")
            .infer_same_as_input(0)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ExtremeOp { extreme: PhantomData })
    }
}

impl<E: Extreme> Operator for ExtremeOp<E> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let rest = rest::<f32>(io, 1, same_shape)?;
        let output = first_into_output(io, |x| x)?;
        for other in rest {
            combine(
                io.threads(),
                output,
                other,
                #[inline(always)]
                move |a, b| E::of(a, b),
            )?;
        }
        Ok(())
    }
}

/// The output, after `f` of each element of input 0 was written to it.
fn first_into_output<'a>(
    io: &mut OpIo<'a>,
    f: impl Fn(f32) -> f32 + Copy + Send + Sync,
) -> Result<&'a mut [f32], OpError> {
    Ok(match io.unary::<f32>(0, 0)? {
        InOut::Apart(input, output) => {
            map(io.threads(), InOut::Apart(input, &mut *output), f);
            output
        }
        InOut::InPlace(both) => {
            map(io.threads(), InOut::InPlace(&mut *both), f);
            both
        }
    })
}

/// `Mean`: the sum from left to right, multiplied by the reciprocal of the number of inputs.
#[derive(Debug)]
pub struct MeanOp;

impl OperatorType for MeanOp {
    const TYPE: &'static str = "Mean";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("The mean of the elements at one place: their sum from left to right, times 1 / number of inputs.")
            .inputs(1..)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .input("X", "float or double tensors, all of the same type and shape")
            .output("Y", "tensor of the same type and shape; may replace the first input")
            .infer_same_as_input(0)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(MeanOp)
    }
}

impl Operator for MeanOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let part = 1.0 / io.input_count() as f32;
        dispatch_input_type!(io, 0, [f32, f64], T => mean::<T>(io, T::from(part)))
    }
}

fn mean<T>(io: &mut OpIo<'_>, part: T) -> Result<(), OpError>
where
    T: Arithmetic + Element + std::ops::Mul<Output = T>,
{
    let rest = rest::<T>(io, 1, same_shape)?;
    match io.unary::<T>(0, 0)? {
        InOut::Apart(input, output) => {
            sum(io.threads(), InOut::Apart(input, &mut *output), &rest)?;
            scale(io.threads(), part, InOut::InPlace(output));
        }
        InOut::InPlace(both) => {
            sum(io.threads(), InOut::InPlace(&mut *both), &rest)?;
            scale(io.threads(), part, InOut::InPlace(both));
        }
    }
    Ok(())
}

/// `WeightedSum`: `X0 * w0 + X1 * w1 + …`.
#[derive(Debug)]
pub struct WeightedSumOp;

impl OperatorType for WeightedSumOp {
    const TYPE: &'static str = "WeightedSum";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "The sum, from left to right, of tensors that are each multiplied by a weight. A tensor other than the \
                 first is left out where its weight is 0, so that its NaN and infinities change nothing.",
            )
            .differences("Empty tensors have an empty sum; Caffe2 refuses them.")
            .inputs_if(|count| count > 0 && count % 2 == 0, "an even number above 0")
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .input("X", "float tensors with equally many elements; behind each its weight")
            .input("weight", "float tensor of one element")
            .output("Y", "float tensor of the first input's shape; may replace that")
            .infer_same_as_input(0)
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(WeightedSumOp)
    }
}

impl Operator for WeightedSumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let rest = rest::<f32>(io, 2, same_count)?;
        let mut weights = SmallVec::<[f32; 8]>::new();
        for index in (1..io.input_count()).step_by(2) {
            match io.input_slice::<f32>(index)? {
                [weight] => weights.push(*weight),
                many => {
                    return Err(OpError::input(index, format!("{} elements, expected 1", many.len())));
                }
            }
        }
        let first = weights.first().copied().unwrap_or(1.0);
        let output = first_into_output(
            io,
            #[inline(always)]
            move |x| first * x,
        )?;
        let others = rest.into_iter().zip(weights.into_iter().skip(1));
        for (other, weight) in others.filter(|(_, weight)| *weight != 0.0) {
            combine(
                io.threads(),
                output,
                other,
                #[inline(always)]
                move |sum, x| sum + weight * x,
            )?;
        }
        Ok(())
    }
}

register_cpu_operator!(ExtremeOp<Max>);
register_cpu_operator!(ExtremeOp<Min>);
register_cpu_operator!(MeanOp);
register_cpu_operator!(WeightedSumOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(op: &str, inputs: &[&[f32]], output: &str) -> Result<Vec<f32>, String> {
        let mut workspace = Workspace::new();
        let mut def = OperatorDef::new(op).output(output);
        for (i, values) in inputs.iter().enumerate() {
            workspace.feed(&format!("x{i}"), Tensor::from_slice([values.len()], values).unwrap());
            def = def.input(format!("x{i}"));
        }
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        Ok(workspace.fetch(output).map_err(|e| e.to_string())?.as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn each_combines_in_its_way_in_place_or_not() {
        let inputs: [&[f32]; 3] = [&[1.0, 5.0, -1.0], &[2.0, 3.0, -2.0], &[3.0, 4.0, -3.0]];
        for output in ["y", "x0"] {
            assert_eq!(run("Max", &inputs, output).unwrap(), [3.0, 5.0, -1.0]);
            assert_eq!(run("Min", &inputs, output).unwrap(), [1.0, 3.0, -3.0]);
            assert_eq!(run("Mean", &inputs, output).unwrap(), [2.0, 4.0, -2.0]);
            assert_eq!(run("Mean", &inputs[..1], output).unwrap(), inputs[0]);
            let weighted: [&[f32]; 4] = [inputs[0], &[2.0], inputs[1], &[10.0]];
            assert_eq!(run("WeightedSum", &weighted, output).unwrap(), [22.0, 40.0, -22.0]);
        }
    }

    #[test]
    fn the_first_nan_stays_and_a_later_one_is_passed_over() {
        let inputs: [&[f32]; 2] = [&[f32::NAN, 1.0], &[1.0, f32::NAN]];
        for op in ["Max", "Min"] {
            let y = run(op, &inputs, "y").unwrap();
            assert!(y[0].is_nan() && y[1] == 1.0, "{op}: {y:?}");
        }
    }

    #[test]
    fn the_second_input_is_checked_too() {
        for op in ["Max", "Min", "Mean"] {
            let error = run(op, &[&[1.0, 2.0], &[1.0]], "y").unwrap_err();
            assert!(error.contains("input 1 `x1`: shape [1], but input 0 has [2]"), "{error}");
        }
        let error = run("WeightedSum", &[&[1.0, 2.0], &[1.0], &[1.0], &[1.0]], "y").unwrap_err();
        assert!(error.contains("input 2 `x2`: shape [1], but input 0 has [2]"), "{error}");
        let error = run("WeightedSum", &[&[1.0], &[1.0, 2.0]], "y").unwrap_err();
        assert!(error.contains("input 1 `x1`: 2 elements, expected 1"), "{error}");
        assert!(run("WeightedSum", &[&[1.0], &[1.0], &[1.0]], "y").is_err());
        assert!(run("Max", &[], "y").is_err());
    }
}
