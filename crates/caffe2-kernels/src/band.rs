//! A band of rows of an image plane with its padding, laid out so that neighbouring windows read neighbouring
//! floats, across the ends of rows too.
//!
//! Padded rows and columns are sorted by their phase within the stride: phase `p` holds the elements `p`,
//! `p + stride`, `p + 2 * stride`, …. Element (i, k) of all windows of the band, in order, is then one
//! contiguous piece, of which each row has a few surplus floats at its end. Loops over such pieces are long
//! and free of special cases even where the rows of the image are short.

use smallvec::SmallVec;

use crate::geometry::Axis;
use crate::rows::copy_over;

/// Floats that a loop over a piece handles at once; pieces may be read up to the next multiple.
pub(crate) const CHUNK: usize = 64;

/// The layout of a band.
#[derive(Debug, Clone)]
pub(crate) struct Band<'a> {
    rows: &'a Axis,
    columns: &'a Axis,
    /// Rows of the output that one band serves.
    outputs: usize,
    /// Rows of each phase.
    phase_rows: usize,
    /// Floats per row of a phase, and of the output as the pieces have it.
    pitch: usize,
    /// Phases of rows that windows see: fewer than the stride where windows are apart.
    row_phases: usize,
    /// For each phase of columns that windows see what of a row belongs to it.
    spans: SmallVec<[Span; 4]>,
}

/// The elements of a row that belong to one phase of columns.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Padding before the first.
    start: usize,
    /// Position of the first within the row.
    first: usize,
    count: usize,
}

impl Span {
    fn new(axis: &Axis, phase: usize, pitch: usize) -> Span {
        // Element i of the phase is element phase + i * stride - head of the row.
        let (stride, lead) = (axis.stride(), axis.head() - phase as isize);
        let start = if lead > 0 { lead.unsigned_abs().div_ceil(stride) } else { 0 }.min(pitch);
        let first = ((start * stride) as isize - lead).max(0) as usize;
        let count = axis.input().saturating_sub(first).div_ceil(stride).min(pitch - start);
        Span { start, first: first.min(axis.input()), count }
    }
}

/// How many elements of one phase `outputs` windows reach over.
fn phase_len(axis: &Axis, outputs: usize) -> usize {
    outputs + (axis.kernel() - 1) * axis.dilation() / axis.stride()
}

/// How many phases the elements of windows belong to.
fn phases(axis: &Axis) -> usize {
    axis.stride().min((axis.kernel() - 1) * axis.dilation() + 1)
}

/// Floats that a band for a single row of the output may take, and the largest step between its windows. What
/// exceeds them (gigantic kernels in gigantic padding, far apart windows) is no work for bands: their memory
/// is proportional to the padded image and not to the image.
const MOST: usize = 1 << 18;
const WIDEST_STEP: usize = CHUNK;

/// Whether windows over these rows and columns are work for a [`Band`].
pub(crate) fn is_banded(rows: &Axis, columns: &Axis) -> bool {
    let len = [columns.stride(), phase_len(rows, 1), phase_len(columns, columns.output())]
        .into_iter()
        .try_fold(rows.stride(), usize::checked_mul);
    columns.stride() <= WIDEST_STEP && len.is_some_and(|len| len <= MOST)
}

