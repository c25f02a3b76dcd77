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

/// A left operand: a matrix, or something that is expanded into one piece by piece.
pub(crate) trait LeftOperand: Sync {
    /// The number of rows, and of summands.
    fn size(&self) -> (usize, usize);

    /// The operand as it lies in memory; `None` when it has to be expanded.
    fn in_memory(&self) -> Option<MatRef<'_>>;

    /// Writes summands `k` of `rows`, row by row, to `out`, which holds as many elements.
    fn expand(&self, rows: Range<usize>, k: Range<usize>, out: &mut [f32]);
}

impl LeftOperand for MatRef<'_> {
    fn size(&self) -> (usize, usize) {
        (self.rows(), self.cols())
    }

    fn in_memory(&self) -> Option<MatRef<'_>> {
        Some(*self)
    }

    fn expand(&self, _: Range<usize>, _: Range<usize>, _: &mut [f32]) {
        unreachable!("a matrix in memory is used where it lies")
    }
}

/// One product of a batch: `alpha * left * right + beta * old + bias`.
pub(crate) struct Product<'a, L, R> {
    pub(crate) left: L,
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
pub(crate) unsafe fn run<'a, L: LeftOperand, R: RightOperand>(
    isa: Isa,
    threads: &Threads,
    batch: &Batch,
    out: &mut [f32],
    product: impl Fn(usize) -> Product<'a, L, R> + Sync + Send,
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
        assert_eq!(product.left.size(), (batch.rows, batch.depth), "left operand");
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
unsafe fn block<L: LeftOperand, R: RightOperand>(
    micro: &Micro,
    product: &Product<'_, L, R>,
    rows: Range<usize>,
    columns: Range<usize>,
    out: *mut f32,
    row_stride: usize,
) {
    let (_, depth) = product.left.size();
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
    let strips = Strips { micro, product, depth, out, row_stride };
    match product.left.in_memory() {
        // SAFETY: the caller's promise.
        Some(left) => unsafe { strips.in_memory(left, rows, columns) },
        // SAFETY: the caller's promise.
        None => unsafe { strips.expanding(rows, columns) },
    }
}

/// Rows of a left operand that are expanded at a time: with [`DEPTH`] summands each, 96 KiB.
const EXPANDED_ROWS: usize = 96;

/// The computation of blocks of one product, strip by strip: columns that one panel covers.
struct Strips<'a, L, R> {
    micro: &'a Micro,
    product: &'a Product<'a, L, R>,
    depth: usize,
    out: *mut f32,
    row_stride: usize,
}

