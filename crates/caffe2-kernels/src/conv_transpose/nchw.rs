//! Transposed convolution of planes, in blocks of some planes, or of some rows of one plane.

use std::ops::Range;

use super::{Call, GRAIN, PRODUCT, TransposedAxis, pieces};
use crate::gemm::MatRef;
use crate::isa::multiply_add;
use crate::scratch;

/// Pixels whose products are held at a time.
const PIXELS: usize = 512;
/// Most rows of a product, one for each plane and tap.
const ROWS: usize = 512;
/// Pixels up to which the filter is better the right operand of a product.
const FEW_PIXELS: usize = 8;
/// Blocks below which large planes are computed one by one, in bands.
const FEW_BLOCKS: usize = 4;

/// Part of the output of one image and group.
struct Block {
    image: usize,
    group: usize,
    /// Which planes of the group.
    planes: Range<usize>,
    /// Which rows of each.
    rows: Range<usize>,
}

/// How pixels and (plane, tap) pairs are cut into products.
#[derive(Clone, Copy)]
struct Cut {
    pixels: usize,
    rows: usize,
}

pub(super) fn run(call: &Call<'_>, output: &mut [f32]) {
    let g = call.geometry;
    let pixels = g.input_size().min(PIXELS);
    let cut = Cut { pixels, rows: (PRODUCT / pixels).min(ROWS) };
    let planes = (cut.rows / g.taps()).clamp(1, g.group_filters());
    let blocks = g.batch * g.groups * g.group_filters().div_ceil(planes);
    let band = if blocks < FEW_BLOCKS && g.multiplications() >= GRAIN { band(call) } else { g.rows.output() };
    let grain = call.grain(output);
    let group_len = g.group_filters() * g.output_size();
    call.threads.for_each_block(output, group_len, grain, |index, out| {
        let (image, group) = (index / g.groups, index % g.groups);
        if band == g.rows.output() {
            call.threads.for_each_block(out, planes * g.output_size(), grain.min(out.len()), |index, out| {
                let first = index * planes;
                let planes = first..first + out.len() / g.output_size();
                block(call, cut, &Block { image, group, planes, rows: 0..band }, out);
            });
            return;
        }
        for (plane, out) in out.chunks_exact_mut(g.output_size()).enumerate() {
            call.threads.for_each_block(
                out,
                band * g.columns.output(),
                grain.min(out.len()),
                |index, out| {
                    let first = index * band;
                    let rows = first..first + out.len() / g.columns.output();
                    block(call, cut, &Block { image, group, planes: plane..plane + 1, rows }, out);
                },
            );
        }
    });
}

/// Rows of a band: so many that few of the pixels that reach it reach the next one, too.
fn band(call: &Call<'_>) -> usize {
    let g = call.geometry;
    let pixels = PIXELS.div_ceil(g.columns.input()).saturating_mul(g.rows.stride());
    g.rows.kernel().saturating_mul(4).max(pixels).min(g.rows.output())
}

