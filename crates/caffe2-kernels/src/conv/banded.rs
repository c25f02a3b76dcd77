//! The matrix of all patches of planes that were copied with their padding: each row of a patch matrix is then made of
//! pieces of memory, without a special case.

use std::ops::Range;

use smallvec::SmallVec;

use super::operand::LeftFilter;
use super::{Call, ConvGeometry, nchw};
use crate::band::{self, Band, CHUNK};
use crate::gemm::RightOperand;
use crate::geometry::Axis;
use crate::rows::copy_over;
use crate::scratch;

/// Rows and columns of planes with one or two dimensions.
pub(super) fn rows_and_columns(axes: &[Axis]) -> Option<(&Axis, &Axis)> {
    match axes {
        [rows, columns] => Some((rows, columns)),
        [columns] => Some((&Axis::ONE, columns)),
        _ => None,
    }
}

/// Whether windows over these dimensions are work for a [`Band`].
pub(super) fn is_banded(axes: &[Axis]) -> bool {
    rows_and_columns(axes).is_some_and(|(rows, columns)| band::is_banded(rows, columns))
}

/// Floats of padded planes up to which those of several images are made at a time: 4 MiB.
const ROUND: usize = 1 << 20;
/// Floats of the padded planes of one image beyond which no such copy is made: 64 MiB.
const MOST: usize = 1 << 24;
/// Floats of padded planes below which waking a pool costs more than it gains.
const GRAIN: usize = 1 << 16;

/// Whether [`products`] computes a convolution.
pub(super) fn suits(g: &ConvGeometry) -> bool {
    let Some((rows, columns)) = rows_and_columns(g.axes()) else { return false };
    if !band::is_banded(rows, columns) {
        return false;
    }
    let elements = Band::new(rows, columns, usize::MAX).elements();
    elements.checked_mul(g.channels()).is_some_and(|len| len <= MOST)
}

/// NCHW: the filters times the patches of padded planes.
///
/// # Panics
///
/// If the convolution is not one of those that [suit](suits).
pub(super) fn products<F: LeftFilter>(call: &Call<'_, F>, output: &mut [f32]) {
    let g = call.geometry;
    let Some((rows, columns)) = rows_and_columns(g.axes()) else {
        panic!("padded planes of {} dimensions", g.axes().len());
    };
    let band = Band::new(rows, columns, usize::MAX);
    let taps: SmallVec<[usize; 128]> = (0..rows.kernel())
        .flat_map(|row| (0..columns.kernel()).map(move |column| (row, column)))
        .map(|(row, column)| band.piece(row, column))
        .collect();
    let (plane_len, pitch, row_len) = (band.elements(), band.pitch(), columns.output());
    let image_len = g.channels() * plane_len;
    let images = (ROUND / image_len.max(1)).clamp(1, g.batch().max(1));
    scratch::with(images * image_len + CHUNK, |memory| {
        for first in (0..g.batch()).step_by(images) {
            let images = first..(first + images).min(g.batch());
            let planes = &mut memory[..images.len() * image_len];
            call.threads.for_each_block(planes, plane_len, GRAIN, |plane, to| {
                let at = (first * g.channels() + plane) * g.input_size();
                call.isa.dispatch(
                    #[inline(always)]
                    || band.fill(&call.input[at..][..g.input_size()], 0, 0.0, to),
                );
            });
            let (memory, taps) = (&*memory, &*taps);
            nchw(call, images, output, |index| {
                let planes = &memory[index * g.group_channels() * plane_len..];
                PaddedPatches { planes, plane_len, pitch, row_len, taps }
            });
        }
    });
}

/// Padded planes as a matrix: row (channel, tap), column (output position).
struct PaddedPatches<'a> {
    /// Planes one after the other, and [`CHUNK`] floats to spare.
    planes: &'a [f32],
    plane_len: usize,
    /// Distance between what a tap sees of neighbouring rows of the output.
    pitch: usize,
    /// Columns of the output.
    row_len: usize,
    /// What each tap sees of the first output, counted from the beginning of the plane.
    taps: &'a [usize],
}

/// Columns of a panel that lie in one row of the output.
struct Segment {
    /// What the first tap sees, counted from the beginning of the plane.
    from: usize,
    /// The first column's place in the panel.
    at: usize,
    len: usize,
}

impl PaddedPatches<'_> {
    fn segments(&self, columns: Range<usize>) -> SmallVec<[Segment; 64]> {
        let mut segments = SmallVec::new();
        let mut position = columns.start;
        while position < columns.end {
            let (row, start) = (position / self.row_len, position % self.row_len);
            let len = (self.row_len - start).min(columns.end - position);
            segments.push(Segment { from: row * self.pitch + start, at: position - columns.start, len });
            position += len;
        }
        segments
    }
}

/// Floats that are copied at a time where there is room.
const STEP: usize = 16;

impl RightOperand for PaddedPatches<'_> {
    #[inline(always)]
    fn pack(&self, k: Range<usize>, columns: Range<usize>, width: usize, panel: &mut [f32]) {
        let used = columns.len();
        let segments = self.segments(columns);
        let (mut channel, mut tap) = (k.start / self.taps.len(), k.start % self.taps.len());
        let mut rest = panel;
        while rest.len() >= width {
            let piece = &self.planes[channel * self.plane_len + self.taps[tap]..];
            // A copy may reach into what comes next, which is written later.
            for &Segment { from, at, len } in &segments {
                match (piece[from..].first_chunk::<STEP>(), rest[at..].first_chunk_mut::<STEP>()) {
                    (Some(from), Some(to)) if len <= STEP => *to = *from,
                    _ => copy_over(1, &piece[from..], &mut rest[at..], len),
                }
            }
            rest[used..width].fill(0.0);
            rest = &mut rest[width..];
            tap += 1;
            if tap == self.taps.len() {
                (tap, channel) = (0, channel + 1);
            }
        }
    }
}
