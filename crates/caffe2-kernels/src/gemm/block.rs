//! Products cut into blocks that fit the caches and can be shared among threads.
//!
//! Every element of a product is summed in one order, which depends on the number of summands alone: results
//! are the same bits however the blocks are cut.
#![allow(unsafe_code)]

use std::ops::Range;

use super::left::{LeftForm, LeftOperand, pack_rows};
use super::micro::{Left, MAX_ROWS, MAX_WIDTH, Micro, Old};
use super::pack::RightOperand;
use super::tail::Tail;
use crate::{Isa, Threads, scratch};

/// Summands that are multiplied per pass: a panel of this depth stays in the first-level cache.
const DEPTH: usize = 256;
/// Columns of a block: with [`DEPTH`] rows, its panels take half of a usual second-level cache.
const COLUMNS: usize = 256;
/// Rows, in tiles, that are multiplied by all panels of a block in turn.
const CHUNK_TILES: usize = 8;
/// Panels from which on it pays to pack rows of the left operand first.
const PACKING: usize = 3;
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

/// One product of a batch: `tail(alpha * left * right + beta * old)`.
pub(crate) struct Product<'a, L, R> {
    pub(crate) left: L,
    pub(crate) right: R,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) tail: Tail<'a>,
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
        assert!(product.left.form().suits(&micro), "left operand packed for another instruction set");
        let end = product.start + (batch.rows - 1) * batch.row_stride + batch.columns;
        assert!(end <= out.len(), "product lies within the output");
        // SAFETY: the left operand has the batch's size; the block lies within the output, as asserted; no
        // other block has its elements, since blocks of one product are cut disjoint and the caller vouches
        // for different products.
        unsafe {
            let (out, row_stride) = (out.at(product.start), batch.row_stride);
            Block { micro: &micro, product: &product, rows, columns, depth: batch.depth, out, row_stride }
                .run();
        }
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
        let (mut rows, mut columns) = (batch.rows, COLUMNS.min(batch.columns));
        // Several blocks per thread even out their speeds. Each block of rows packs the right operand once more, each
        // block of columns reads the left one once more: the larger number is halved.
        let enough = if threads > 1 { 4 * threads } else { 1 };
        let blocks = |rows: usize, columns: usize| {
            batch.count * batch.rows.div_ceil(rows) * batch.columns.div_ceil(columns)
        };
        while blocks(rows, columns) < enough {
            if columns > 2 * micro.width && columns >= rows {
                columns = (columns / 2).next_multiple_of(micro.width);
            } else if rows > 4 * micro.rows {
                rows = (rows / 2).next_multiple_of(micro.rows);
            } else {
                break;
            }
        }
        Cut {
            rows,
            columns,
            row_blocks: batch.rows.div_ceil(rows),
            column_blocks: batch.columns.div_ceil(columns),
        }
    }
}

/// The part of a product that one thread computes at a time.
struct Block<'b, 'a, L, R> {
    micro: &'b Micro,
    product: &'b Product<'a, L, R>,
    rows: Range<usize>,
    columns: Range<usize>,
    depth: usize,
    /// The product's first element.
    out: *mut f32,
    row_stride: usize,
}

impl<L: LeftOperand, R: RightOperand> Block<'_, '_, L, R> {
    /// Computes the elements of the block.
    ///
    /// # Safety
    ///
    /// The left operand has the rows and summands of the block and suits `micro`. `columns` floats of each of the rows
    /// may be read and written, and nothing else accesses them meanwhile.
    unsafe fn run(&self) {
        let (micro, width) = (self.micro, self.micro.width);
        if self.depth == 0 {
            for r in self.rows.clone() {
                // SAFETY: the elements of the block, as promised.
                let row = unsafe { self.row(r) };
                scale_old(row, self.product.beta);
            }
            // SAFETY: as promised; all elements were just written.
            unsafe { self.finish(self.rows.clone()) };
            return;
        }
        let panels = self.columns.len().div_ceil(width);
        let chunk = CHUNK_TILES * micro.rows;
        let deepest = DEPTH.min(self.depth);
        let left_len = match self.product.left.form() {
            LeftForm::Matrix(_) if panels < PACKING => 0,
            LeftForm::Packed(_) => 0,
            LeftForm::Matrix(_) | LeftForm::Expanded => {
                chunk.min(self.rows.len().next_multiple_of(micro.rows)) * deepest
            }
        };
        scratch::with(deepest * width * panels + left_len, |memory| {
            let (panel_memory, left_memory) = memory.split_at_mut(deepest * width * panels);
            for first in (0..self.depth).step_by(DEPTH) {
                let k = first..(first + DEPTH).min(self.depth);
                self.pack(k.clone(), panel_memory);
                for r in self.rows.clone().step_by(chunk) {
                    let rows = r..(r + chunk).min(self.rows.end);
                    // SAFETY: the panels have the block's columns of summands k, the rest is as promised.
                    unsafe { self.multiply(k.clone(), rows.clone(), panel_memory, left_memory) };
                    if k.end == self.depth {
                        // SAFETY: as promised; all elements of these rows have been written.
                        unsafe { self.finish(rows) };
                    }
                }
            }
        });
    }

