//! `Max`, `Min`: the largest or smallest of the elements at one place of any number of tensors of one shape.
//!
//! Neither has arguments (Caffe2 `minmax_ops.h`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};

use crate::alike::{check_alike, combine, first_into_output, infer_alike, same_shape};

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
            .infer(|context| infer_alike(context, 1, same_shape))
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ExtremeOp { extreme: PhantomData })
    }
}

impl<E: Extreme> Operator for ExtremeOp<E> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        check_alike::<f32>(io, 1, same_shape)?;
        let output = first_into_output(io, |x| x)?;
        for index in 1..io.input_count() {
            combine(
                io.threads(),
                output,
                io.input_slice(index)?,
                #[inline(always)]
                move |a, b| E::of(a, b),
            )?;
        }
        Ok(())
    }
}

register_cpu_operator!(ExtremeOp<Max>);
register_cpu_operator!(ExtremeOp<Min>);

#[cfg(test)]
mod tests {
    use crate::testing::run;

    #[test]
    fn each_keeps_its_extreme_in_place_or_not() {
        let inputs: [&[f32]; 3] = [&[1.0, 5.0, -1.0], &[2.0, 3.0, -2.0], &[3.0, 4.0, -3.0]];
        for output in ["y", "x0"] {
            assert_eq!(run("Max", &inputs, output).unwrap(), [3.0, 5.0, -1.0]);
            assert_eq!(run("Min", &inputs, output).unwrap(), [1.0, 3.0, -3.0]);
            assert_eq!(run("Min", &inputs[..1], output).unwrap(), inputs[0]);
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
        for op in ["Max", "Min"] {
            let error = run(op, &[&[1.0, 2.0], &[1.0]], "y").unwrap_err();
            assert!(error.contains("input 1 `x1`: shape [1], but input 0 has [2]"), "{error}");
        }
        assert!(run("Max", &[], "y").is_err());
    }
}
