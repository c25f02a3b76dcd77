//! Pooling of planes, band by band: first over the rows of each window, then over the columns of the result.

use smallvec::SmallVec;

use super::{Call, Pooling, larger};
use crate::Isa;
use crate::band::{Band, CHUNK, fold_pieces, is_banded};
use crate::geometry::Axis;
use crate::reduce::reduce;
use crate::rows::combine_rows;
use crate::scratch;
use crate::simd::Vector;
use crate::windows::{Step, Windows};

/// Floats of a padded band of the input, about: 16 KiB, a third of a usual first-level cache.
const BAND: usize = 4 * 1024;

/// The largest element of a window.
#[derive(Clone, Copy)]
struct Largest;

#[allow(unsafe_code)]
impl Step for Largest {
    #[inline(always)]
    unsafe fn factor<V: Vector>(self, _: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::splat(0.0) }
    }

    #[inline(always)]
    unsafe fn step<V: Vector>(_: V, value: V, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { value.larger(x) }
    }
}

/// The sum of the elements of a window.
#[derive(Clone, Copy)]
struct Total;

#[allow(unsafe_code)]
impl Step for Total {
    #[inline(always)]
    unsafe fn factor<V: Vector>(self, _: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::splat(0.0) }
    }

    #[inline(always)]
    unsafe fn step<V: Vector>(_: V, value: V, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { value.add(x) }
    }
}

pub(super) fn run(call: &Call<'_>, pooling: Pooling, output: &mut [f32]) {
    match pooling {
        Pooling::Max => planes(
            call,
            output,
            f32::NEG_INFINITY,
            Largest,
            larger,
            #[inline(always)]
            |_, _| (),
        ),
        Pooling::Average { include_pad } => {
            let g = call.geometry;
            let (volume, last) = (g.volume() as f32, &g.axes[g.axes.len() - 1]);
            scratch::with(last.output(), |counts| {
                for (o, count) in counts.iter_mut().enumerate() {
                    // An empty window, which only Caffe's pooling rule can make, has mean 0.
                    *count = last.clipped(o).len().max(1) as f32;
                }
                let counts = &*counts;
                planes(
                    call,
                    output,
                    0.0,
                    Total,
                    #[inline(always)]
                    |a, b| a + b,
                    #[inline(always)]
                    move |outer: usize, row: &mut [f32]| {
                        let outer = outer.max(1) as f32;
                        for (y, count) in row.iter_mut().zip(counts) {
                            *y /= if include_pad { volume } else { outer * count };
                        }
                    },
                );
            });
        }
    }
}

/// Reduces each window by `combine`, or `step`, which does the same, starting at `neutral`, and calls `finish` with each row of the output
/// and the number of input rows that went into it.
#[inline(always)]
fn planes(
    call: &Call<'_>,
    output: &mut [f32],
    neutral: f32,
    step: impl Step + Sync + Send,
    combine: impl Fn(f32, f32) -> f32 + Copy + Sync + Send,
    finish: impl Fn(usize, &mut [f32]) + Copy + Sync + Send,
) {
    let g = call.geometry;
    let (depth, rows, columns) = match g.axes.as_slice() {
        [depth, rows, columns] => (depth, rows, columns),
        [rows, columns] => (&Axis::ONE, rows, columns),
        axes => (&Axis::ONE, &Axis::ONE, &axes[0]),
    };
    let global =
        [depth, rows, columns].iter().all(|axis| axis.output() == 1 && axis.clipped(0) == (0..axis.input()));
    let pooler = is_banded(rows, columns).then(|| Pooler::new(rows, columns, neutral));
    let pooler_len = pooler.as_ref().map_or(0, Pooler::memory_len);
    let plane_len = rows.input() * columns.input();
    // Windows of more than one plane are first reduced to one.
    let flat = depth.input() == 1;
    let flat_len = if flat { 0 } else { plane_len };
    call.threads.for_each_block(output, g.output_size, g.grain(), |index, out| {
        let input = &call.input[index * g.input_size..][..g.input_size];
        scratch::with(flat_len + pooler_len, |memory| {
            let (reduced, memory) = memory.split_at_mut(flat_len);
            call.isa.dispatch(
                #[inline(always)]
                || {
                    if global {
                        out[0] = reduce(input, neutral, combine);
                        return finish(input.len() / columns.input(), out);
                    }
                    for (d, out) in out.chunks_exact_mut(rows.output() * columns.output()).enumerate() {
                        let planes = depth.clipped(d);
                        let count = planes.len();
                        let plane = if flat {
                            input
                        } else {
                            reduced.fill(neutral);
                            for p in planes {
                                combine_rows(reduced, [&input[p * plane_len..][..plane_len]], combine);
                            }
                            &*reduced
                        };
                        match &pooler {
                            Some(pooler) => pooler.pool(call.isa, plane, step, combine, memory, out),
                            None => pool_directly(plane, rows, columns, neutral, combine, out),
                        }
                        for (r, row) in out.chunks_exact_mut(columns.output()).enumerate() {
                            finish(count * rows.clipped(r).len(), row);
                        }
                    }
                },
            );
        });
    });
}

