//! Products with a large right operand whose columns are contiguous, such as the weights of a fully connected layer,
//! computed the other way round: `transpose(c) = transpose(b) * transpose(a)`.
//!
//! The large operand is then read row by row as it lies. Packing it by columns takes as long as a product with some
//! hundred rows.
#![allow(unsafe_code)]

use std::ops::Range;

use super::left::{LeftForm, LeftOperand};
use super::{Batch, Bias, MatRef, Product, SharedMut, Tail, run};
use crate::{Isa, Threads, scratch};

/// Rows of `a` from which on its panels would be packed once more for each block of them.
const MOST_ROWS: usize = 256;

/// Elements of a product, which is kept for a moment, beyond which it is computed as it stands: 16 MiB.
const MOST: usize = 1 << 22;

/// Whether a product of this size, with `a` and `transpose(b)` row-major, is better computed the other way round.
pub(crate) fn suits(rows: usize, columns: usize, depth: usize) -> bool {
    depth > 0 && rows <= MOST_ROWS && rows < columns && rows.saturating_mul(columns) <= MOST
}

/// Columns of `c` that are brought to their places at a time.
const COLUMNS: usize = 64;
/// Elements below which waking a pool for that costs more than it gains.
const GRAIN: usize = 1 << 16;

/// `c = a * transpose(left) + bias`, with the bits of the product that is computed as it stands. `left` has a row for each
/// column of `c`.
///
/// # Panics
///
/// If `left` has other rows than `c` has room for in a row, or other summands.
pub(crate) fn run_swapped<L: LeftOperand>(
    isa: Isa,
    threads: &Threads,
    a: MatRef<'_>,
    left: impl Fn() -> L + Sync + Send,
    bias: Bias<'_>,
    c: &SharedMut<'_>,
) {
    let (rows, (columns, depth)) = (a.rows(), left().size());
    assert!(c.holds(rows, columns), "the product has room in the output");
    let right = a.transposed();
    scratch::with(rows * columns, |swapped| {
        let batch = Batch { count: 1, rows: columns, columns: rows, depth, row_stride: rows };
        let tail = Tail::bias(Bias::None);
        let product = |_| Product { left: left(), right, alpha: 1.0, beta: 0.0, tail, start: 0 };
        // SAFETY: there is one product, whose rows are `rows` apart and as long.
        unsafe { run(isa, threads, &batch, swapped, product) };
        let swapped = &*swapped;
        threads.for_each_index(columns.div_ceil(COLUMNS), rows * columns > GRAIN, |block| {
            let first = block * COLUMNS;
            let width = COLUMNS.min(columns - first);
            for r in 0..rows {
                // SAFETY: the columns of this block, which no other has, of a row of `c`, which holds them all.
                let piece = unsafe { c.piece(r, first, width) };
                for (y, row) in piece.iter_mut().zip(swapped[first * rows..].chunks_exact(rows)) {
                    *y = row[r];
                }
                bias.add_to(piece, r, first);
            }
        });
    });
}

/// A matrix whose rows are contiguous, copied piece by piece while it is multiplied.
pub(super) struct Rows<'a>(pub(super) MatRef<'a>);

impl LeftOperand for Rows<'_> {
    fn size(&self) -> (usize, usize) {
        (self.0.rows(), self.0.cols())
    }

    fn form(&self) -> LeftForm<'_> {
        LeftForm::Expanded
    }

    #[inline(always)]
    fn expand(&self, rows: Range<usize>, k: Range<usize>, out: &mut [f32]) {
        for (row, values) in rows.zip(out.chunks_exact_mut(k.len())) {
            values.copy_from_slice(&self.0.row(row)[k.clone()]);
        }
    }
}
