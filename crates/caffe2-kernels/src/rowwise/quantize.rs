//! Values to rows.

use super::codes::write_codes;
use super::{Packing, Parameter, RowFormat, greedy};
use crate::error::check_len;
use crate::extremes::{by_eights, one_by_one};
use crate::half::{f16, to_f32};
use crate::{Isa, KernelError, Threads, scratch};

/// How the ends of a row are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// The smallest and the largest value, as fbgemm finds them.
    Ends,
    /// The smallest and the largest value, as `std::min_element` finds them: only with NaN is it another one.
    FirstEnds,
    /// Ends perhaps within these that leave a smaller error: engine `GREEDY`.
    Greedy,
}

/// A value that rows are made of: float or half.
pub trait RowValue: Copy + Default + Send + Sync + 'static {
    /// The value as a float; exact.
    fn to_f32(self) -> f32;
    /// The nearest value.
    fn from_f32(x: f32) -> Self;
    /// The values as floats, if they are.
    fn as_floats(values: &[Self]) -> Option<&[f32]>;
    /// The values as floats, if they are, for writing.
    fn as_floats_mut(values: &mut [Self]) -> Option<&mut [f32]>;
}

impl RowValue for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn as_floats(values: &[f32]) -> Option<&[f32]> {
        Some(values)
    }

    #[inline(always)]
    fn as_floats_mut(values: &mut [f32]) -> Option<&mut [f32]> {
        Some(values)
    }
}

impl RowValue for f16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        to_f32(self)
    }

    #[inline(always)]
    fn from_f32(x: f32) -> f16 {
        crate::half::from_f32(x)
    }

    #[inline(always)]
    fn as_floats(_: &[f16]) -> Option<&[f32]> {
        None
    }

    #[inline(always)]
    fn as_floats_mut(_: &mut [f16]) -> Option<&mut [f32]> {
        None
    }
}

/// Stores rows of `width` values in the format `F`.
///
/// Rows without values have the scale and the bias that Caffe2 computes for them.
///
/// # Errors
/// When the format cannot hold rows of that width, the values are no whole rows, or `out` is not as long as they need.
pub fn quantize_rows<F: RowFormat, T: RowValue>(
    threads: &Threads,
    values: &[T],
    width: usize,
    search: Search,
    out: &mut [u8],
) -> Result<(), KernelError> {
    let row_bytes = F::row_bytes(width)?;
    if !out.len().is_multiple_of(row_bytes) {
        return Err(KernelError::Multiple { what: "bytes", of: row_bytes, found: out.len() });
    }
    let rows = out.len() / row_bytes;
    check_len("values", rows * width, values.len())?;
    let block_rows = (BLOCK / row_bytes).max(1);
    let isa = Isa::current();
    // The search is some hundred times as much work.
    let grain = if search == Search::Greedy { 0 } else { GRAIN };
    threads.for_each_block(out, block_rows * row_bytes, grain, |block, out| {
        let values = &values[block * block_rows * width..][..out.len() / row_bytes * width];
        let rows = out.chunks_exact_mut(row_bytes).enumerate();
        if let Some(values) = T::as_floats(values) {
            rows.for_each(|(i, row)| quantize_row::<F>(isa, &values[i * width..][..width], search, row));
        } else {
            scratch::with(width, |floats| {
                for (i, row) in rows {
                    floats.iter_mut().zip(&values[i * width..]).for_each(|(y, x)| *y = x.to_f32());
                    quantize_row::<F>(isa, floats, search, row);
                }
            });
        }
    });
    Ok(())
}

/// Bytes that one thread writes at a time.
const BLOCK: usize = 16 * 1024;
/// Bytes below which waking a pool costs more than it gains.
const GRAIN: usize = 64 * 1024;

fn quantize_row<F: RowFormat>(isa: Isa, values: &[f32], search: Search, row: &mut [u8]) {
    isa.dispatch(
        #[inline(always)]
        move || {
            let (low, high) = match search {
                Search::Ends => by_eights(values, (f32::MAX, f32::MIN)),
                Search::FirstEnds => one_by_one(values),
                Search::Greedy => {
                    let (low, high) = one_by_one(values);
                    greedy::search(values, low, high, F::fit(low, high).1.top)
                }
            };
            let (line, rule) = F::fit(low, high);
            let (codes, tail) = row.split_at_mut(values.len() / F::Packing::PER_BYTE);
            write_codes::<F::Packing>(values, rule, codes);
            F::Parameter::write(line, tail);
        },
    );
}
