//! What rows are picked from.

use crate::KernelError;
use crate::dequant::Affine;
use crate::rowwise::{CodedRows, Packing, RowValue};

/// A table of rows that can be added up: [`PlainRows`], or any [`CodedRows`].
pub trait Table: Sync {
    /// Whether rows have scales and biases; otherwise these are 1 and 0.
    const HAS_LINES: bool;

    /// The number of values in a row.
    fn width(&self) -> usize;

    /// Scale and bias of a row.
    fn line(&self, row: usize) -> Affine;

    /// `N` values of a row from number `column` on, not yet scaled.
    fn read<const N: usize>(&self, row: usize, column: usize) -> [f32; N];

    /// Has the processor fetch a row from memory, which changes nothing but the time that it takes to read it.
    fn fetch(&self, row: usize);
}

impl<C: CodedRows> Table for C {
    const HAS_LINES: bool = true;

    #[inline(always)]
    fn width(&self) -> usize {
        CodedRows::width(self)
    }

    #[inline(always)]
    fn line(&self, row: usize) -> Affine {
        CodedRows::line(self, row)
    }

    #[inline(always)]
    fn read<const N: usize>(&self, row: usize, column: usize) -> [f32; N] {
        C::Packing::unpack(self.codes(row), column)
    }

    #[inline(always)]
    fn fetch(&self, row: usize) {
        let (codes, line) = self.stored(row);
        fetch(codes);
        fetch(line);
    }
}

/// Rows of floats or halves, one after the other.
#[derive(Debug)]
pub struct PlainRows<'a, T> {
    values: &'a [T],
    width: usize,
}

impl<'a, T: RowValue> PlainRows<'a, T> {
    /// Rows of `width` values each.
    ///
    /// # Errors
    /// When the values are no whole rows.
    pub fn new(values: &'a [T], width: usize) -> Result<PlainRows<'a, T>, KernelError> {
        if values.len().is_multiple_of(width) || width == 0 && values.is_empty() {
            return Ok(PlainRows { values, width });
        }
        Err(KernelError::Multiple { what: "values", of: width, found: values.len() })
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &'a [T] {
        &self.values[row * self.width..][..self.width]
    }
}

impl<T: RowValue> Table for PlainRows<'_, T> {
    const HAS_LINES: bool = false;

    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn line(&self, _: usize) -> Affine {
        Affine { scale: 1.0, bias: 0.0 }
    }

    #[inline(always)]
    fn read<const N: usize>(&self, row: usize, column: usize) -> [f32; N] {
        let mut values = [0.0; N];
        let row = &self.row(row)[column..][..N];
        values.iter_mut().zip(row).for_each(|(value, x)| *value = x.to_f32());
        values
    }

    #[inline(always)]
    fn fetch(&self, row: usize) {
        fetch(self.row(row));
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Has the processor fetch the memory of a slice.
#[inline(always)]
fn fetch<T>(slice: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let start = slice.as_ptr().cast::<i8>();
        for at in (0..size_of_val(slice)).step_by(LINE) {
            // SAFETY: SSE is part of x86-64; a prefetch has no effect that a program could see, whatever the address.
            #[allow(unsafe_code)]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = slice;
}
