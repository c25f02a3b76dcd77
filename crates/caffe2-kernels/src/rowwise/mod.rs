//! Rows of floats stored as codes of a few bits, with a scale and a bias for each row: `value = code * scale + bias`.
//!
//! A storage format is a type that implements [`RowFormat`]; kernels are written once, for any of them.
//!
//! | format | codes | scale and bias | written by |
//! |---|---|---|---|
//! | [`Fused8`] | a byte each | floats behind the codes | `FloatToFused8BitRowwiseQuantized` |
//! | [`Fused8Half`] | a byte each | halves behind the codes | `FloatToFused8BitRowwiseQuantizedHalfScaleBias` |
//! | [`FusedBits<4>`](FusedBits), [`FusedBits<2>`](FusedBits) | two or four to a byte | halves behind the codes | `FloatToFused4BitRowwiseQuantized` |
//! | [`FakeBits<4>`](FakeBits), [`FakeBits<2>`](FakeBits) | a byte each, of 4 or 2 bits | floats behind the codes | `FloatToFused4BitFakeRowwiseQuantized` |
//! | [`separate`] | a byte each | a matrix of its own | `FloatToRowwiseQuantized8Bits` |
//!
//! ```
//! use caffe2_kernels::Threads;
//! use caffe2_kernels::rowwise::{Fused8, FusedRows, Search, dequantize_rows, quantize_rows};
//!
//! // Two rows of three values; each takes three bytes of codes, and eight of scale and bias.
//! let threads = Threads::single();
//! let mut stored = [0; 22];
//! quantize_rows::<Fused8, f32>(&threads, &[0.0, 1.0, 2.55, -1.0, -1.0, -1.0], 3, Search::Ends, &mut stored)?;
//! assert_eq!(stored[..3], [0, 100, 255]);
//! let mut values = [0.0f32; 6];
//! dequantize_rows(&threads, &FusedRows::<Fused8>::new(&stored, 11)?, &mut values)?;
//! assert_eq!(values, [0.0, 1.0, 2.55, -1.0, -1.0, -1.0]);
//! # Ok::<(), caffe2_kernels::KernelError>(())
//! ```
//!
//! Codes, scales, biases and values have the bits that Caffe2's kernels give on a processor with AVX2, which is what
//! they were written for, on every instruction set and for any number of threads.

mod codes;
mod dequantize;
mod fake_bits;
mod fused8;
mod fused8_half;
mod fused_bits;
mod greedy;
mod packing;
mod quantize;
pub mod separate;
mod tail;
#[cfg(test)]
mod tests;

pub use codes::{Beyond, CodeRule};
pub use dequantize::{dequantize_rows, gather_rows};
pub use fake_bits::FakeBits;
pub use fused_bits::FusedBits;
pub use fused8::Fused8;
pub use fused8_half::Fused8Half;
pub use packing::{Bits, Packing};
pub use quantize::{RowValue, Search, quantize_rows};
pub use tail::Parameter;

use crate::KernelError;
use crate::dequant::Affine;

