//! `Scale`: `Y = scale * X`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `scale` | 1 | the factor |
//!
//! X is float or double (Caffe2 `scale_op.h`).

use caffe2_kernels::elementwise::scale;
use caffe2_operator::{
    ArgError, Args, Cost, OpError, OpIo, OpSchema, Operator, OperatorType, dispatch_input_type,
    register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ScaleOp {
    scale: f32,
}

impl OperatorType for ScaleOp {
    const TYPE: &'static str = "Scale";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Multiplies every element by a factor: Y = scale * X.")
            .inputs(1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg("scale", "what every element is multiplied by", 1.0f32)
            .input("X", "float or double tensor")
            .output("Y", "tensor of the same type and shape")
            .infer_same_as_input(0)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ScaleOp { scale: args.get("scale")? })
    }
}

impl Operator for ScaleOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64], T => scale(io.threads(), T::from(self.scale), io.unary::<T>(0, 0)?));
        Ok(())
    }
}

register_cpu_operator!(ScaleOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(x: Tensor, output: &str, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        workspace.run_operator_once(&def.input("x").output(output)).map_err(|e| e.to_string())?;
        workspace.fetch(output).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Scale")
    }

    #[test]
    fn the_default_is_1_and_a_double_is_scaled_by_the_float() {
        let x = Tensor::from_slice([2], &[1.0f64, -2.0]).unwrap();
        assert_eq!(run(x.clone(), "y", def()).unwrap(), x);
        for output in ["y", "x"] {
            let y = run(x.clone(), output, def().arg("scale", 0.1f32)).unwrap();
            assert_eq!(y.as_slice::<f64>().unwrap(), [f64::from(0.1f32), -2.0 * f64::from(0.1f32)]);
        }
    }

    #[test]
    fn other_types_are_refused() {
        let error = run(Tensor::scalar(1i32).unwrap(), "y", def()).unwrap_err();
        assert!(error.contains("int32 is not supported; supported are float, double"), "{error}");
        let error = run(Tensor::scalar(1.0f32).unwrap(), "y", def().arg("scale", 2)).unwrap_err();
        assert!(error.contains("`scale`: expected a value in field `f`"), "{error}");
    }
}