impl<L: LeftOperand, R: RightOperand> Strips<'_, L, R> {
    /// Each strip for itself, all summands.
    ///
    /// # Safety
    ///
    /// As for [`block`]; `left` is the left operand.
    unsafe fn in_memory(&self, left: MatRef<'_>, rows: Range<usize>, columns: Range<usize>) {
        let (ptr, row_stride, col_stride) = left.raw();
        scratch::with(DEPTH.min(self.depth) * self.micro.width, |memory| {
            for part in self.parts(columns) {
                for k in self.summands() {
                    self.pack(&k, &part, memory);
                    // SAFETY: row `rows.start` and summand `k.start` of the left operand exist.
                    let ptr = unsafe {
                        ptr.offset(rows.start as isize * row_stride + k.start as isize * col_stride)
                    };
                    let left = Left { ptr, row_stride, col_stride };
                    // SAFETY: `left` has `rows` from its first on, and summands `k`; the panel was packed for these;
                    // the rest is as promised.
                    unsafe { self.strip(left, k, rows.clone(), part.clone(), memory.as_ptr()) };
                }
            }
        });
    }

    /// All strips together, [`DEPTH`] summands at a time: a piece of the left operand is expanded once for all of
    /// them. The bits are those of [`Strips::in_memory`], since each element is summed in the same order.
    ///
    /// # Safety
    ///
    /// As for [`block`].
    unsafe fn expanding(&self, rows: Range<usize>, columns: Range<usize>) {
        let depth = DEPTH.min(self.depth);
        let panel_len = depth * self.micro.width;
        let panels_len = self.parts(columns.clone()).count() * panel_len;
        scratch::with(panels_len + depth * EXPANDED_ROWS.min(rows.len()), |memory| {
            let (panels, expanded) = memory.split_at_mut(panels_len);
            for k in self.summands() {
                for (part, panel) in self.parts(columns.clone()).zip(panels.chunks_exact_mut(panel_len)) {
                    self.pack(&k, &part, panel);
                }
                for first in rows.clone().step_by(EXPANDED_ROWS) {
                    let rows = first..(first + EXPANDED_ROWS).min(rows.end);
                    let expanded = &mut expanded[..rows.len() * k.len()];
                    self.micro.isa().dispatch(
                        #[inline(always)]
                        || self.product.left.expand(rows.clone(), k.clone(), expanded),
                    );
                    let left = Left { ptr: expanded.as_ptr(), row_stride: k.len() as isize, col_stride: 1 };
                    for (part, panel) in self.parts(columns.clone()).zip(panels.chunks_exact(panel_len)) {
                        // SAFETY: as in `in_memory`.
                        unsafe { self.strip(left, k.clone(), rows.clone(), part, panel.as_ptr()) };
                    }
                }
            }
        });
    }

    /// The columns of each strip.
    fn parts(&self, columns: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (width, end) = (self.micro.width, columns.end);
        columns.step_by(width).map(move |start| start..(start + width).min(end))
    }

    /// The summands of each pass.
    fn summands(&self) -> impl Iterator<Item = Range<usize>> {
        let depth = self.depth;
        (0..depth).step_by(DEPTH).map(move |first| first..(first + DEPTH).min(depth))
    }

    /// The vectors that cover a strip, in floats.
    fn width_of(&self, part: &Range<usize>) -> usize {
        part.len().next_multiple_of(self.micro.lanes)
    }

    fn pack(&self, k: &Range<usize>, part: &Range<usize>, memory: &mut [f32]) {
        let width = self.width_of(part);
        let panel = &mut memory[..k.len() * width];
        self.micro.isa().dispatch(
            #[inline(always)]
            || self.product.right.pack(k.clone(), part.clone(), width, panel),
        );
    }

    /// Adds the products of summands `k` to the elements of `rows` in the columns `part`, which one panel covers.
    ///
    /// # Safety
    ///
    /// As for [`block`]; `left` has `rows` from its first on, and summands `k` from its first on; `panel` has the vectors
    /// that cover `part` for each of `k`.
    unsafe fn strip(
        &self,
        left: Left,
        k: Range<usize>,
        rows: Range<usize>,
        part: Range<usize>,
        panel: *const f32,
    ) {
        let &Strips { micro, product, depth, out, row_stride } = self;
        let (width, last) = (self.width_of(&part), k.end == depth);
        let old = match product.beta {
            _ if k.start > 0 => Old::Add,
            0.0 => Old::Overwrite,
            1.0 => Old::Add,
            beta => Old::Scale(beta),
        };
        for r in rows.clone().step_by(micro.rows) {
            let count = micro.rows.min(rows.end - r);
            // SAFETY: the left operand has the row.
            let ptr = unsafe { left.ptr.offset((r - rows.start) as isize * left.row_stride) };
            let (a, panel) = (Left { ptr, ..left }, (panel, width));
            let shape = (count, width, k.len());
            // SAFETY: the first element of the tile.
            let c = unsafe { out.add(r * row_stride + part.start) };
            if part.len() == width {
                // SAFETY: the tile lies within the block, the left operand has its rows and summands, and the
                // panel its vectors.
                unsafe { micro.tile(shape, product.alpha, a, panel, old, (c, row_stride)) };
            } else {
                let mut tile = [0.0; MAX_ROWS * MAX_WIDTH];
                let c_tile = (tile.as_mut_ptr(), width);
                // SAFETY: as above; `tile` has room for the largest tile.
                unsafe { micro.tile(shape, product.alpha, a, panel, Old::Overwrite, c_tile) };
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