fn block(call: &Call<'_>, cut: Cut, block: &Block, out: &mut [f32]) {
    let g = call.geometry;
    let plane_len = block.rows.len() * g.columns.output();
    for (plane, out) in block.planes.clone().zip(out.chunks_exact_mut(plane_len)) {
        out.fill(call.bias(block.group * g.group_filters() + plane));
    }
    let channels_len = g.group_channels() * g.input_size();
    let input = &call.input[(block.image * g.groups + block.group) * channels_len..][..channels_len];
    let filter_len = g.group_filters() * g.taps();
    let filter =
        &call.filter[block.group * g.group_channels() * filter_len..][..g.group_channels() * filter_len];
    let reach = g.rows.reach(&block.rows);
    let columns = g.columns.input();
    let pairs = block.planes.start * g.taps()..block.planes.end * g.taps();
    if g.group_channels() == 1 {
        let pixels = reach.start * columns..reach.end * columns;
        return spread(call, block, pixels, pairs.clone(), out, |pair| Values {
            values: &input[reach.start * columns..],
            factor: filter[pair],
        });
    }
    let depth = g.group_channels();
    call.isa.scope(|| {
        scratch::with(2 * cut.rows * cut.pixels, |memory| {
            for pixels in pieces(reach.start * columns..reach.end * columns, cut.pixels) {
                let right = MatRef::within(&input[pixels.start..], depth, pixels.len(), g.input_size());
                for pairs in pieces(pairs.clone(), cut.rows) {
                    let left = MatRef::within(&filter[pairs.start..], depth, pairs.len(), filter_len);
                    let product = product(call, left, right, memory);
                    let (first, len) = (pairs.start, pixels.len());
                    spread(call, block, pixels.clone(), pairs, out, |pair| Values {
                        values: &product[(pair - first) * len..][..len],
                        factor: 1.0,
                    });
                }
            }
        });
    });
}

/// The product of the transpose of `left` with `right`, within `memory`, which has room for two of them.
fn product<'a>(call: &Call<'_>, left: MatRef<'_>, right: MatRef<'_>, memory: &'a mut [f32]) -> &'a [f32] {
    let (rows, columns) = (left.cols(), right.cols());
    let (product, rest) = memory.split_at_mut(rows * columns);
    if columns > FEW_PIXELS {
        call.multiply(left.transposed(), right, product);
        return product;
    }
    // The filter is read once then, row by row as it lies.
    let swapped = &mut rest[..rows * columns];
    call.multiply(right.transposed(), left, swapped);
    for (r, row) in product.chunks_exact_mut(columns).enumerate() {
        for (i, x) in row.iter_mut().enumerate() {
            *x = swapped[i * rows + r];
        }
    }
    product
}

/// Adds to the block what some pixels give through some taps of some planes: `source` has, for each pair of a plane
/// and a tap, one value per pixel and a factor for all of them.
fn spread<'a>(
    call: &Call<'_>,
    block: &Block,
    pixels: Range<usize>,
    pairs: Range<usize>,
    out: &mut [f32],
    source: impl Fn(usize) -> Values<'a>,
) {
    let g = call.geometry;
    let (taps, kernel, width) = (g.taps(), g.columns.kernel(), g.columns.input());
    let plane_len = block.rows.len() * g.columns.output();
    let lines = pixels.start / width..pixels.end.div_ceil(width);
    let (mut plane, tap) = (pairs.start / taps - block.planes.start, pairs.start % taps);
    let (mut row, mut column) = (tap / kernel, tap % kernel);
    let mut pair = pairs.start;
    call.isa.dispatch_fused(
        #[inline(always)]
        |fused| {
            let mut rows = overlap(&g.rows.inputs(row, &block.rows), &lines);
            while pair < pairs.end {
                // With stride 2, two taps side by side fill pixels that lie together.
                let two = g.columns.stride() == 2 && column + 1 < kernel && pair + 1 < pairs.end;
                let next = if two { Some(source(pair + 1)) } else { None };
                let tap = Tap { row, column, values: source(pair), next };
                let to = &mut out[plane * plane_len..][..plane_len];
                spread_tap(fused, call, block, &pixels, &tap, rows.clone(), to);
                let step = if two { 2 } else { 1 };
                (pair, column) = (pair + step, column + step);
                if column == kernel {
                    (column, row) = (0, row + 1);
                    if row == g.rows.kernel() {
                        (row, plane) = (0, plane + 1);
                    }
                    rows = overlap(&g.rows.inputs(row, &block.rows), &lines);
                }
            }
        },
    );
}

/// One value per pixel, and a factor for all of them.
#[derive(Clone, Copy)]
struct Values<'a> {
    values: &'a [f32],
    factor: f32,
}

