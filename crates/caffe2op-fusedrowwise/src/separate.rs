//! `FloatToRowwiseQuantized8Bits` and `Rowwise8BitQuantizedToFloat`: bytes, with scales and biases in a matrix of their
//! own.
//!
//! A row is a slice of the first dimension. Its bias is its smallest value, its scale the range divided by 255; codes are
//! `(x - bias) * (1 / scale)`, rounded half away from zero. With a range below 1e-10 the scale is 1 and codes are 0.
//! Back it is `code * scale + bias`, each rounded (Caffe2 `lengths_reducer_rowwise_8bit_ops.h`).

use caffe2_kernels::rowwise::dequantize_rows;
use caffe2_kernels::rowwise::separate::{SeparateRows, quantize_rows};
use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

/// The operator `FloatToRowwiseQuantized8Bits`.
#[derive(Debug)]
pub struct FloatToRowwiseQuantized8BitsOp;

/// The operator `Rowwise8BitQuantizedToFloat`.
#[derive(Debug)]
pub struct Rowwise8BitQuantizedToFloatOp;

const SCALE_BIAS: &str = "float matrix with the scale and the bias of each row";

impl OperatorType for FloatToRowwiseQuantized8BitsOp {
    const TYPE: &'static str = "FloatToRowwiseQuantized8Bits";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Stores each slice of the first dimension as bytes: bias is the smallest value, scale the range divided \
                 by 255, and a code is (x - bias) * (1 / scale), rounded half away from zero. With a range below 1e-10 \
                 scale is 1, and codes are 0.",
            )
            .inputs(1)
            .outputs(2)
            .input("input", "float tensor of at least one dimension")
            .output("quantized_input", "uint8 tensor of the same shape")
            .output("scale_bias", SCALE_BIAS)
            .differences("Rows without values have scale 1 and bias 0, where Caffe2 reads past their end.")
            .infer(infer_quantized)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FloatToRowwiseQuantized8BitsOp)
    }
}

fn rows(input: usize, shape: &Shape) -> Result<usize, OpError> {
    let rows = shape.dims().first().copied();
    rows.ok_or_else(|| OpError::input(input, "expected at least one dimension, found a scalar"))
}

fn infer_quantized(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let lines = context.shape(0).map(|shape| Shape::new(&[rows(0, shape)?, 2]).map_err(OpError::from));
    Ok(vec![
        TensorInfo { data_type: Some(DataType::UInt8), shape: context.shape(0).cloned() },
        TensorInfo { data_type: Some(DataType::Float), shape: lines.transpose()? },
    ])
}

impl Operator for FloatToRowwiseQuantized8BitsOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (values, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let rows = rows(0, shape)?;
        let codes = io.output_slice::<u8>(0, shape)?;
        let lines = io.output_slice::<f32>(1, [rows, 2])?;
        quantize_rows(io.threads(), values, shape.size_from(1), codes, lines)?;
        Ok(())
    }
}

impl OperatorType for Rowwise8BitQuantizedToFloatOp {
    const TYPE: &'static str = "Rowwise8BitQuantizedToFloat";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Restores slices of the first dimension from bytes: code * scale + bias, each rounded.")
            .inputs(2)
            .outputs(1)
            .input("quantized_input", "uint8 tensor of at least one dimension")
            .input("scale_bias", SCALE_BIAS)
            .output("output", "float tensor of the shape of quantized_input")
            .infer(infer_restored)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Rowwise8BitQuantizedToFloatOp)
    }
}

/// Checks that there are a scale and a bias for each row.
fn check_lines(rows: usize, lines: &Shape) -> Result<(), OpError> {
    if *lines.dims() == [rows, 2] {
        return Ok(());
    }
    Err(OpError::input(1, format!("expected the shape [{rows}, 2], found {lines}")))
}

fn infer_restored(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let rows = context.shape(0).map(|shape| rows(0, shape)).transpose()?;
    rows.zip(context.shape(1)).map_or(Ok(()), |(rows, lines)| check_lines(rows, lines))?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape: context.shape(0).cloned() }])
}

impl Operator for Rowwise8BitQuantizedToFloatOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (codes, shape) = (io.input_slice::<u8>(0)?, io.input(0)?.shape());
        let lines = io.input_slice::<f32>(1)?;
        check_lines(rows(0, shape)?, io.input(1)?.shape())?;
        let values = io.output_slice::<f32>(0, shape)?;
        dequantize_rows(io.threads(), &SeparateRows::new(codes, shape.size_from(1), lines)?, values)?;
        Ok(())
    }
}

register_cpu_operator!(FloatToRowwiseQuantized8BitsOp);
register_cpu_operator!(Rowwise8BitQuantizedToFloatOp);
