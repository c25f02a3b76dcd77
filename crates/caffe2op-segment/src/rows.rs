//! Rows combined into one, group by group.

use std::ops::Range;

use caffe2_kernels::{Isa, Threads};
use caffe2_operator::{Element, f16};

use crate::reduction::Reduction;
use crate::segments::Segments;

/// Elements that become floats when they are summed.
pub trait Value: Element + Copy + Sync {
    /// The value as a float; exact.
    fn float(self) -> f32;
}

impl Value for f32 {
    #[inline(always)]
    fn float(self) -> f32 {
        self
    }
}

impl Value for f16 {
    /// Without branches, unlike `f16::to_f32`, so that loops become vector code.
    #[inline(always)]
    fn float(self) -> f32 {
        let half = u32::from(self.to_bits());
        // The exponent is too small by the difference of the biases, 112; the product is exact.
        let scaled = f32::from_bits((half & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
        let special = if scaled >= 65536.0 { 255 << 23 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | (half & 0x8000) << 16)
    }
}

/// Elements that are combined at once: loaded, changed and stored, so that the compiler need not know that rows
/// and output are different memory.
const LANES: usize = 16;

/// `y[j] = f(y[j], row[j])`.
#[inline(always)]
pub(crate) fn combine_row<T: Value>(y: &mut [f32], row: &[T], f: impl Fn(f32, f32) -> f32) {
    let ((y, y_rest), (row, row_rest)) = (y.as_chunks_mut::<LANES>(), row.as_chunks::<LANES>());
    for (y, row) in y.iter_mut().zip(row) {
        let mut result = *y;
        for (y, x) in result.iter_mut().zip(row) {
            *y = f(*y, x.float());
        }
        *y = result;
    }
    for (y, x) in y_rest.iter_mut().zip(row_rest) {
        *y = f(*y, x.float());
    }
}

/// Output elements per block of work.
const BLOCK: usize = 2048;
/// Elements read below which sharing costs more than it gains.
const GRAIN: usize = 1 << 15;

/// Each row of `out` becomes the rows of its group combined, or 0 where there are none. `row` tells the weight and
/// the elements of a row.
pub(crate) fn reduce_segments<'d, R: Reduction, T: Value>(
    threads: &Threads,
    segments: &Segments,
    out: &mut [f32],
    row: impl Fn(usize) -> (f32, &'d [T]) + Sync,
) {
    let Some(row_len) = out.len().checked_div(segments.count()).filter(|&len| len > 0) else { return };
    let block_rows = (BLOCK / row_len).max(1);
    let read = segments.range(segments.count() - 1).end.saturating_mul(row_len);
    let grain = if read > GRAIN { 0 } else { usize::MAX };
    let (isa, row) = (Isa::current(), &row);
    threads.for_each_block(out, block_rows.saturating_mul(row_len), grain, |block, out| {
        isa.dispatch_fused(
            #[inline(always)]
            move |fused| {
                for (i, y) in out.chunks_exact_mut(row_len).enumerate() {
                    reduce_row::<R, T>(fused, y, segments.range(block * block_rows + i), row);
                }
            },
        );
    });
}

/// Rows that are combined in one pass, so that results are loaded and stored once in as many rows, and the rows of
/// a pass, if not very long, stay in the cache.
const PASS: usize = 16;

#[inline(always)]
fn reduce_row<'d, R: Reduction, T: Value>(
    fused: bool,
    y: &mut [f32],
    rows: Range<usize>,
    row: &impl Fn(usize) -> (f32, &'d [T]),
) {
    if rows.is_empty() {
        return y.fill(0.0);
    }
    let (weight, first) = row(rows.start);
    combine_row(
        y,
        first,
        #[inline(always)]
        |_, x| R::first(weight, x),
    );
    let mut next = rows.start + 1;
    while next < rows.end {
        let pass = next..rows.end.min(next + PASS);
        next = pass.end;
        let columns = combine_columns::<R, T, 64>(fused, y, 0, pass.clone(), row);
        let columns = combine_columns::<R, T, 16>(fused, y, columns, pass.clone(), row);
        let columns = combine_columns::<R, T, 4>(fused, y, columns, pass.clone(), row);
        combine_columns::<R, T, 1>(fused, y, columns, pass, row);
    }
    if R::MEAN {
        let factor = 1.0 / rows.len() as f32;
        y.iter_mut().for_each(|y| *y *= factor);
    }
}

/// Combines rows with the columns of `y` from `start` on, `N` at a time, whose results stay in registers meanwhile;
/// tells where the columns begin that are too few for that.
#[inline(always)]
fn combine_columns<'d, R: Reduction, T: Value, const N: usize>(
    fused: bool,
    y: &mut [f32],
    mut start: usize,
    rows: Range<usize>,
    row: &impl Fn(usize) -> (f32, &'d [T]),
) -> usize {
    let (chunks, _) = y[start..].as_chunks_mut::<N>();
    for y in chunks {
        let mut result = *y;
        for p in rows.clone() {
            let (weight, row) = row(p);
            for (y, x) in result.iter_mut().zip(&row[start..start + N]) {
                *y = R::next(fused, *y, weight, x.float());
            }
        }
        *y = result;
        start += N;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_becomes_the_same_float() {
        for bits in 0..=u16::MAX {
            let (got, want) = (f16::from_bits(bits).float(), f16::from_bits(bits).to_f32());
            assert!(
                got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                "{bits:#x} {got} {want}"
            );
        }
    }
}
