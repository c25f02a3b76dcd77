//! `Sum`: `Y = X0 + X1 + …`, element by element and from left to right.
//!
//! No arguments. All inputs have one shape and one type: float, double, int32 or int64. Integers wrap around
//! (Caffe2 `elementwise_sum_op.h`).

use caffe2_kernels::elementwise::{Arithmetic, sum};
use caffe2_operator::{
    ArgError, Args, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SumOp;

impl OperatorType for SumOp {
    const TYPE: &'static str = "Sum";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Adds any number of tensors of one shape, from left to right. Integers wrap around.")
            .inputs(1..)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .input("X", "float, double, int32 or int64 tensors, all of the same type and shape")
            .output("Y", "tensor of the same type and shape; may replace the first input")
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SumOp)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let inputs = 0..context.input_count();
    // All are alike: any that is known tells.
    Ok(vec![TensorInfo {
        data_type: inputs.clone().find_map(|index| context.data_type(index)),
        shape: inputs.clone().find_map(|index| context.shape(index)).cloned(),
    }])
}

impl Operator for SumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64], T => add_up::<T>(io))
    }
}

fn add_up<T: Arithmetic + Element>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let mut rest = SmallVec::<[&[T]; 8]>::new();
    for index in 1..io.input_count() {
        rest.push(io.input_slice(index)?);
        let (shape, first) = (io.peek(index)?.shape(), io.peek(0)?.shape());
        if shape != first {
            return Err(OpError::input(
                index,
                format!("shape {shape}, but input 0 has {first}; expected the same"),
            ));
        }
    }
    let first = io.unary(0, 0)?;
    Ok(sum(io.threads(), first, &rest)?)
}

register_cpu_operator!(SumOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(inputs: &[Tensor], output: &str) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        let mut def = OperatorDef::new("Sum").output(output);
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
            assert_eq!(run(&inputs, output).unwrap(), tensor(&[0.0]));
            assert_eq!(run(&inputs[1..2], output).unwrap(), tensor(&[1.0]));
        }
        assert!(run(&inputs, "x1").unwrap_err().contains("does not work in place"));
    }

    #[test]
    fn the_input_that_differs_is_named() {
        let error = run(&[tensor(&[1.0]), tensor(&[1.0]), tensor(&[1.0, 2.0])], "y").unwrap_err();
        assert!(error.contains("input 2 `x2`: shape [2], but input 0 has [1]"), "{error}");
        let column = Tensor::from_slice([2, 1], &[1.0f32, 2.0]).unwrap();
        assert!(run(&[tensor(&[1.0, 2.0]), column], "x0").unwrap_err().contains("input 1"));
        let error = run(&[tensor(&[1.0]), Tensor::from_slice([1], &[1i32]).unwrap()], "y").unwrap_err();
        assert!(error.contains("input 1 `x1`: wanted a tensor of float, found one of int32"), "{error}");
        let strings = Tensor::from_strings([1], ["a"]).unwrap();
        assert!(run(&[strings], "y").unwrap_err().contains("string is not supported"));
    }
}
