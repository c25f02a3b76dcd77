//! `FloatToHalf` and `HalfToFloat`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `clip` | false | whether values beyond the finite halves become the largest of them; only `FloatToHalf` |
//!
//! To half it is rounded to the nearest, ties to even; what is too large becomes infinite (Caffe2 `half_float_ops.cc`,
//! fbgemm `FbgemmFloat16ConvertAvx2.cc`).

use caffe2_kernels::half::{narrow, widen};
use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo, f16,
    register_cpu_operator,
};

/// The operator `FloatToHalf`.
#[derive(Debug)]
pub struct FloatToHalfOp {
    clip: bool,
}

/// The operator `HalfToFloat`.
#[derive(Debug)]
pub struct HalfToFloatOp;

impl OperatorType for FloatToHalfOp {
    const TYPE: &'static str = "FloatToHalf";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Converts floats to the nearest halves, ties to even.")
            .inputs(1)
            .outputs(1)
            .arg(
                "clip",
                "whether values beyond the finite halves become the largest of them, 65504; otherwise they become \
                 infinite",
                false,
            )
            .input("X", "float tensor")
            .output("Y", "float16 tensor of the same shape")
            .differences("With clip NaN stays NaN, where Caffe2 makes it the largest or the smallest half.")
            .infer(|context| Ok(infer(context, DataType::Float16)))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FloatToHalfOp { clip: args.get("clip")? })
    }
}

impl OperatorType for HalfToFloatOp {
    const TYPE: &'static str = "HalfToFloat";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Converts halves to floats, exactly.")
            .inputs(1)
            .outputs(1)
            .input("X", "float16 tensor")
            .output("Y", "float tensor of the same shape")
            .infer(|context| Ok(infer(context, DataType::Float)))
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(HalfToFloatOp)
    }
}

fn infer(context: &InferContext<'_>, data_type: DataType) -> Vec<TensorInfo> {
    vec![TensorInfo { data_type: Some(data_type), shape: context.shape(0).cloned() }]
}

impl Operator for FloatToHalfOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let y = io.output_slice::<f16>(0, shape)?;
        narrow(io.threads(), x, if self.clip { f16::MAX.to_f32() } else { f32::INFINITY }, y);
        Ok(())
    }
}

impl Operator for HalfToFloatOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f16>(0)?, io.input(0)?.shape());
        widen(io.threads(), x, io.output_slice::<f32>(0, shape)?);
        Ok(())
    }
}

register_cpu_operator!(FloatToHalfOp);
register_cpu_operator!(HalfToFloatOp);
