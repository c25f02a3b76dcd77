//! Convolution of images whose channels lie together.

use super::Call;
use super::operand::RightFilter;
use crate::gemm::{Batch, Bias, MatRef, Product, run};
use crate::geometry::Axis;
use crate::{Threads, scratch};

/// A kernel of one element: the channels of all positions times the transposed filter.
pub(super) fn pointwise<F: RightFilter>(call: &Call<'_, F>, output: &mut [f32]) {
    let g = call.geometry;
    products(call, call.threads, (call.input, g.channels(), g.group_channels()), 0, output);
}

/// Multiplies the rows of `left`, one per row of `output` and `stride` elements apart, by the transposed
/// filters of each group; the operand of group `i` begins `i * group_step` elements into the row. `output` begins at
/// element `at` of the whole.
fn products<F: RightFilter>(
    call: &Call<'_, F>,
    threads: &Threads,
    (left, stride, group_step): (&[f32], usize, usize),
    at: usize,
    output: &mut [f32],
) {
    let g = call.geometry;
    let (columns, depth) = (g.group_filters(), g.depth());
    let rows = output.len() / g.filters();
    let batch = Batch { count: g.groups(), rows, columns, depth, row_stride: g.filters() };
    let product = |group: usize| {
        let left = MatRef::within(&left[group * group_step..], rows, depth, stride);
        let right = call.filter.right(g, group);
        let mut tail = call.tail.of(group * columns..(group + 1) * columns, Bias::PerColumn);
        tail.residual = tail.residual.map(|residual| &residual[at..]);
        Product { left, right, alpha: 1.0, beta: 0.0, tail, start: group * columns }
    };
    if rows > 0 {
        // SAFETY: group `i` writes columns `i * columns ..+ columns` of each row of `filters` elements.
        #[allow(unsafe_code)]
        unsafe {
            run(call.isa, threads, &batch, output, product);
        }
    }
}

/// Floats of unrolled patches that one thread holds at a time, about: 2 MiB. The filter is packed once for
/// each such piece.
const PATCHES: usize = 512 * 1024;
/// Most positions whose patches are unrolled at a time.
const POSITIONS: usize = 512;

/// Any kernel: patches of some positions are unrolled, then multiplied.
pub(super) fn patches<F: RightFilter>(call: &Call<'_, F>, output: &mut [f32]) {
    let g = call.geometry;
    let row_len = g.groups() * g.depth();
    let positions = (PATCHES / row_len).clamp(16, POSITIONS);
    let grain = if g.multiplications() < 1 << 20 { output.len() } else { 0 };
    let single = Threads::single();
    call.threads.for_each_block(output, positions * g.filters(), grain, |index, block| {
        let rows = block.len() / g.filters();
        scratch::with(rows * row_len, |memory| {
            for (i, row) in memory.chunks_exact_mut(row_len).enumerate() {
                unroll(call, index * positions + i, row);
            }
            let at = index * positions * g.filters();
            products(call, &single, (memory, row_len, g.depth()), at, block);
        });
    });
}

/// Writes the patch of output position `position` of the whole batch, as (group, tap, channel of the group).
fn unroll<F>(call: &Call<'_, F>, position: usize, row: &mut [f32]) {
    let g = call.geometry;
    let (image, position) = (position / g.output_size(), position % g.output_size());
    let image_len = g.input_size() * g.channels();
    let image = &call.input[image * image_len..][..image_len];
    let (outer, last) = (&g.axes()[..g.axes().len() - 1], g.axes()[g.axes().len() - 1]);
    if g.groups() == 1 && last.dilation() == 1 {
        return unroll_rows(outer, &last, position, image, g.channels(), row);
    }
    let channels = g.group_channels();
    for tap in 0..g.taps() {
        let pixel =
            input_position(g.axes(), position, tap).map(|at| &image[at * g.channels()..][..g.channels()]);
        for group in 0..g.groups() {
            let to = &mut row[(group * g.taps() + tap) * channels..][..channels];
            match pixel {
                Some(pixel) => to.copy_from_slice(&pixel[group * channels..][..channels]),
                None => to.fill(0.0),
            }
        }
    }
}

/// [`unroll`] where the elements of each row of a window lie together.
fn unroll_rows(
    outer: &[Axis],
    last: &Axis,
    position: usize,
    image: &[f32],
    channels: usize,
    patch: &mut [f32],
) {
    let (row, column) = (position / last.output(), position % last.output());
    let inside = last.clipped(column);
    // The element of the window that meets the first of the input, if any does.
    let first = (column * last.stride()) as isize - last.head();
    let start = if inside.is_empty() { 0 } else { (inside.start as isize - first).unsigned_abs() };
    for (tap, to) in patch.chunks_exact_mut(last.kernel() * channels).enumerate() {
        match input_position(outer, row, tap) {
            Some(row) => {
                let from =
                    &image[(row * last.input() + inside.start) * channels..][..inside.len() * channels];
                let (head, rest) = to.split_at_mut(start * channels);
                let (body, tail) = rest.split_at_mut(from.len());
                head.fill(0.0);
                body.copy_from_slice(from);
                tail.fill(0.0);
            }
            None => to.fill(0.0),
        }
    }
}

/// The input position that tap `tap` of output position `position` reads; none in the padding.
#[inline(always)]
pub(super) fn input_position(axes: &[Axis], mut position: usize, mut tap: usize) -> Option<usize> {
    let (mut index, mut stride) = (0, 1);
    for axis in axes.iter().rev() {
        index += axis.element(position % axis.output(), tap % axis.kernel())? * stride;
        stride *= axis.input();
        position /= axis.output();
        tap /= axis.kernel();
    }
    Some(index)
}
