//! Products cut into blocks that fit the caches and can be shared among threads.
//!
//! Every element of a product is summed in one order, which depends on the number of summands alone: results
//! are the same bits however the blocks are cut.
#![allow(unsafe_code)]

use std::ops::Range;

use super::micro::{Left, MAX_ROWS, MAX_WIDTH, Micro, Old};
use super::pack::RightOperand;
use super::{Bias, MatRef};
use crate::{Isa, Threads, scratch};

/// Summands that are multiplied per pass: a panel of this depth stays in the first-level cache.
const DEPTH: usize = 256;
/// Columns of a block.
const COLUMNS: usize = 256;
/// Multiplications below which waking a pool costs more than it gains.
const GRAIN: usize = 1 << 20;

/// Several products of one size, written to different parts of one slice.
pub(crate) struct Batch {
    pub(crate) count: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Summands of each element.
    pub(crate) depth: usize,
    /// Distance between rows of a product in the output.
    pub(crate) row_stride: usize,
}

/// One product of a batch: `alpha * left * right + beta * old + bias`.
pub(crate) struct Product<'a, R> {
    pub(crate) left: MatRef<'a>,
    pub(crate) right: R,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) bias: Bias<'a>,
    /// Where in the output the product begins.
    pub(crate) start: usize,
}

/// The output of a batch, shared among threads that write different elements.
#[derive(Clone, Copy)]
struct Output {
    ptr: *mut f32,
    len: usize,
}

// SAFETY: the pointer stands for an exclusive borrow that outlives all threads of `run`, and these write
// disjoint elements.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    ///
    /// `index` is at most the length.
    unsafe fn at(&self, index: usize) -> *mut f32 {
        // SAFETY: within the slice, or at its end.
        unsafe { self.ptr.add(index) }
    }
}

/// Computes a batch of products.
///
/// # Safety
///
/// Different products of the batch must not share elements of `out`: the ranges
/// `start + r * row_stride ..+ columns` for all rows r are disjoint among products and, within a product,
/// among rows.
///
/// # Panics
///
/// If a product's left operand has another size than the batch says, or its elements lie outside of `out`.
pub(crate) unsafe fn run<'a, R: RightOperand>(
    isa: Isa,
    threads: &Threads,
    batch: &Batch,
    out: &mut [f32],
    product: impl Fn(usize) -> Product<'a, R> + Sync + Send,
) {
    if batch.count == 0 || batch.rows == 0 || batch.columns == 0 {
        return;
    }
    let micro = Micro::new(isa);
    let out = Output { ptr: out.as_mut_ptr(), len: out.len() };
    let cut = Cut::new(batch, threads.count(), &micro);
    let work =
        batch.count.saturating_mul(batch.rows).saturating_mul(batch.columns).saturating_mul(batch.depth);
    threads.for_each_index(batch.count * cut.row_blocks * cut.column_blocks, work >= GRAIN, |index| {
        let (index, column_block) = (index / cut.column_blocks, index % cut.column_blocks);
        let (index, row_block) = (index / cut.row_blocks, index % cut.row_blocks);
        let rows = row_block * cut.rows..((row_block + 1) * cut.rows).min(batch.rows);
        let columns = column_block * cut.columns..((column_block + 1) * cut.columns).min(batch.columns);
        let product = product(index);
        assert_eq!((product.left.rows(), product.left.cols()), (batch.rows, batch.depth), "left operand");
        let end = product.start + (batch.rows - 1) * batch.row_stride + batch.columns;
        assert!(end <= out.len(), "product lies within the output");
        // SAFETY: the left operand has the batch's size; the block lies within the output, as asserted; no
        // other block has its elements, since blocks of one product are cut disjoint and the caller vouches
        // for different products.
        unsafe { block(&micro, &product, rows, columns, out.at(product.start), batch.row_stride) };
    });
}

/// How each product of a batch is cut into blocks.
struct Cut {
    rows: usize,
    columns: usize,
    row_blocks: usize,
    column_blocks: usize,
}

impl Cut {
    fn new(batch: &Batch, threads: usize, micro: &Micro) -> Cut {
        let (mut rows, mut columns) = (batch.rows, COLUMNS);
        // Several blocks per thread even out their speeds. Halving columns is free; halving rows packs the
        // right operand once more.
        let enough = if threads > 1 { 4 * threads } else { 1 };
        let blocks = |rows: usize, columns: usize| {
            batch.count * batch.rows.div_ceil(rows) * batch.columns.div_ceil(columns)
        };
        while columns > 2 * micro.width && blocks(rows, columns) < enough {
            columns /= 2;
        }
        while rows > 8 * micro.rows && blocks(rows, columns) < enough {
            rows = (rows / 2).next_multiple_of(micro.rows);
        }
        Cut {
            rows,
            columns,
            row_blocks: batch.rows.div_ceil(rows),
            column_blocks: batch.columns.div_ceil(columns),
        }
    }
}

