//! Sums of rows that are picked from a table by their index: `SparseLengthsSum` and its kin.
//!
//! Rows are floats, halves, or codes with a scale and a bias. Codes are never expanded in memory: their products with
//! the scales of their rows are added up, and the biases apart. Rows are fetched from memory ahead of their use.
//!
//! ```
//! use caffe2_kernels::Threads;
//! use caffe2_kernels::lookup::{PlainRows, Unweighted, sum_rows};
//!
//! // Rows 2 and 0, and row 1, of a table of three rows.
//! let table = PlainRows::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], 2)?;
//! let mut sums = [0.0; 4];
//! sum_rows(&Threads::single(), &table, &[2, 0, 1], &[2, 3], &Unweighted, false, &mut sums)?;
//! assert_eq!(sums, [6.0, 8.0, 3.0, 4.0]);
//! # Ok::<(), caffe2_kernels::KernelError>(())
//! ```

mod table;
#[cfg(test)]
mod tests;
mod weights;

pub use table::{PlainRows, Table};
pub use weights::{PerIndex, Positional, Unweighted, Weights};

use std::ops::Range;

use crate::error::check_len;
use crate::index::RowIndex;
use crate::isa::multiply_add;
use crate::{Isa, KernelError, Threads};

/// Writes to each row of `out` the sum of the rows of `table` that a group of `indices` names, each multiplied by its
/// weight; if `mean`, divided by the number of indices in the group. Group `i` is `indices[ends[i - 1]..ends[i]]`; one
/// without indices gives zeros.
///
/// Each row of the result is summed in the order of the indices, so that the number of threads changes nothing.
///
/// # Errors
/// When the last group does not end with the indices, `out` has another length than the groups need, or there are not
/// enough weights.
///
/// # Panics
/// When an index is negative or not below the number of rows: see [`first_beyond`](crate::index::first_beyond). When
/// ends do not ascend.
pub fn sum_rows<T: Table, I: RowIndex, W: Weights>(
    threads: &Threads,
    table: &T,
    indices: &[I],
    ends: &[usize],
    weights: &W,
    mean: bool,
    out: &mut [f32],
) -> Result<(), KernelError> {
    let width = table.width();
    check_len("indices", ends.last().copied().unwrap_or(0), indices.len())?;
    check_len("sums", ends.len() * width, out.len())?;
    weights.check(ends)?;
    if out.is_empty() {
        return Ok(());
    }
    let block_rows = (BLOCK / width).max(1);
    let grain = if indices.len().saturating_mul(width) > GRAIN { 0 } else { usize::MAX };
    let isa = Isa::current();
    threads.for_each_block(out, block_rows * width, grain, |block, out| {
        let first = block * block_rows;
        isa.dispatch_fused(
            #[inline(always)]
            move |fused| {
                for (i, y) in (first..).zip(out.chunks_exact_mut(width)) {
                    let group = i.checked_sub(1).map_or(0, |before| ends[before])..ends[i];
                    sum_group(fused, table, indices, group, weights, mean, y);
                }
            },
        );
    });
    Ok(())
}

/// Elements of the result per block of work.
const BLOCK: usize = 2048;
/// Elements read below which sharing costs more than it gains.
const GRAIN: usize = 1 << 15;

/// Rows that are added in one pass: results are loaded and stored once in as many rows, and the rows of a pass, if not
/// very long, stay in the cache.
const PASS: usize = 16;

/// How many indices ahead rows are fetched.
const AHEAD: usize = 16;

#[inline(always)]
fn sum_group<T: Table, I: RowIndex, W: Weights>(
    fused: bool,
    table: &T,
    indices: &[I],
    group: Range<usize>,
    weights: &W,
    mean: bool,
    y: &mut [f32],
) {
    y.fill(0.0);
    let (mut next, mut bias) = (group.start, 0.0);
    while next < group.end {
        let pass = next..group.end.min(next + PASS);
        let (mut rows, mut scales) = ([0; PASS], [0.0; PASS]);
        let count = pass.len();
        for (k, p) in pass.clone().enumerate() {
            if let Some(ahead) = indices.get(p + AHEAD) {
                table.fetch(ahead.row());
            }
            rows[k] = indices[p].row();
            let weight = weights.of(p, p - group.start);
            if T::HAS_LINES {
                let line = table.line(rows[k]);
                scales[k] = weight * line.scale;
                bias = multiply_add(fused, weight, line.bias, bias);
            } else {
                scales[k] = weight;
            }
        }
        let (rows, scales) = (&rows[..count], &scales[..count]);
        let columns = add_columns::<T, 64>(fused, table, rows, scales, y, 0);
        let columns = add_columns::<T, 16>(fused, table, rows, scales, y, columns);
        let columns = add_columns::<T, 4>(fused, table, rows, scales, y, columns);
        add_columns::<T, 1>(fused, table, rows, scales, y, columns);
        next = pass.end;
    }
    if T::HAS_LINES {
        y.iter_mut().for_each(|y| *y += bias);
    }
    if mean && !group.is_empty() {
        let factor = 1.0 / group.len() as f32;
        y.iter_mut().for_each(|y| *y *= factor);
    }
}

/// Adds the rows to the columns of `y` from `start` on, `N` at a time, whose results stay in registers meanwhile; tells
/// where the columns begin that are too few for that.
#[inline(always)]
fn add_columns<T: Table, const N: usize>(
    fused: bool,
    table: &T,
    rows: &[usize],
    scales: &[f32],
    y: &mut [f32],
    mut start: usize,
) -> usize {
    let (chunks, _) = y[start..].as_chunks_mut::<N>();
    for y in chunks {
        let mut sums = *y;
        for (&row, &scale) in rows.iter().zip(scales) {
            let values = table.read::<N>(row, start);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = multiply_add(fused, scale, value, *sum);
            }
        }
        *y = sums;
        start += N;
    }
    start
}