impl<'a> Values<'a> {
    #[inline(always)]
    fn part(&self, start: usize, len: usize) -> Values<'a> {
        Values { values: &self.values[start..][..len], ..*self }
    }
}

/// A place in the window, and what the pixels give there; perhaps also what they give one place further right.
struct Tap<'a> {
    row: usize,
    column: usize,
    values: Values<'a>,
    next: Option<Values<'a>>,
}

/// Adds what those of the pixels give that lie in some rows of the image to a plane.
#[inline(always)]
fn spread_tap(
    fused: bool,
    call: &Call<'_>,
    block: &Block,
    pixels: &Range<usize>,
    tap: &Tap<'_>,
    rows: Range<usize>,
    plane: &mut [f32],
) {
    let g = call.geometry;
    let (width, output) = (g.columns.input(), g.columns.output());
    let seen = g.columns.inputs(tap.column, &(0..output));
    let next_seen = if tap.next.is_some() { g.columns.inputs(tap.column + 1, &(0..output)) } else { 0..0 };
    for i in rows {
        let start = pixels.start.max(i * width);
        let part = start - i * width..pixels.end.min((i + 1) * width) - i * width;
        let line = Line { fused, axis: &g.columns, first: part.start };
        let values = tap.values.part(start - pixels.start, part.len());
        let to = &mut plane[(g.rows.target(i, tap.row) - block.rows.start) * output..][..output];
        let seen = overlap(&seen, &part);
        match tap.next {
            None => line.add(tap.column, seen, values, to),
            Some(next) => {
                let next = next.part(start - pixels.start, part.len());
                line.add_two(tap.column, [seen, overlap(&next_seen, &part)], [values, next], to);
            }
        }
    }
}

#[inline(always)]
fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let end = a.end.min(b.end);
    a.start.max(b.start).min(end)..end
}

/// Pixels of a row, from `first` on.
struct Line<'a> {
    fused: bool,
    axis: &'a TransposedAxis,
    first: usize,
}

impl Line<'_> {
    /// Adds the values of the pixels `seen` through the tap of column `tap`.
    #[inline(always)]
    fn add(&self, tap: usize, seen: Range<usize>, Values { values, factor }: Values<'_>, to: &mut [f32]) {
        if seen.is_empty() {
            return;
        }
        let from = &values[seen.start - self.first..][..seen.len()];
        let to = &mut to[self.axis.target(seen.start, tap)..];
        if self.axis.stride() == 1 {
            for (y, &x) in to.iter_mut().zip(from) {
                *y = multiply_add(self.fused, factor, x, *y);
            }
        } else {
            for (y, &x) in to.iter_mut().step_by(self.axis.stride()).zip(from) {
                *y = multiply_add(self.fused, factor, x, *y);
            }
        }
    }

    /// [`add`](Line::add) through the taps of columns `tap` and `tap + 1`, where the stride is 2.
    #[inline(always)]
    fn add_two(&self, tap: usize, seen: [Range<usize>; 2], both: [Values<'_>; 2], to: &mut [f32]) {
        let ([left, right], [a, b]) = (seen, both);
        // Pixels that meet the output through the right tap alone come first, those through the left one last.
        let shared = left.start..right.end.max(left.start);
        self.add(tap + 1, right.start..right.end.min(shared.start), b, to);
        self.add(tap, shared.end..left.end, a, to);
        if shared.is_empty() {
            return;
        }
        let [from_a, from_b] =
            [a, b].map(|source| &source.values[shared.start - self.first..][..shared.len()]);
        let to = &mut to[self.axis.target(shared.start, tap)..][..2 * shared.len()];
        for ((pair, &x), &z) in to.as_chunks_mut::<2>().0.iter_mut().zip(from_a).zip(from_b) {
            pair[0] = multiply_add(self.fused, a.factor, x, pair[0]);
            pair[1] = multiply_add(self.fused, b.factor, z, pair[1]);
        }
    }
}