    /// The panels of the block: where each begins in memory, its columns, and its width.
    fn panels(&self, depth: usize) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
        let (micro, columns) = (self.micro, self.columns.clone());
        columns.clone().step_by(micro.width).enumerate().map(move |(index, start)| {
            let part = start..(start + micro.width).min(columns.end);
            let width = part.len().next_multiple_of(micro.lanes);
            (index * depth * micro.width, part, width)
        })
    }

    /// Packs the block's columns of summands `k`.
    fn pack(&self, k: Range<usize>, memory: &mut [f32]) {
        for (at, part, width) in self.panels(k.len()) {
            let panel = &mut memory[at..][..k.len() * width];
            self.micro.isa().dispatch(
                #[inline(always)]
                || self.product.right.pack(k.clone(), part, width, panel),
            );
        }
    }

    /// Adds the products of summands `k` to the elements of `rows`.
    ///
    /// # Safety
    ///
    /// As for [`Block::run`]; `panels` holds what [`Block::pack`] makes of `k`; `rows` begin with a whole tile.
    unsafe fn multiply(&self, k: Range<usize>, rows: Range<usize>, panels: &[f32], left: &mut [f32]) {
        let micro = self.micro;
        let form = self.product.left.form();
        // The piece of the left operand that was brought into working memory, with its strides.
        let piece = match form {
            LeftForm::Matrix(matrix) if !left.is_empty() => {
                micro.isa().dispatch(
                    #[inline(always)]
                    || pack_rows(&matrix, rows.clone(), k.clone(), micro.rows, left),
                );
                Some((&*left, (1, micro.rows as isize)))
            }
            LeftForm::Expanded => {
                let expanded = &mut left[..rows.len() * k.len()];
                micro.isa().dispatch(
                    #[inline(always)]
                    || self.product.left.expand(rows.clone(), k.clone(), expanded),
                );
                Some((&*left, (k.len() as isize, 1)))
            }
            LeftForm::Matrix(_) | LeftForm::Packed(_) => None,
        };
        let old = match self.product.beta {
            _ if k.start > 0 => Old::Add,
            0.0 => Old::Overwrite,
            1.0 => Old::Add,
            beta => Old::Scale(beta),
        };
        for (at, part, width) in self.panels(k.len()) {
            let panel = (panels[at..][..k.len() * width].as_ptr(), width);
            for r in rows.clone().step_by(micro.rows) {
                let count = micro.rows.min(rows.end - r);
                let a = match piece {
                    Some((piece, (row_stride, col_stride))) => {
                        Left { ptr: piece[(r - rows.start) * k.len()..].as_ptr(), row_stride, col_stride }
                    }
                    None => match form.at(r, k.start) {
                        Some(left) => left,
                        None => unreachable!("expanded above"),
                    },
                };
                let shape = (count, width, k.len());
                // SAFETY: the first element of the tile.
                let c = unsafe { self.out.add(r * self.row_stride + part.start) };
                if part.len() == width {
                    // SAFETY: the tile lies within the block, the left operand has its rows and summands, and the
                    // panel its vectors.
                    unsafe { micro.tile(shape, self.product.alpha, a, panel, old, (c, self.row_stride)) };
                    continue;
                }
                let mut tile = [0.0; MAX_ROWS * MAX_WIDTH];
                let to = (tile.as_mut_ptr(), width);
                // SAFETY: as above; `tile` has room for the largest tile.
                unsafe { micro.tile(shape, self.product.alpha, a, panel, Old::Overwrite, to) };
                for (i, sums) in tile.chunks_exact(width).take(count).enumerate() {
                    // SAFETY: row i of the tile without its padding lies within the block.
                    let row =
                        unsafe { std::slice::from_raw_parts_mut(c.add(i * self.row_stride), part.len()) };
                    merge(row, &sums[..part.len()], old);
                }
            }
        }
    }

    /// Applies the tail of the product to `rows`.
    ///
    /// # Safety
    ///
    /// As for [`Block::run`], and the elements are initialised.
    unsafe fn finish(&self, rows: Range<usize>) {
        let tail = self.product.tail;
        if tail.is_nothing() {
            return;
        }
        self.micro.isa().dispatch(
            #[inline(always)]
            move || {
                for r in rows {
                    let at = self.product.start + r * self.row_stride + self.columns.start;
                    // SAFETY: as promised.
                    tail.apply(unsafe { self.row(r) }, r, self.columns.start, at);
                }
            },
        );
    }

    /// The block's part of row `r`.
    ///
    /// # Safety
    ///
    /// `r` is a row of the block, no other reference to it exists, and the elements are initialised.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    unsafe fn row(&self, r: usize) -> &mut [f32] {
        // SAFETY: the elements lie within the block.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.out.add(r * self.row_stride + self.columns.start),
                self.columns.len(),
            )
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
