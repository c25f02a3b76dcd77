//! Matrices of bytes as operands of products that are expanded piece by piece.

use std::ops::Range;

use super::ByteRows;
use crate::gemm::{LeftForm, LeftOperand, RightOperand, pack_columns};

/// The right operand: some rows of a matrix, `TRANSPOSED` or as they are.
pub(crate) struct RightBytes<'a, B, const TRANSPOSED: bool> {
    pub(crate) weights: &'a B,
    /// The row of the matrix that is the first of the operand.
    pub(crate) first: usize,
}

/// Rows that are expanded before they are transposed, and elements of each: 8 KiB.
const TILE_ROWS: usize = 16;
const TILE_DEPTH: usize = 128;

impl<B: ByteRows, const TRANSPOSED: bool> RightOperand for RightBytes<'_, B, TRANSPOSED> {
    #[inline(always)]
    fn pack(&self, k: Range<usize>, columns: Range<usize>, width: usize, panel: &mut [f32]) {
        if !TRANSPOSED {
            for (row, line) in k.zip(panel.chunks_exact_mut(width)) {
                let (values, rest) = line.split_at_mut(columns.len());
                self.weights.expand(self.first + row, columns.start, values);
                rest.fill(0.0);
            }
            return;
        }
        let mut tile = [0.0; TILE_ROWS * TILE_DEPTH];
        for start in (0..width).step_by(TILE_ROWS) {
            let tile_width = TILE_ROWS.min(width - start);
            let count = columns.len().saturating_sub(start).min(tile_width);
            for depth in k.clone().step_by(TILE_DEPTH) {
                let len = TILE_DEPTH.min(k.end - depth);
                for (i, values) in tile.chunks_exact_mut(TILE_DEPTH).take(count).enumerate() {
                    let row = self.first + columns.start + start + i;
                    self.weights.expand(row, depth, &mut values[..len]);
                }
                let to = &mut panel[(depth - k.start) * width + start..];
                pack_columns(&tile, TILE_DEPTH, count, len, (tile_width, width), to);
            }
        }
    }
}

/// The left operand: some rows of a matrix.
pub(crate) struct LeftBytes<'a, B> {
    pub(crate) weights: &'a B,
    /// The row of the matrix that is the first of the operand.
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

impl<B: ByteRows> LeftOperand for LeftBytes<'_, B> {
    fn size(&self) -> (usize, usize) {
        (self.rows, self.weights.width())
    }

    fn form(&self) -> LeftForm<'_> {
        LeftForm::Expanded
    }

    #[inline(always)]
    fn expand(&self, rows: Range<usize>, k: Range<usize>, out: &mut [f32]) {
        for (row, values) in rows.zip(out.chunks_exact_mut(k.len())) {
            self.weights.expand(self.first + row, k.start, values);
        }
    }
}
