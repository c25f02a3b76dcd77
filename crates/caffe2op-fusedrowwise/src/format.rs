//! What the operators share: what a row looks like, in words and in bytes.

use caffe2_kernels::KernelError;
use caffe2_kernels::rowwise::{FakeBits, Fused8, Fused8Half, FusedBits, RowFormat};
use caffe2_operator::{OpError, Shape};

/// A format with its description.
pub trait DescribedFormat: RowFormat {
    /// How a row is stored, in words.
    const QUANTIZED: &'static str;
    /// What a row of the tensor of bytes holds.
    const ROWS: &'static str;
    /// Whether tensors must be matrices.
    const MATRIX: bool = false;
}

impl DescribedFormat for Fused8 {
    const QUANTIZED: &'static str = "Stores each row (the last dimension) as bytes: bias is the smallest value, scale the range divided by \
         255, and a code is (x - bias) * (255 / (range + 1e-8)), rounded to even.";
    const ROWS: &'static str =
        "uint8 tensor; a row is a byte for each value, then scale and bias as floats: 8 bytes longer";
}

impl DescribedFormat for Fused8Half {
    const QUANTIZED: &'static str = "Stores each row (the last dimension) as bytes: bias is the smallest value, scale the range divided by \
         255, both rounded to half, and a code is (x - bias) * (1 / scale), rounded to even. Where the scale would be \
         0 it is 1.";
    const ROWS: &'static str =
        "uint8 tensor; a row is a byte for each value, then scale and bias as halves: 4 bytes longer";
}

impl DescribedFormat for FusedBits<4> {
    const QUANTIZED: &'static str = "Stores each row (the last dimension) as codes of 4 bits: bias is the smallest value, scale the range \
         divided by 15, both rounded to half, and a code is (x - bias) * (1 / scale), rounded to even. Where the scale \
         would be 0 it is 1.";
    const ROWS: &'static str = "uint8 tensor; a row is a byte for every two values, the first in the low bits, then scale and bias as halves";
}

impl DescribedFormat for FusedBits<2> {
    const QUANTIZED: &'static str = "Stores each row (the last dimension) as codes of 2 bits: bias is the smallest value, scale the range \
         divided by 3, both rounded to half, and a code is (x - bias) * (1 / scale), rounded to even. Where the scale \
         would be 0 it is 1.";
    const ROWS: &'static str = "uint8 tensor; a row is a byte for every four values, the first in the low bits, then scale and bias as halves";
}

impl DescribedFormat for FakeBits<4> {
    const QUANTIZED: &'static str = "Stores each row of a matrix as bytes with the values that codes of 4 bits would have, to see what these do \
         to a net: bias is the smallest value, scale the range divided by 15, both rounded to half, and a code is \
         (x - bias) * (1 / scale), rounded to even.";
    const ROWS: &'static str = "uint8 matrix; a row is a byte for each value, then scale and bias as floats: 8 bytes longer, as \
         Fused8BitRowwiseQuantizedToFloat reads it";
    const MATRIX: bool = true;
}

impl DescribedFormat for FakeBits<2> {
    const QUANTIZED: &'static str = "Stores each row of a matrix as bytes with the values that codes of 2 bits would have, to see what these do \
         to a net: bias is the smallest value, scale the range divided by 3, both rounded to half, and a code is \
         (x - bias) * (1 / scale), rounded to even.";
    const ROWS: &'static str = <FakeBits<4> as DescribedFormat>::ROWS;
    const MATRIX: bool = true;
}

/// The shape with another last dimension, which `convert` tells, and the last dimension that it has.
pub(crate) fn with_last(
    shape: &Shape,
    matrix: bool,
    convert: impl Fn(usize) -> Result<usize, KernelError>,
) -> Result<(Shape, usize), OpError> {
    let wrong = |expected: &str| OpError::input(0, format!("expected {expected}, found the shape {shape}"));
    if matrix && shape.rank() != 2 {
        return Err(wrong("a matrix"));
    }
    let Some(&last) = shape.dims().last() else { return Err(wrong("at least one dimension")) };
    let converted = convert(last).map_err(|error| OpError::input(0, format!("shape {shape}: {error}")))?;
    let mut dims = shape.to_i64s();
    if let (Some(dim), Ok(converted)) = (dims.last_mut(), i64::try_from(converted)) {
        *dim = converted;
    }
    Ok((Shape::from_i64s(&dims)?, last))
}
