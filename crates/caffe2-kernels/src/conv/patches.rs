//! The matrix of all patches of an image ("im2col"), never written as a whole: pieces of it are made when
//! the matrix product asks for them.

use std::ops::Range;

use smallvec::SmallVec;

use super::ConvGeometry;
use crate::gemm::RightOperand;
use crate::geometry::Axis;
use crate::rows::copy_over;

/// Some channels of one image in NCHW order, as a matrix: row (channel, tap), column (output position).
pub(super) struct Patches<'a> {
    /// The dimensions but the last, outermost first.
    outer: &'a [Axis],
    last: Axis,
    channels: &'a [f32],
    input_size: usize,
    taps: usize,
}

/// Columns of a panel that lie in one row of the output.
struct Segment {
    /// Position of the row among the outer dimensions of the output.
    row: usize,
    /// Columns within the row.
    columns: Range<usize>,
    /// The first column's place in the panel.
    at: usize,
}

impl<'a> Patches<'a> {
    pub(super) fn new(geometry: &'a ConvGeometry, channels: &'a [f32]) -> Patches<'a> {
        let axes = geometry.axes();
        let (outer, last) = (&axes[..axes.len() - 1], axes[axes.len() - 1]);
        Patches { outer, last, channels, input_size: geometry.input_size(), taps: geometry.taps() }
    }

    fn segments(&self, columns: Range<usize>) -> SmallVec<[Segment; 64]> {
        let row_len = self.last.output();
        let mut segments = SmallVec::new();
        let mut position = columns.start;
        while position < columns.end {
            let (row, start) = (position / row_len, position % row_len);
            let len = (row_len - start).min(columns.end - position);
            segments.push(Segment { row, columns: start..start + len, at: position - columns.start });
            position += len;
        }
        segments
    }

    /// Index among the outer dimensions of the input of the row that tap `tap` of output row `row` reads.
    #[inline(always)]
    fn input_row(&self, mut row: usize, mut tap: usize) -> Option<usize> {
        let (mut index, mut stride) = (0, 1);
        for axis in self.outer.iter().rev() {
            index += axis.element(row % axis.output(), tap % axis.kernel())? * stride;
            stride *= axis.input();
            row /= axis.output();
            tap /= axis.kernel();
        }
        Some(index)
    }
}

impl RightOperand for Patches<'_> {
    #[inline(always)]
    fn pack(&self, k: Range<usize>, columns: Range<usize>, width: usize, panel: &mut [f32]) {
        let used = columns.len();
        let segments = self.segments(columns);
        let kernel = self.last.kernel();
        let outer_taps = self.taps / kernel;
        // What does not depend on the channel, found once: the row of the input that each outer tap of each
        // segment reads, and the columns in which each tap of the last dimension sees the input.
        let rows: SmallVec<[Option<usize>; 256]> = (0..outer_taps)
            .flat_map(|tap| segments.iter().map(move |segment| self.input_row(segment.row, tap)))
            .map(|row| row.map(|row| row * self.last.input()))
            .collect();
        let spans: SmallVec<[Span; 256]> = (0..kernel)
            .flat_map(|tap| segments.iter().map(move |segment| Span::new(&self.last, tap, &segment.columns)))
            .collect();
        let (mut channel, tap) = (k.start / self.taps, k.start % self.taps);
        let (mut outer_tap, mut last_tap) = (tap / kernel, tap % kernel);
        for line in (0..panel.len()).step_by(width) {
            let planes = &self.channels[channel * self.input_size..];
            let rows = &rows[outer_tap * segments.len()..][..segments.len()];
            let spans = &spans[last_tap * segments.len()..][..segments.len()];
            for ((segment, row), span) in segments.iter().zip(rows).zip(spans) {
                // Copies may overwrite what follows, which is written later.
                let to = &mut panel[line + segment.at..];
                match row {
                    Some(row) if span.count > 0 => {
                        to[..span.start].fill(0.0);
                        let from = &planes[row + span.from..];
                        copy_over(self.last.stride(), from, &mut to[span.start..], span.count);
                        to[span.start + span.count..segment.columns.len()].fill(0.0);
                    }
                    _ => to[..segment.columns.len()].fill(0.0),
                }
            }
            panel[line + used..line + width].fill(0.0);
            last_tap += 1;
            if last_tap == kernel {
                (last_tap, outer_tap) = (0, outer_tap + 1);
                if outer_tap == outer_taps {
                    (outer_tap, channel) = (0, channel + 1);
                }
            }
        }
    }
}

/// The columns of a segment in which a tap sees the input.
struct Span {
    /// The first one, counted from that of the segment.
    start: usize,
    count: usize,
    /// Element of the input's row that it sees.
    from: usize,
}

impl Span {
    fn new(axis: &Axis, tap: usize, columns: &Range<usize>) -> Span {
        let inside = axis.windows_with(tap);
        let start = inside.start.clamp(columns.start, columns.end);
        let end = inside.end.clamp(start, columns.end);
        match axis.element(start, tap) {
            Some(from) if start < end => Span { start: start - columns.start, count: end - start, from },
            _ => Span { start: 0, count: 0, from: 0 },
        }
    }
}
