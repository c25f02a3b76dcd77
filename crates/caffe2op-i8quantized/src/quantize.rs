//! `Int8Quantize`: `code = Y_zero_point + round(x / Y_scale)`, ties to even, kept within 0 and 255.
//!
//! | argument | default | |
//! |---|---|---|
//! | `Y_scale` | 1 | difference between the values of neighbouring codes |
//! | `Y_zero_point` | 0 | the code whose value is 0 |
//!
//! (Caffe2 `int8_quantize_op.h`, `int8_utils.h`; for the engines see [`ServerQuantizeOp`](crate::ServerQuantizeOp).)

use caffe2_kernels::int8::{Quantization, quantize};
use caffe2_operator::{
    ArgError, Args, DataType, Int8Tensor, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    register_cpu_operator,
};

use crate::server;

/// The operator.
#[derive(Debug)]
pub struct Int8QuantizeOp {
    to: Quantization,
}

/// The schema of `Int8Quantize`, which its engines share.
pub(crate) fn schema() -> OpSchema {
    OpSchema::new("Int8Quantize")
        .doc(
            "Quantizes floats: code = Y_zero_point + round(x / Y_scale), ties to even, kept within 0 and 255; NaN \
             becomes 0. The engines DNNLOWP and DNNLOWP_ROWWISE compute round(x * (1 / Y_scale) + Y_zero_point), rounded \
             once before, of which NaN becomes 255; without Y_scale they choose scale and zero point such that codes reach \
             from the smallest to the largest value, and to 0.",
        )
        .inputs(1..=2)
        .outputs(1)
        .arg("Y_scale", "difference between the values of neighbouring codes; positive", 1.0f32)
        .arg("Y_zero_point", "the code whose value is 0; any integer", 0)
        .fill_using(server::describe_choice)
        .input("X", "float tensor")
        .input("Qparam", "any blob; it is ignored")
        .output("Y", "8-bit tensor of X's shape")
        .differences(
            "What is too large or too small for a code becomes the largest or the smallest, where Caffe2 makes what no \
             32-bit integer can hold an arbitrary code. Y_scale must be positive. The engines refuse Qparam, for which \
             there are no blobs here, values without a finite range, and more than 8 bits; powers of two beyond those of \
             a 32-bit integer are scales too.",
        )
        .infer(|context| {
            let shape = context.shape(0).cloned();
            Ok(vec![TensorInfo { data_type: Some(DataType::UInt8), shape }])
        })
}

/// A scale, which must be positive.
pub(crate) fn positive(scale: f32) -> Result<f32, ArgError> {
    if scale > 0.0 && scale.is_finite() {
        return Ok(scale);
    }
    Err(ArgError::value("Y_scale", format!("expected a positive number, found {scale}")))
}

impl OperatorType for Int8QuantizeOp {
    const TYPE: &'static str = "Int8Quantize";

    fn schema() -> OpSchema {
        schema()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (scale, zero_point) = (positive(args.get("Y_scale")?)?, args.get("Y_zero_point")?);
        Ok(Int8QuantizeOp { to: Quantization { scale, zero_point } })
    }
}

impl Operator for Int8QuantizeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let y = io.output_int8(0)?;
        let codes = y.values.overwrite(shape).map_err(|source| OpError::Output { index: 0, source })?;
        quantize(io.threads(), x, self.to, codes);
        set_parameters(y, self.to);
        Ok(())
    }
}

pub(crate) fn set_parameters(y: &mut Int8Tensor, to: Quantization) {
    (y.scale, y.zero_point) = (to.scale, to.zero_point);
}

register_cpu_operator!(Int8QuantizeOp);