impl<'a> Band<'a> {
    /// The largest band that takes at most `limit` floats, or a single row of the output if that is larger. The
    /// windows must be [work for a band](is_banded).
    pub(crate) fn new(rows: &'a Axis, columns: &'a Axis, limit: usize) -> Band<'a> {
        let mut band = Band::of(rows, columns, rows.output());
        while band.outputs > 1 && band.len() > limit {
            band.resize(band.outputs.div_ceil(2));
        }
        band
    }

    /// A band for `outputs` rows of the output. The windows must be [work for a band](is_banded).
    pub(crate) fn of(rows: &'a Axis, columns: &'a Axis, outputs: usize) -> Band<'a> {
        let pitch = phase_len(columns, columns.output());
        let spans = (0..phases(columns)).map(|phase| Span::new(columns, phase, pitch)).collect();
        let mut band =
            Band { rows, columns, outputs: 0, phase_rows: 0, pitch, row_phases: phases(rows), spans };
        band.resize(outputs);
        band
    }

    fn resize(&mut self, outputs: usize) {
        self.outputs = outputs;
        self.phase_rows = phase_len(self.rows, outputs);
    }

    /// Floats of memory that a band takes: its elements, and some to spare.
    pub(crate) fn len(&self) -> usize {
        self.elements() + CHUNK
    }

    /// Floats that [`fill`](Band::fill) writes.
    pub(crate) fn elements(&self) -> usize {
        self.row_phases * self.column_phases() * self.phase_rows * self.pitch
    }

    /// Phases of columns.
    pub(crate) fn column_phases(&self) -> usize {
        self.spans.len()
    }

    /// Rows of the output that one band serves.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floats of a folded piece: one per element of the output and the surplus ones, rounded up.
    pub(crate) fn folded_len(&self) -> usize {
        (self.outputs * self.pitch).next_multiple_of(CHUNK)
    }

    /// Distance between the rows of a piece.
    pub(crate) fn pitch(&self) -> usize {
        self.pitch
    }

    /// Distance between the phases of columns that belong to the same phase of rows.
    pub(crate) fn column_phase_len(&self) -> usize {
        self.phase_rows * self.pitch
    }

    /// Where the piece for element (`row`, `column`) of the windows begins.
    #[inline(always)]
    pub(crate) fn piece(&self, row: usize, column: usize) -> usize {
        let (row, column) = (row * self.rows.dilation(), column * self.columns.dilation());
        let phase = row % self.rows.stride() * self.column_phases() + column % self.columns.stride();
        (phase * self.phase_rows + row / self.rows.stride()) * self.pitch + column / self.columns.stride()
    }

    /// Floats of a piece that `rows` rows of the output need.
    #[inline(always)]
    pub(crate) fn piece_len(&self, rows: usize) -> usize {
        (rows - 1) * self.pitch + self.columns.output()
    }

    /// Copies the elements of the output from a folded piece to their places.
    #[inline(always)]
    pub(crate) fn unfold(&self, folded: &[f32], out: &mut [f32]) {
        let width = self.columns.output();
        for row in 0..out.len() / width {
            // What a copy writes beyond its row, the next one brings.
            copy_over(1, &folded[row * self.pitch..], &mut out[row * width..], width);
        }
    }

    /// Fills `to` with what the windows from row `first` of the output on see of a plane.
    #[inline(always)]
    pub(crate) fn fill(&self, plane: &[f32], first: usize, padding: f32, to: &mut [f32]) {
        let (width, stride) = (self.columns.input(), self.columns.stride());
        let mut at = 0;
        for row_phase in 0..self.row_phases {
            for span in &self.spans {
                for row in 0..self.phase_rows {
                    let row = ((first + row) * self.rows.stride() + row_phase) as isize - self.rows.head();
                    let row = usize::try_from(row).ok().filter(|&row| row < self.rows.input());
                    // Beyond its own floats a row may write those of the next, which come later.
                    let to = &mut to[at..];
                    if let Some(row) = row {
                        let from = &plane[row * width + span.first..];
                        let end = span.start + span.count;
                        fill_over(padding, to, span.start);
                        copy_over(stride, from, &mut to[span.start..], span.count);
                        fill_over(padding, &mut to[end..], self.pitch - end);
                    } else {
                        to[..self.pitch].fill(padding);
                    }
                    at += self.pitch;
                }
            }
        }
    }
}

/// Writes `value` to `count` elements; with few of them up to 7 elements after the last may be overwritten too.
#[inline(always)]
fn fill_over(value: f32, to: &mut [f32], count: usize) {
    match to.first_chunk_mut::<8>() {
        _ if count == 0 => {}
        Some(chunk) if count <= chunk.len() => *chunk = [value; 8],
        _ => to[..count].fill(value),
    }
}

