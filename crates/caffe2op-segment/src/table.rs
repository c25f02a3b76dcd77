//! What rows are picked from, as operators have it in their inputs.

use std::marker::PhantomData;

use caffe2_kernels::KernelError;
use caffe2_kernels::lookup::{PlainRows, Table};
use caffe2_kernels::rowwise::separate::SeparateRows;
use caffe2_kernels::rowwise::{Fused8, FusedBits, FusedRows, RowFormat};
use caffe2_operator::{OpError, OpIo, Shape, dispatch_input_type, f16};

use crate::segments::{row_count, rows_shape};

/// A kind of table: its inputs, and how rows are read from them. DATA is input 0.
pub trait TableKind: 'static {
    /// What DATA is, in words.
    const DATA: &'static str;
    /// Whether scales and biases are an input of their own, the last.
    const HAS_LINES_APART: bool = false;

    /// The shape of so many rows of the table, once restored.
    ///
    /// # Errors
    /// When DATA cannot have this shape.
    fn rows_shape(data: &Shape, count: usize) -> Result<Shape, OpError>;

    /// Does `work` with the table; `last` is the last input.
    ///
    /// # Errors
    /// When the inputs are not such a table; those of the work.
    fn with(io: &mut OpIo<'_>, last: usize, work: impl Work) -> Result<(), OpError>;
}

/// What is done with a table of any kind.
pub trait Work {
    /// Does it.
    ///
    /// # Errors
    /// Those of the work.
    fn run(self, io: &mut OpIo<'_>, table: &impl Table) -> Result<(), OpError>;
}

/// Floats or halves.
#[derive(Debug)]
pub enum Plain {}

/// Codes in a [`RowFormat`].
#[derive(Debug)]
pub struct Fused<F>(PhantomData<fn() -> F>);

/// Bytes, and in the last input a scale and a bias for each row.
#[derive(Debug)]
pub enum Separate {}

fn wrong_table(error: KernelError) -> OpError {
    OpError::input(0, error.to_string())
}

impl TableKind for Plain {
    const DATA: &'static str = "float or float16 tensor of at least one dimension: a table of rows";

    fn rows_shape(data: &Shape, count: usize) -> Result<Shape, OpError> {
        rows_shape(data, count)
    }

    fn with(io: &mut OpIo<'_>, _: usize, work: impl Work) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f16], V => {
            let width = io.input(0)?.shape().size_from(1);
            let table = PlainRows::new(io.input_slice::<V>(0)?, width).map_err(wrong_table)?;
            work.run(io, &table)
        })
    }
}

/// A [`RowFormat`] whose rows are summed.
pub trait SummedFormat: RowFormat {
    /// What a matrix of such rows is, in words.
    const DATA: &'static str;
}

impl SummedFormat for Fused8 {
    const DATA: &'static str = "uint8 matrix as FloatToFused8BitRowwiseQuantized makes it: a row is a byte for each value, then scale and \
         bias as floats";
}

impl SummedFormat for FusedBits<4> {
    const DATA: &'static str = "uint8 matrix as FloatToFused4BitRowwiseQuantized makes it: a row is a byte for every two values, then scale \
         and bias as halves";
}

impl SummedFormat for FusedBits<2> {
    const DATA: &'static str = "uint8 matrix as FloatToFused2BitRowwiseQuantized makes it: a row is a byte for every four values, then \
         scale and bias as halves";
}

/// The number of bytes and of values in a row.
fn widths<F: RowFormat>(data: &Shape) -> Result<(usize, usize), OpError> {
    let &[_, row_bytes] = data.dims() else {
        return Err(OpError::input(0, format!("expected a matrix, found the shape {data}")));
    };
    match F::width(row_bytes).map_err(wrong_table)? {
        0 => Err(OpError::input(
            0,
            format!("expected rows with values, found {row_bytes} bytes for scale and bias"),
        )),
        width => Ok((row_bytes, width)),
    }
}

impl<F: SummedFormat> TableKind for Fused<F> {
    const DATA: &'static str = F::DATA;

    fn rows_shape(data: &Shape, count: usize) -> Result<Shape, OpError> {
        Ok(Shape::new(&[count, widths::<F>(data)?.1])?)
    }

    fn with(io: &mut OpIo<'_>, _: usize, work: impl Work) -> Result<(), OpError> {
        let bytes = io.input_slice::<u8>(0)?;
        let (row_bytes, _) = widths::<F>(io.input(0)?.shape())?;
        work.run(io, &FusedRows::<F>::new(bytes, row_bytes).map_err(wrong_table)?)
    }
}

impl TableKind for Separate {
    const DATA: &'static str =
        "uint8 tensor of at least one dimension as FloatToRowwiseQuantized8Bits makes it: a table of rows";
    const HAS_LINES_APART: bool = true;

    fn rows_shape(data: &Shape, count: usize) -> Result<Shape, OpError> {
        rows_shape(data, count)
    }

    fn with(io: &mut OpIo<'_>, last: usize, work: impl Work) -> Result<(), OpError> {
        let (codes, lines) = (io.input_slice::<u8>(0)?, io.input_slice::<f32>(last)?);
        let shape = io.input(0)?.shape();
        check_lines(last, row_count(shape)?, io.input(last)?.shape())?;
        work.run(io, &SeparateRows::new(codes, shape.size_from(1), lines).map_err(wrong_table)?)
    }
}

/// Checks that there are a scale and a bias for each row.
pub(crate) fn check_lines(input: usize, rows: usize, lines: &Shape) -> Result<(), OpError> {
    if *lines.dims() == [rows, 2] {
        return Ok(());
    }
    Err(OpError::input(input, format!("expected the shape [{rows}, 2], found {lines}")))
}
