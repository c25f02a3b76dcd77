//! Rows combined into one, group by group.

use std::ops::Range;

use caffe2_kernels::{Isa, Threads};

use crate::reduction::Reduction;
use crate::segments::Segments;

/// Elements that are combined at once: loaded, changed and stored, so that the compiler need not know that rows
/// and output are different memory.
const LANES: usize = 16;

/// `y[j] = f(y[j], row[j])`.
#[inline(always)]
pub(crate) fn combine_row(y: &mut [f32], row: &[f32], f: impl Fn(f32, f32) -> f32) {
    let ((y, y_rest), (row, row_rest)) = (y.as_chunks_mut::<LANES>(), row.as_chunks::<LANES>());
    for (y, row) in y.iter_mut().zip(row) {
        let mut result = *y;
        for (y, x) in result.iter_mut().zip(row) {
            *y = f(*y, *x);
        }
        *y = result;
    }
    for (y, x) in y_rest.iter_mut().zip(row_rest) {
        *y = f(*y, *x);
    }
}

/// Output elements per block of work.
const BLOCK: usize = 2048;
/// Elements read below which sharing costs more than it gains.
const GRAIN: usize = 1 << 15;

/// Each row of `out` becomes the rows of `data` in its group combined, or 0 where there are none.
pub(crate) fn reduce_segments<R: Reduction>(
    threads: &Threads,
    segments: &Segments,
    data: &[f32],
    out: &mut [f32],
) {
    let Some(row_len) = out.len().checked_div(segments.count()).filter(|&len| len > 0) else { return };
    let block_rows = (BLOCK / row_len).max(1);
    let read = segments.range(segments.count() - 1).end.saturating_mul(row_len);
    let grain = if read > GRAIN { 0 } else { usize::MAX };
    let isa = Isa::current();
    threads.for_each_block(out, block_rows.saturating_mul(row_len), grain, |block, out| {
        isa.dispatch(
            #[inline(always)]
            move || {
                for (i, y) in out.chunks_exact_mut(row_len).enumerate() {
                    reduce_row::<R>(y, segments.range(block * block_rows + i), data);
                }
            },
        );
    });
}

/// Rows that are combined in one pass, so that results are loaded and stored once in as many rows, and the rows of
/// a pass, if not very long, stay in the cache.
const PASS: usize = 16;

#[inline(always)]
fn reduce_row<R: Reduction>(y: &mut [f32], rows: Range<usize>, data: &[f32]) {
    if rows.is_empty() {
        return y.fill(0.0);
    }
    let row_len = y.len();
    combine_row(
        y,
        &data[rows.start * row_len..][..row_len],
        #[inline(always)]
        |_, x| R::first(x),
    );
    let mut next = rows.start + 1;
    while next < rows.end {
        let pass = next..rows.end.min(next + PASS);
        next = pass.end;
        let columns = combine_columns::<R, 64>(y, 0, pass.clone(), data);
        let columns = combine_columns::<R, 16>(y, columns, pass.clone(), data);
        let columns = combine_columns::<R, 4>(y, columns, pass.clone(), data);
        combine_columns::<R, 1>(y, columns, pass, data);
    }
    if R::MEAN {
        let factor = 1.0 / rows.len() as f32;
        y.iter_mut().for_each(|y| *y *= factor);
    }
}

/// Combines rows with the columns of `y` from `start` on, `N` at a time, whose results stay in registers meanwhile;
/// tells where the columns begin that are too few for that.
#[inline(always)]
fn combine_columns<R: Reduction, const N: usize>(
    y: &mut [f32],
    mut start: usize,
    rows: Range<usize>,
    data: &[f32],
) -> usize {
    let row_len = y.len();
    let (chunks, _) = y[start..].as_chunks_mut::<N>();
    for y in chunks {
        let mut result = *y;
        for p in rows.clone() {
            for (y, x) in result.iter_mut().zip(&data[p * row_len + start..][..N]) {
                *y = R::next(*y, *x);
            }
        }
        *y = result;
        start += N;
    }
    start
}
