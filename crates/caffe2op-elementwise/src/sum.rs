//! `Sum`, `Mean`: of any number of tensors of one shape, element by element and from left to right.
//!
//! Neither has arguments (Caffe2 `elementwise_sum_op.h`, `mean_op.h`).

use caffe2_kernels::elementwise::{Arithmetic, InOut, scale, sum};
use caffe2_operator::{
    ArgError, Args, Cost, Element, OpError, OpIo, OpSchema, Operator, OperatorType, dispatch_input_type,
    register_cpu_operator,
};
use smallvec::SmallVec;

use crate::alike::{check_alike, infer_alike, same_shape};

/// `Sum`: `Y = X0 + X1 + …`
#[derive(Debug)]
pub struct SumOp;

/// `Mean`: the sum, multiplied by the reciprocal of the number of inputs.
#[derive(Debug)]
pub struct MeanOp;

fn schema(schema: OpSchema) -> OpSchema {
    schema
        .inputs(1..)
        .outputs(1)
        .allow_in_place(&[(0, 0)])
        .output("Y", "tensor of the same type and shape; may replace the first input")
        .infer(|context| infer_alike(context, 1, same_shape))
}

impl OperatorType for SumOp {
    const TYPE: &'static str = "Sum";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Adds any number of tensors of one shape, from left to right. Integers wrap around.")
            .input("X", "float, double, int32 or int64 tensors, all of the same type and shape")
            .fill_using(schema)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SumOp)
    }
}

impl OperatorType for MeanOp {
    const TYPE: &'static str = "Mean";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("The mean of the elements at one place: their sum from left to right, times 1 / number of inputs.")
            .input("X", "float or double tensors, all of the same type and shape")
            .fill_using(schema)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(MeanOp)
    }
}

impl Operator for SumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64], T => add_up::<T>(io).map(drop))
    }
}

impl Operator for MeanOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let part = 1.0 / io.input_count() as f32;
        dispatch_input_type!(io, 0, [f32, f64], T => {
            let total = add_up::<T>(io)?;
            scale(io.threads(), T::from(part), InOut::InPlace(total));
        });
        Ok(())
    }
}

/// Inputs that are added in one go: as many as need no memory to list.
const FEW: usize = 8;

/// The output, after the sum of all inputs was written to it.
fn add_up<'a, T: Arithmetic + Element>(io: &mut OpIo<'a>) -> Result<&'a mut [T], OpError> {
    check_alike::<T>(io, 1, same_shape)?;
    let some = |io: &OpIo<'a>, first: usize| {
        let inputs = first..io.input_count().min(first + FEW);
        inputs.map(|index| io.input_slice(index)).collect::<Result<SmallVec<[&'a [T]; FEW]>, OpError>>()
    };
    let rest = some(io, 1)?;
    let total = match io.unary(0, 0)? {
        InOut::Apart(input, output) => {
            sum(io.threads(), InOut::Apart(input, &mut *output), &rest)?;
            output
        }
        InOut::InPlace(both) => {
            sum(io.threads(), InOut::InPlace(&mut *both), &rest)?;
            both
        }
    };
    for first in (1 + FEW..io.input_count()).step_by(FEW) {
        sum(io.threads(), InOut::InPlace(&mut *total), &some(io, first)?)?;
    }
    Ok(total)
}

register_cpu_operator!(SumOp);
register_cpu_operator!(MeanOp);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::infer;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(op: &str, inputs: &[Tensor], output: &str) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        let mut def = OperatorDef::new(op).output(output);
        for (i, tensor) in inputs.iter().enumerate() {
            workspace.feed(&format!("x{i}"), tensor.clone());
            def = def.input(format!("x{i}"));
        }
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch(output).map_err(|e| e.to_string())
    }

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    #[test]
    fn from_left_to_right_in_place_or_not() {
        let inputs = [tensor(&[1e8]), tensor(&[1.0]), tensor(&[-1e8])];
        for output in ["y", "x0"] {
            assert_eq!(run("Sum", &inputs, output).unwrap(), tensor(&[0.0]));
            assert_eq!(run("Sum", &inputs[1..2], output).unwrap(), tensor(&[1.0]));
            assert_eq!(run("Mean", &inputs[..2], output).unwrap(), tensor(&[0.5e8]));
            assert_eq!(run("Mean", &inputs[1..2], output).unwrap(), tensor(&[1.0]));
        }
        assert!(run("Sum", &inputs, "x1").unwrap_err().contains("does not work in place"));
    }

    #[test]
    fn any_number_of_inputs() {
        for count in [FEW, FEW + 1, FEW + 2, 2 * FEW + 1, 2 * FEW + 2] {
            let inputs: Vec<_> = (1..=count).map(|i| tensor(&[i as f32, -1.0])).collect();
            let total = (count * (count + 1) / 2) as f32;
            for output in ["y", "x0"] {
                assert_eq!(
                    run("Sum", &inputs, output).unwrap(),
                    tensor(&[total, -(count as f32)]),
                    "{count}"
                );
            }
        }
        let scaled = infer("Mean", &[&[2, 3], &[2, 3]]).unwrap();
        assert_eq!((scaled.0.shape.unwrap().dims(), scaled.1), (&[2, 3][..], 6));
    }

    #[test]
    fn the_input_that_differs_is_named() {
        let error = run("Sum", &[tensor(&[1.0]), tensor(&[1.0]), tensor(&[1.0, 2.0])], "y").unwrap_err();
        assert!(error.contains("input 2 `x2`: shape [2], but input 0 has [1]"), "{error}");
        let column = Tensor::from_slice([2, 1], &[1.0f32, 2.0]).unwrap();
        assert!(run("Mean", &[tensor(&[1.0, 2.0]), column], "x0").unwrap_err().contains("input 1"));
        let error =
            run("Sum", &[tensor(&[1.0]), Tensor::from_slice([1], &[1i32]).unwrap()], "y").unwrap_err();
        assert!(error.contains("input 1 `x1`: wanted a tensor of float, found one of int32"), "{error}");
        let strings = Tensor::from_strings([1], ["a"]).unwrap();
        assert!(run("Sum", &[strings], "y").unwrap_err().contains("string is not supported"));
        for op in ["Sum", "Mean", "Max", "Min"] {
            let error = infer(op, &[&[2, 3], &[2, 3], &[3, 2]]).unwrap_err();
            assert!(error.contains("shape [3, 2], but input 0 has [2, 3]"), "{error}");
        }
    }
}