/// Computes the elements (`rows`, `columns`) of a product whose first element is at `out`.
///
/// # Safety
///
/// The left operand has at least `rows.end` rows. `columns` floats of each of the rows may be read and
/// written, and nothing else accesses them meanwhile.
unsafe fn block<R: RightOperand>(
    micro: &Micro,
    product: &Product<'_, R>,
    rows: Range<usize>,
    columns: Range<usize>,
    out: *mut f32,
    row_stride: usize,
) {
    let depth = product.left.cols();
    if depth == 0 {
        for r in rows {
            // SAFETY: the elements of the block, as promised.
            let row = unsafe {
                std::slice::from_raw_parts_mut(out.add(r * row_stride + columns.start), columns.len())
            };
            scale_old(row, product.beta);
            product.bias.add_to(row, r, columns.start);
        }
        return;
    }
    scratch::with(DEPTH.min(depth) * micro.width, |memory| {
        for start in columns.clone().step_by(micro.width) {
            let part = start..(start + micro.width).min(columns.end);
            let width = part.len().next_multiple_of(micro.lanes);
            for first in (0..depth).step_by(DEPTH) {
                let k = first..(first + DEPTH).min(depth);
                let panel = &mut memory[..k.len() * width];
                micro.isa().dispatch(
                    #[inline(always)]
                    || product.right.pack(k.clone(), part.clone(), width, panel),
                );
                let panel = (panel.as_ptr(), width);
                // SAFETY: the panel has `width` floats for each k, the rest is as promised.
                unsafe { strip(micro, product, k, rows.clone(), part.clone(), panel, out, row_stride) };
            }
        }
    });
}

/// Adds the products of summands `k` to the elements of the `part` columns, which one panel covers.
///
/// # Safety
///
/// As for [`block`]; `panel` has the vectors that cover `part` for each of `k`.
#[allow(clippy::too_many_arguments)]
unsafe fn strip<R: RightOperand>(
    micro: &Micro,
    product: &Product<'_, R>,
    k: Range<usize>,
    rows: Range<usize>,
    part: Range<usize>,
    panel: (*const f32, usize),
    out: *mut f32,
    row_stride: usize,
) {
    let (left, left_row, left_col) = product.left.raw();
    let width = part.len().next_multiple_of(micro.lanes);
    let last = k.end == product.left.cols();
    let old = match product.beta {
        _ if k.start > 0 => Old::Add,
        0.0 => Old::Overwrite,
        1.0 => Old::Add,
        beta => Old::Scale(beta),
    };
    for r in rows.clone().step_by(micro.rows) {
        let count = micro.rows.min(rows.end - r);
        // SAFETY: row r and column k.start of the left operand exist.
        let ptr = unsafe { left.offset(r as isize * left_row + k.start as isize * left_col) };
        let a = Left { ptr, row_stride: left_row, col_stride: left_col };
        let shape = (count, width, k.len());
        // SAFETY: the first element of the tile.
        let c = unsafe { out.add(r * row_stride + part.start) };
        if part.len() == width {
            // SAFETY: the tile lies within the block, the left operand has its rows and summands, and the
            // panel its vectors.
            unsafe { micro.tile(shape, product.alpha, a, panel, old, (c, row_stride)) };
        } else {
            let mut tile = [0.0; MAX_ROWS * MAX_WIDTH];
            // SAFETY: as above; `tile` has room for the largest tile.
            unsafe { micro.tile(shape, product.alpha, a, panel, Old::Overwrite, (tile.as_mut_ptr(), width)) };
            for (i, sums) in tile.chunks_exact(width).take(count).enumerate() {
                // SAFETY: row i of the tile without its padding lies within the block.
                let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * row_stride), part.len()) };
                merge(row, &sums[..part.len()], old);
            }
        }
        if last && !matches!(product.bias, Bias::None) {
            for i in 0..count {
                // SAFETY: as above.
                let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * row_stride), part.len()) };
                product.bias.add_to(row, r + i, part.start);
            }
        }
    }
}

fn merge(row: &mut [f32], sums: &[f32], old: Old) {
    for (y, &sum) in row.iter_mut().zip(sums) {
        *y = match old {
            Old::Overwrite => sum,
            Old::Add => *y + sum,
            Old::Scale(scale) => scale * *y + sum,
        };
    }
}

fn scale_old(row: &mut [f32], beta: f32) {
    for y in row {
        *y = if beta == 0.0 { 0.0 } else { beta * *y };
    }
}
