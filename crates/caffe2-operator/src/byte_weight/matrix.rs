//! Weights that are kept as bytes, in whatever format, as matrices to multiply by.

use caffe2_kernels::byte_rows::{ByteMatrix, ByteRows, CodeLine};
use caffe2_kernels::rowwise::{Fused8, Fused8Half, FusedRows};
use caffe2_tensor::Tensor;

use super::{ByteWeight, RowWeight};

/// A matrix of weights that a tensor keeps as bytes.
///
/// ```
/// use caffe2_kernels::byte_rows::ByteRows;
/// use caffe2_kernels::dequant::CodeMap;
/// use caffe2_operator::{ByteWeight, Tensor, WeightBytes};
///
/// let codes = Tensor::from_slice([6], &[0u8, 51, 102, 153, 204, 255])?;
/// let mut weights = Tensor::new();
/// weights.set_coded([2, 3], ByteWeight::new(&codes, CodeMap::from_range(0.0, 5.0))?)?;
/// let matrix = WeightBytes::of(&weights, 3, 2).unwrap();
/// let mut row = [0.0; 2];
/// matrix.expand(2, 0, &mut row);
/// assert_eq!(row, [4.0, 5.0]);
///
/// let floats = Tensor::from_slice([2, 3], &[0.0f32; 6])?;
/// assert!(WeightBytes::of(&floats, 2, 3).is_none());
/// # Ok::<(), caffe2_operator::TensorError>(())
/// ```
#[derive(Debug)]
pub struct WeightBytes<'a>(Format<'a>);

#[derive(Debug)]
enum Format<'a> {
    Uniform(ByteMatrix<'a>),
    Fused8(FusedRows<'a, Fused8>),
    Fused8Half(FusedRows<'a, Fused8Half>),
}

impl<'a> WeightBytes<'a> {
    /// The elements of `weights` as a matrix; `None` when the tensor keeps them as floats, or in rows of another length,
    /// and is to be read as floats.
    pub fn of(weights: &'a Tensor, rows: usize, width: usize) -> Option<WeightBytes<'a>> {
        let format = if let Some(weight) = weights.coded::<ByteWeight>() {
            Format::Uniform(weight.matrix(rows, width).ok()?)
        } else if let Some(weight) = weights.coded::<RowWeight<Fused8>>() {
            Format::Fused8(weight.table()?)
        } else {
            Format::Fused8Half(weights.coded::<RowWeight<Fused8Half>>()?.table()?)
        };
        let matrix = WeightBytes(format);
        ((matrix.rows(), matrix.width()) == (rows, width)).then_some(matrix)
    }
}

macro_rules! of_each {
    ($weights:expr, $table:ident => $of:expr) => {
        match &$weights.0 {
            Format::Uniform($table) => $of,
            Format::Fused8($table) => $of,
            Format::Fused8Half($table) => $of,
        }
    };
}

impl ByteRows for WeightBytes<'_> {
    #[inline(always)]
    fn rows(&self) -> usize {
        of_each!(self, table => ByteRows::rows(table))
    }

    #[inline(always)]
    fn width(&self) -> usize {
        of_each!(self, table => ByteRows::width(table))
    }

    #[inline(always)]
    fn bytes(&self) -> (&[u8], usize) {
        of_each!(self, table => table.bytes())
    }

    #[inline(always)]
    fn line(&self, row: usize) -> CodeLine {
        of_each!(self, table => ByteRows::line(table, row))
    }

    #[inline(always)]
    fn expand(&self, row: usize, start: usize, out: &mut [f32]) {
        of_each!(self, table => table.expand(row, start, out));
    }
}