/// Pooling of one plane, window by window, without any working memory.
fn pool_directly(
    plane: &[f32],
    rows: &Axis,
    columns: &Axis,
    neutral: f32,
    combine: impl Fn(f32, f32) -> f32 + Copy,
    out: &mut [f32],
) {
    for (r, out) in out.chunks_exact_mut(columns.output()).enumerate() {
        for (c, y) in out.iter_mut().enumerate() {
            *y = neutral;
            for row in rows.clipped(r) {
                let window = columns.clipped(c);
                let row = &plane[row * columns.input()..][..columns.input()];
                *y = row[window].iter().fold(*y, |y, &x| combine(y, x));
            }
        }
    }
}

/// Pooling of one plane.
struct Pooler<'a> {
    columns: &'a Axis,
    band: Band<'a>,
    neutral: f32,
    /// Where in a band, counted from a phase of columns, the rows of a window begin.
    rows: SmallVec<[usize; 16]>,
    /// Where in the reduced rows the columns of a window begin.
    pieces: SmallVec<[usize; 16]>,
    /// Where in a band all elements of a window begin, column by column, if there are few.
    windows: Option<SmallVec<[usize; FEW]>>,
}

/// Elements up to which windows are combined without reducing rows first.
const FEW: usize = 9;

impl<'a> Pooler<'a> {
    fn new(rows: &'a Axis, columns: &'a Axis, neutral: f32) -> Pooler<'a> {
        let band = Band::new(rows, columns, BAND);
        let phase_len = band.folded_len();
        let piece = |k: usize| k % columns.stride() * phase_len + k / columns.stride();
        Pooler {
            columns,
            neutral,
            rows: (0..rows.kernel()).map(|k| band.piece(k, 0)).collect(),
            pieces: (0..columns.kernel()).map(piece).collect(),
            windows: (rows.kernel() * columns.kernel() <= FEW).then(|| {
                let elements = (0..columns.kernel()).flat_map(|c| (0..rows.kernel()).map(move |r| (r, c)));
                elements.map(|(row, column)| band.piece(row, column)).collect()
            }),
            band,
        }
    }

    /// A band, all phases of columns reduced over the rows, and the result.
    fn memory_len(&self) -> usize {
        self.band.len() + (self.columns.stride() + 1) * self.band.folded_len() + CHUNK
    }

    #[inline(always)]
    fn pool(
        &self,
        isa: Isa,
        plane: &[f32],
        step: impl Step,
        combine: impl Fn(f32, f32) -> f32 + Copy,
        memory: &mut [f32],
        out: &mut [f32],
    ) {
        let (memory, rest) = memory.split_at_mut(self.band.len());
        let (result, reduced) = rest.split_at_mut(self.band.folded_len());
        let width = self.columns.output();
        for (index, out) in out.chunks_mut(self.band.outputs() * width).enumerate() {
            let rows = out.len() / width;
            self.band.fill(plane, index * self.band.outputs(), self.neutral, memory);
            if let Some(windows) = &self.windows {
                let pitch = self.band.pitch();
                Windows { data: memory, pieces: windows, pitch, width }.fold(isa, self.neutral, step, out);
                continue;
            }
            let reduced_phases = reduced.chunks_mut(self.band.folded_len()).take(self.band.column_phases());
            for (phase, to) in reduced_phases.enumerate() {
                let from = phase * self.band.column_phase_len();
                self.fold(combine, &memory[from..], &self.rows, rows * self.band.pitch(), to);
            }
            self.fold(combine, reduced, &self.pieces, self.band.piece_len(rows), result);
            self.band.unfold(result, out);
        }
    }

    /// Combines `len` elements of each piece.
    #[inline(always)]
    fn fold(
        &self,
        combine: impl Fn(f32, f32) -> f32 + Copy,
        data: &[f32],
        pieces: &[usize],
        len: usize,
        to: &mut [f32],
    ) {
        fold_pieces(
            data,
            pieces,
            #[inline(always)]
            |_| 0.0,
            self.neutral,
            #[inline(always)]
            move |_, a, b| combine(a, b),
            len,
            to,
        );
    }
}