/// A format that stores a row as its codes, then the scale, then the bias.
///
/// A format tells how codes lie in bytes, what type scale and bias have, and which of these a row with given ends
/// gets; the rest follows.
pub trait RowFormat: std::fmt::Debug + Send + Sync + 'static {
    /// How codes lie in bytes.
    type Packing: Packing;
    /// The type of scale and bias.
    type Parameter: Parameter;
    /// How values are computed from codes.
    const ROUNDING: Rounding;

    /// Scale and bias of a row whose smallest and largest value are `low` and `high`, and how its codes are found.
    fn fit(low: f32, high: f32) -> (Affine, CodeRule);

    /// Bytes of a row of so many values.
    ///
    /// # Errors
    /// When the codes do not fill bytes, or the number overflows.
    fn row_bytes(width: usize) -> Result<usize, KernelError> {
        let per_byte = Self::Packing::PER_BYTE;
        if !width.is_multiple_of(per_byte) {
            return Err(KernelError::Multiple { what: "values of a row", of: per_byte, found: width });
        }
        let bytes = (width / per_byte).checked_add(Self::Parameter::TAIL_BYTES);
        bytes.ok_or(KernelError::Overflow { what: "bytes of a row" })
    }

    /// Values in a row of so many bytes.
    ///
    /// # Errors
    /// When the bytes are too few for scale and bias, or the number overflows.
    fn width(row_bytes: usize) -> Result<usize, KernelError> {
        let Some(codes) = row_bytes.checked_sub(Self::Parameter::TAIL_BYTES) else {
            let least = Self::Parameter::TAIL_BYTES;
            return Err(KernelError::AtLeast { what: "bytes of a row", least, found: row_bytes });
        };
        codes.checked_mul(Self::Packing::PER_BYTE).ok_or(KernelError::Overflow { what: "values of a row" })
    }
}

/// How often `code * scale + bias` is rounded. Where the product is exact, as with scales that are halves, both give
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Once, as by a fused multiply-add.
    Once,
    /// After the multiplication, and after the addition.
    Twice,
}

/// A table of rows of codes.
pub trait CodedRows: Sync {
    /// How codes lie in bytes.
    type Packing: Packing;
    /// How values are computed from codes.
    const ROUNDING: Rounding;

    /// The number of rows.
    fn rows(&self) -> usize;

    /// The number of values in a row.
    fn width(&self) -> usize;

    /// The codes of a row.
    ///
    /// # Panics
    /// When there is no such row.
    fn codes(&self, row: usize) -> &[u8];

    /// Scale and bias of a row.
    ///
    /// # Panics
    /// When there is no such row.
    fn line(&self, row: usize) -> Affine;

    /// All memory of a row: two pieces, of which the second may be empty.
    ///
    /// # Panics
    /// When there is no such row.
    fn stored(&self, row: usize) -> (&[u8], &[f32]);
}

/// Rows in a [`RowFormat`], one after the other.
#[derive(Debug)]
pub struct FusedRows<'a, F> {
    bytes: &'a [u8],
    row_bytes: usize,
    rows: usize,
    width: usize,
    format: std::marker::PhantomData<fn() -> F>,
}

impl<'a, F: RowFormat> FusedRows<'a, F> {
    /// The rows in `bytes`, `row_bytes` each.
    ///
    /// # Errors
    /// When a row is too short for scale and bias, or the bytes are no whole rows.
    pub fn new(bytes: &'a [u8], row_bytes: usize) -> Result<Self, KernelError> {
        let width = F::width(row_bytes)?;
        if !bytes.len().is_multiple_of(row_bytes) {
            return Err(KernelError::Multiple { what: "bytes", of: row_bytes, found: bytes.len() });
        }
        let rows = bytes.len() / row_bytes;
        Ok(FusedRows { bytes, row_bytes, rows, width, format: std::marker::PhantomData })
    }

    /// All rows, and the bytes of each.
    #[inline(always)]
    pub(crate) fn all(&self) -> (&'a [u8], usize) {
        (self.bytes, self.row_bytes)
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes..][..self.row_bytes]
    }
}

impl<F: RowFormat> CodedRows for FusedRows<'_, F> {
    type Packing = F::Packing;
    const ROUNDING: Rounding = F::ROUNDING;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.rows
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn codes(&self, row: usize) -> &[u8] {
        &self.row(row)[..self.row_bytes - F::Parameter::TAIL_BYTES]
    }

    #[inline(always)]
    fn line(&self, row: usize) -> Affine {
        F::Parameter::read(&self.row(row)[self.row_bytes - F::Parameter::TAIL_BYTES..])
    }

    #[inline(always)]
    fn stored(&self, row: usize) -> (&[u8], &[f32]) {
        (self.row(row), &[])
    }
}
