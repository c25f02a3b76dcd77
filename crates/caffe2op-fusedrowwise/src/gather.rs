//! `GatherFused8BitRowwise`: rows of codes, picked by their index, as floats.
//!
//! `OUTPUT[i, j] = code * scale + bias` of row `INDICES[i]`, with a rounding after the product and one after the sum,
//! unlike `Fused8BitRowwiseQuantizedToFloat` (Caffe2 `gather_fused_8bit_rowwise_op.h`).

use caffe2_kernels::index::RowIndex;
use caffe2_kernels::rowwise::{Fused8, FusedRows, RowFormat, gather_rows};
use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, check_row_indices, dispatch_input_type, register_cpu_operator,
};

use crate::format::DescribedFormat;

const DATA: usize = 0;
const INDICES: usize = 1;

/// The operator.
#[derive(Debug)]
pub struct GatherFused8BitRowwiseOp;

impl OperatorType for GatherFused8BitRowwiseOp {
    const TYPE: &'static str = "GatherFused8BitRowwise";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Picks rows of codes by their index and restores them: code * scale + bias, each rounded.")
            .inputs(2)
            .outputs(1)
            .input("DATA", Fused8::ROWS)
            .input(
                "INDICES",
                "int32 or int64 vector of rows of DATA, each from 0 to the number of rows less one",
            )
            .output("OUTPUT", "float matrix of as many rows as INDICES has elements")
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(GatherFused8BitRowwiseOp)
    }
}

/// Rows of the data, bytes and values of each.
fn rows(data: &Shape) -> Result<(usize, usize, usize), OpError> {
    let &[rows, row_bytes] = data.dims() else {
        return Err(OpError::input(DATA, format!("expected a matrix, found the shape {data}")));
    };
    let width = Fused8::width(row_bytes).unwrap_or(0);
    if width == 0 {
        let message = format!("expected rows of more than 8 bytes, found the shape {data}");
        return Err(OpError::input(DATA, message));
    }
    Ok((rows, row_bytes, width))
}

fn count(indices: &Shape) -> Result<usize, OpError> {
    match indices.dims() {
        [count] => Ok(*count),
        _ => Err(OpError::input(INDICES, format!("expected a vector, found the shape {indices}"))),
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let width = context.shape(DATA).map(rows).transpose()?.map(|(_, _, width)| width);
    let count = context.shape(INDICES).map(count).transpose()?;
    let shape = count.zip(width).map(|(count, width)| Shape::new(&[count, width])).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

impl Operator for GatherFused8BitRowwiseOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, INDICES, [i32, i64], I => gather::<I>(io))
    }
}

fn gather<I: Element + RowIndex>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let (data, indices) = (io.input_slice::<u8>(DATA)?, io.input_slice::<I>(INDICES)?);
    let (rows, row_bytes, width) = rows(io.input(DATA)?.shape())?;
    let count = count(io.input(INDICES)?.shape())?;
    check_row_indices(INDICES, indices, rows)?;
    let out = io.output_slice::<f32>(0, [count, width])?;
    gather_rows(io.threads(), &FusedRows::<Fused8>::new(data, row_bytes)?, indices, out)?;
    Ok(())
}

register_cpu_operator!(GatherFused8BitRowwiseOp);
