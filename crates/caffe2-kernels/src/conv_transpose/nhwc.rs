//! Transposed convolution of images whose channels lie together, in bands of rows of one image.

use std::ops::Range;

use super::{Call, PRODUCT, pieces};
use crate::gemm::MatRef;
use crate::rows::add_products;
use crate::scratch;

/// Pixels whose products are held at a time. The filter is packed once for each such piece.
const PIXELS: usize = 256;
/// Pixels below which smaller pieces give more threads something to do.
const FEW_PIXELS: usize = 4 * PIXELS;

pub(super) fn run(call: &Call<'_>, output: &mut [f32]) {
    let g = call.geometry;
    let pixels = if g.batch.saturating_mul(g.input_size()) < FEW_PIXELS { PIXELS / 4 } else { PIXELS };
    let band = pixels.div_ceil(g.columns.input()).saturating_mul(g.rows.stride()).min(g.rows.output());
    let row_len = g.columns.output() * g.filters;
    let grain = call.grain(output);
    let depthwise = g.group_channels() == 1 && g.group_filters() == 1;
    scratch::with(if depthwise { g.filter_len() } else { 0 }, |filter| {
        if depthwise {
            transpose(call.filter, g.taps(), filter);
        }
        let filter = &*filter;
        call.threads.for_each_block(output, g.rows.output() * row_len, grain, |image, out| {
            call.threads.for_each_block(out, band * row_len, grain.min(out.len()), |index, out| {
                let first = index * band;
                let block = Block { image, rows: first..first + out.len() / row_len };
                for pixel in out.chunks_exact_mut(g.filters) {
                    match call.bias {
                        Some(bias) => pixel.copy_from_slice(bias),
                        None => pixel.fill(0.0),
                    }
                }
                if depthwise { channelwise(call, &block, filter, out) } else { products(call, &block, out) }
            });
        });
    });
}

/// Rows of the output of one image.
struct Block {
    image: usize,
    rows: Range<usize>,
}

/// From `[channel][tap]` to `[tap][channel]`.
fn transpose(filter: &[f32], taps: usize, to: &mut [f32]) {
    let channels = filter.len() / taps;
    for (tap, row) in to.chunks_exact_mut(channels).enumerate() {
        for (channel, x) in row.iter_mut().enumerate() {
            *x = filter[channel * taps + tap];
        }
    }
}

fn products(call: &Call<'_>, block: &Block, out: &mut [f32]) {
    let g = call.geometry;
    let image = &call.input[block.image * g.channels * g.input_size()..][..g.channels * g.input_size()];
    let (width, depth) = (g.columns.input(), g.group_channels());
    // A row of taps: for each the channels of the output.
    let row_len = g.columns.kernel() * g.group_filters();
    let filter_len = g.rows.kernel() * row_len;
    call.isa.scope(|| {
        scratch::with(PRODUCT, |memory| {
            for (group, row) in
                (0..g.groups).flat_map(|group| g.rows.reaching(&block.rows).map(move |row| (group, row)))
            {
                let filter = &call.filter[group * depth * filter_len + row * row_len..];
                let reached = g.rows.inputs(row, &block.rows);
                for pixels in pieces(reached.start * width..reached.end * width, PIXELS) {
                    let left = &image[pixels.start * g.channels + group * depth..];
                    let left = MatRef::within(left, pixels.len(), depth, g.channels);
                    for part in pieces(0..row_len, PRODUCT / PIXELS) {
                        let right = MatRef::within(&filter[part.start..], depth, part.len(), filter_len);
                        let product = &mut memory[..pixels.len() * part.len()];
                        call.multiply(left, right, product);
                        let source = Source { group, row, pixels: pixels.clone(), part, product };
                        spread(call, block, &source, out);
                    }
                }
            }
        });
    });
}

/// What some pixels give through a row of taps: for each pixel the elements `part` of (tap, channel of the group).
struct Source<'a> {
    group: usize,
    row: usize,
    pixels: Range<usize>,
    part: Range<usize>,
    product: &'a [f32],
}

fn spread(call: &Call<'_>, block: &Block, source: &Source<'_>, out: &mut [f32]) {
    let g = call.geometry;
    let (channels, width) = (g.group_filters(), g.columns.input());
    let row_len = g.columns.output() * g.filters;
    call.isa.dispatch(
        #[inline(always)]
        || {
            let (mut i, mut j) = (source.pixels.start / width, source.pixels.start % width);
            for values in source.product.chunks_exact(source.part.len()) {
                let to = &mut out[(g.rows.target(i, source.row) - block.rows.start) * row_len..][..row_len];
                let taps = g.columns.taps(j);
                // The channels of all taps lie together, in the output too, unless there are groups.
                let step = if g.groups == 1 { taps.len().max(1) } else { 1 };
                for tap in taps.clone().step_by(step) {
                    let start = source.part.start.max(tap * channels);
                    let end = source.part.end.min((tap + step) * channels);
                    if start < end {
                        let at = g.columns.target(j, tap) * g.filters + source.group * channels + start
                            - tap * channels;
                        let values = &values[start - source.part.start..end - source.part.start];
                        to[at..at + values.len()].iter_mut().zip(values).for_each(|(y, x)| *y += x);
                    }
                }
                j += 1;
                if j == width {
                    (i, j) = (i + 1, 0);
                }
            }
        },
    );
}

/// One filter per channel, as `[tap][channel]`: the products of all channels of each pixel, tap by tap.
fn channelwise(call: &Call<'_>, block: &Block, filter: &[f32], out: &mut [f32]) {
    let g = call.geometry;
    let channels = g.channels;
    let image = &call.input[block.image * channels * g.input_size()..][..channels * g.input_size()];
    let row_len = g.columns.output() * channels;
    call.isa.dispatch_fused(
        #[inline(always)]
        |fused| {
            for row in g.rows.reaching(&block.rows) {
                for i in g.rows.inputs(row, &block.rows) {
                    let to = &mut out[(g.rows.target(i, row) - block.rows.start) * row_len..][..row_len];
                    for j in 0..g.columns.input() {
                        let pixel = &image[(i * g.columns.input() + j) * channels..][..channels];
                        for tap in g.columns.taps(j) {
                            let weights = &filter[(row * g.columns.kernel() + tap) * channels..][..channels];
                            let to = &mut to[g.columns.target(j, tap) * channels..][..channels];
                            add_products(fused, to, [pixel], [weights]);
                        }
                    }
                }
            }
        },
    );
}
