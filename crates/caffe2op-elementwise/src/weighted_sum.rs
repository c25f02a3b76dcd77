//! `WeightedSum`: `Y = X0 * w0 + X1 * w1 + …`, element by element and from left to right.
//!
//! No arguments (Caffe2 `utility_ops.h`).

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, TensorInfo, register_cpu_operator,
};

use crate::alike::{check_alike, combine, first_into_output, infer_alike, same_count};

/// The operator; see the [crate].
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
            .infer(infer)
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(WeightedSumOp)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    for index in (1..context.input_count()).step_by(2) {
        if let Some(weight) = context.shape(index) {
            check_weight(index, weight.numel())?;
        }
    }
    let mut outputs = infer_alike(context, 2, same_count)?;
    // The others have as many elements, but not always the shape.
    outputs[0].shape = context.shape(0).cloned();
    Ok(outputs)
}

/// A multiply-add for each element of each tensor.
fn cost(context: &CostContext<'_>) -> Cost {
    let terms = context.inputs.len() as u64 / 2;
    Cost::with_macs(context, context.output_numel(0).saturating_mul(terms))
}

fn check_weight(index: usize, elements: usize) -> Result<(), OpError> {
    match elements {
        1 => Ok(()),
        many => Err(OpError::input(index, format!("{many} elements, expected 1"))),
    }
}

/// The weight of the tensor that is input `index`.
fn weight(io: &OpIo<'_>, index: usize) -> Result<f32, OpError> {
    let weight = io.input_slice::<f32>(index + 1)?;
    check_weight(index + 1, weight.len())?;
    Ok(weight[0])
}

impl Operator for WeightedSumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        check_alike::<f32>(io, 2, same_count)?;
        let tensors = || (0..io.input_count()).step_by(2);
        tensors().try_for_each(|index| weight(io, index).map(drop))?;
        let others = tensors().skip(1);
        let first = weight(io, 0)?;
        let output = first_into_output(
            io,
            #[inline(always)]
            move |x| first * x,
        )?;
        for index in others {
            let weight = weight(io, index)?;
            if weight == 0.0 {
                continue;
            }
            combine(
                io.threads(),
                output,
                io.input_slice(index)?,
                #[inline(always)]
                move |sum, x| sum + weight * x,
            )?;
        }
        Ok(())
    }
}

register_cpu_operator!(WeightedSumOp);

#[cfg(test)]
mod tests {
    use crate::testing::{infer, run};

    #[test]
    fn each_tensor_goes_with_the_weight_behind_it() {
        let terms: [&[f32]; 4] = [&[1.0, 5.0, -1.0], &[2.0], &[2.0, 3.0, -2.0], &[10.0]];
        for output in ["y", "x0"] {
            assert_eq!(run("WeightedSum", &terms, output).unwrap(), [22.0, 40.0, -22.0]);
        }
        let nothing: [&[f32]; 4] = [&[1.0], &[1.0], &[f32::NAN], &[0.0]];
        assert_eq!(run("WeightedSum", &nothing, "y").unwrap(), [1.0]);
        assert_eq!(infer("WeightedSum", &[&[2, 3], &[1], &[6], &[]]).unwrap().1, 2 * 6);
    }

    #[test]
    fn what_does_not_fit_is_named_by_a_run_and_by_inference() {
        let error = run("WeightedSum", &[&[1.0, 2.0], &[1.0], &[1.0], &[1.0]], "y").unwrap_err();
        assert!(error.contains("input 2 `x2`: shape [1], but input 0 has [2]"), "{error}");
        let error = run("WeightedSum", &[&[1.0], &[1.0, 2.0]], "y").unwrap_err();
        assert!(error.contains("input 1 `x1`: 2 elements, expected 1"), "{error}");
        assert!(run("WeightedSum", &[&[1.0], &[1.0], &[1.0]], "y").is_err());
        for shapes in [&[&[2, 3][..], &[1], &[5], &[1]][..], &[&[2], &[2]], &[&[2], &[1], &[2], &[0]]] {
            assert!(infer("WeightedSum", shapes).is_err(), "{shapes:?}");
        }
    }
}
