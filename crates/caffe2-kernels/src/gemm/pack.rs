//! Right operands of a product, brought into panels.

use std::ops::Range;

use super::MatRef;

/// A right operand: a matrix, or something that can be unrolled into one piece by piece.
pub(crate) trait RightOperand: Sync {
    /// Writes the elements of rows `k` and columns `columns` to `panel`, row by row, each padded with zeros
    /// to `width` elements. `panel` holds `k.len() * width` elements.
    fn pack(&self, k: Range<usize>, columns: Range<usize>, width: usize, panel: &mut [f32]);
}

impl RightOperand for MatRef<'_> {
    #[inline(always)]
    fn pack(&self, k: Range<usize>, columns: Range<usize>, width: usize, panel: &mut [f32]) {
        let first = k.start * self.row_stride + columns.start * self.col_stride;
        let data = &self.data[first.min(self.data.len())..];
        if self.col_stride == 1 {
            pack_rows(data, self.row_stride, columns.len(), width, panel);
        } else if self.row_stride == 1 {
            pack_columns(data, self.col_stride, columns.len(), k.len(), (width, width), panel);
        } else {
            for (p, line) in panel.chunks_exact_mut(width).enumerate() {
                for (j, x) in line.iter_mut().enumerate() {
                    let value = || data[p * self.row_stride + j * self.col_stride];
                    *x = if j < columns.len() { value() } else { 0.0 };
                }
            }
        }
    }
}

/// Packs a matrix whose rows are contiguous.
#[inline(always)]
fn pack_rows(data: &[f32], stride: usize, columns: usize, width: usize, panel: &mut [f32]) {
    // Copies of a fixed size take a few instructions, others a call.
    match width {
        _ if columns < width => {}
        8 => return pack_whole_rows::<8>(data, stride, panel),
        16 => return pack_whole_rows::<16>(data, stride, panel),
        32 => return pack_whole_rows::<32>(data, stride, panel),
        64 => return pack_whole_rows::<64>(data, stride, panel),
        _ => {}
    }
    for (p, line) in panel.chunks_exact_mut(width).enumerate() {
        line[..columns].copy_from_slice(&data[p * stride..][..columns]);
        line[columns..].fill(0.0);
    }
}

#[inline(always)]
fn pack_whole_rows<const WIDTH: usize>(data: &[f32], stride: usize, panel: &mut [f32]) {
    for (p, line) in panel.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
        if let Some(from) = data[p * stride..].first_chunk() {
            *line = *from;
        }
    }
}

/// Packs `width` columns of a matrix whose columns are contiguous, in square tiles, to a panel whose rows are `pitch`
/// apart; columns beyond the first `columns` are zeros.
#[inline(always)]
pub(crate) fn pack_columns(
    data: &[f32],
    stride: usize,
    columns: usize,
    k: usize,
    (width, pitch): (usize, usize),
    panel: &mut [f32],
) {
    const TILE: usize = 16;
    for column in (0..width).step_by(TILE) {
        let tile_columns = TILE.min(width - column);
        let valid = columns.saturating_sub(column).min(tile_columns);
        for p in (0..k).step_by(TILE) {
            let depth = TILE.min(k - p);
            let mut tile = [[0.0; TILE]; TILE];
            for (j, lane) in tile.iter_mut().enumerate().take(valid) {
                let from = &data[(column + j) * stride + p..];
                if depth == TILE {
                    lane.copy_from_slice(&from[..TILE]);
                } else {
                    lane[..depth].copy_from_slice(&from[..depth]);
                }
            }
            for q in 0..depth {
                let mut line = [0.0; TILE];
                for (x, lane) in line.iter_mut().zip(&tile) {
                    *x = lane[q];
                }
                let to = &mut panel[(p + q) * pitch + column..];
                if tile_columns == TILE {
                    to[..TILE].copy_from_slice(&line);
                } else {
                    to[..tile_columns].copy_from_slice(&line[..tile_columns]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_the_matrix_and_zeros() {
        let data: Vec<f32> = (1..=40 * 50).map(|i| i as f32).collect();
        let by_rows = MatRef::new(&data, 40, 50).unwrap();
        let by_columns = MatRef::new(&data, 50, 40).unwrap().transposed();
        let strided = MatRef { col_stride: 2, cols: 25, ..by_rows };
        for (matrix, columns, width) in [
            (by_rows, 3..20, 32),
            (by_columns, 3..20, 32),
            (by_columns, 40..50, 16),
            (by_columns, 0..8, 8),
            (by_rows, 0..8, 8),
            (by_rows, 9..25, 16),
            (by_rows, 18..50, 32),
            (strided, 1..4, 8),
        ] {
            let k = 5..38;
            let mut panel = vec![-1.0; k.len() * width];
            matrix.pack(k.clone(), columns.clone(), width, &mut panel);
            for p in k.clone() {
                for j in 0..width {
                    let column = columns.start + j;
                    let at = p * matrix.row_stride + column * matrix.col_stride;
                    let want = if j < columns.len() { data[at] } else { 0.0 };
                    assert_eq!(panel[(p - k.start) * width + j], want, "{p} {j}");
                }
            }
        }
    }
}