/// Folds pieces of `data`, element by element: `step(factor(k), value, element)` is the next value, the first
/// one is `first`. `len` floats of the result are written to `to`, and more up to a multiple of [`CHUNK`].
#[inline(always)]
pub(crate) fn fold_pieces(
    data: &[f32],
    pieces: &[usize],
    factor: impl Fn(usize) -> f32,
    first: f32,
    step: impl Fn(f32, f32, f32) -> f32 + Copy,
    len: usize,
    to: &mut [f32],
) {
    let chunks = &mut to.as_chunks_mut::<CHUNK>().0[..len.div_ceil(CHUNK)];
    // The usual numbers of pieces, for which all values stay in registers.
    match pieces.len() {
        2 => fold_some::<2>(data, pieces, factor, first, step, chunks),
        3 => fold_some::<3>(data, pieces, factor, first, step, chunks),
        9 => fold_some::<9>(data, pieces, factor, first, step, chunks),
        _ => {
            for (c, to) in chunks.iter_mut().enumerate() {
                *to = [first; CHUNK];
                for (k, &piece) in pieces.iter().enumerate() {
                    let factor = factor(k);
                    for (value, &x) in to.iter_mut().zip(chunk_at(data, piece + c * CHUNK)) {
                        *value = step(factor, *value, x);
                    }
                }
            }
        }
    }
}

/// [`fold_pieces`] for `N` pieces.
#[inline(always)]
fn fold_some<const N: usize>(
    data: &[f32],
    pieces: &[usize],
    factor: impl Fn(usize) -> f32,
    first: f32,
    step: impl Fn(f32, f32, f32) -> f32 + Copy,
    chunks: &mut [[f32; CHUNK]],
) {
    let (mut at, mut factors) = ([0; N], [0.0; N]);
    for k in 0..N {
        (at[k], factors[k]) = (pieces[k], factor(k));
    }
    for (c, to) in chunks.iter_mut().enumerate() {
        let mut values = [first; CHUNK];
        for k in 0..N {
            for (value, &x) in values.iter_mut().zip(chunk_at(data, at[k] + c * CHUNK)) {
                *value = step(factors[k], *value, x);
            }
        }
        *to = values;
    }
}

/// The chunk that begins at `at`.
///
/// # Panics
///
/// If fewer than [`CHUNK`] floats follow; a band has these to spare after its last piece.
#[inline(always)]
fn chunk_at(data: &[f32], at: usize) -> &[f32; CHUNK] {
    let Some(chunk) = data[at..].first_chunk() else {
        panic!("a chunk at {at} exceeds {} floats", data.len());
    };
    chunk
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::{PadRule, Window};

    proptest! {
        #[test]
        fn pieces_hold_the_elements_of_the_windows(
            sizes in [(1usize..30, 1i64..5, 1i64..4, 1i64..3, -3i64..5, -3i64..5), (1usize..30, 1i64..5, 1i64..4, 1i64..3, -3i64..5, -3i64..5)],
            limit in 0usize..2000,
        ) {
            let axes = sizes.map(|(input, kernel, stride, dilation, head, tail)| {
                Axis::new(input, Window { kernel, stride, dilation, head, tail }, PadRule::Explicit)
            });
            if let [Ok(rows), Ok(columns)] = axes {
                let band = Band::new(&rows, &columns, limit);
                let plane: Vec<f32> = (0..rows.input() * columns.input()).map(|i| i as f32).collect();
                let mut memory = vec![f32::NAN; band.len()];
                for first in (0..rows.output()).step_by(band.outputs()) {
                    band.fill(&plane, first, -1.0, &mut memory);
                    for (i, k) in (0..rows.kernel()).flat_map(|i| (0..columns.kernel()).map(move |k| (i, k))) {
                        let piece = &memory[band.piece(i, k)..];
                        for r in 0..band.outputs().min(rows.output() - first) {
                            for o in 0..columns.output() {
                                let at = rows.element(first + r, i).zip(columns.element(o, k));
                                let want = at.map_or(-1.0, |(y, x)| plane[y * columns.input() + x]);
                                prop_assert_eq!(piece[r * band.pitch() + o], want);
                            }
                        }
                    }
                }
            }
        }
    }
}
