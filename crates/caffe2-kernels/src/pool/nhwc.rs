//! Pooling of images whose channels lie together: all channels of a position at once.

use super::{Call, Pooling, larger};
use crate::geometry::Axis;
use crate::rows::combine_rows;

/// Output positions that one thread computes at a time.
const POSITIONS: usize = 64;

pub(super) fn run(call: &Call<'_>, pooling: Pooling, output: &mut [f32]) {
    match pooling {
        Pooling::Max => positions(
            call,
            output,
            f32::NEG_INFINITY,
            larger,
            #[inline(always)]
            |_, _| (),
        ),
        Pooling::Average { include_pad } => {
            let volume = call.geometry.volume();
            positions(
                call,
                output,
                0.0,
                #[inline(always)]
                |a, b| a + b,
                #[inline(always)]
                move |count: usize, out: &mut [f32]| {
                    // An empty window, which only Caffe's pooling rule can make, has mean 0.
                    let divisor = if include_pad { volume } else { count.max(1) } as f32;
                    for y in out {
                        *y /= divisor;
                    }
                },
            );
        }
    }
}

/// Reduces each window by `combine`, starting at `neutral`, and calls `finish` with the number of its
/// elements and the resulting channels.
#[inline(always)]
fn positions(
    call: &Call<'_>,
    output: &mut [f32],
    neutral: f32,
    combine: impl Fn(f32, f32) -> f32 + Copy + Sync + Send,
    finish: impl Fn(usize, &mut [f32]) + Copy + Sync + Send,
) {
    let g = call.geometry;
    let image_len = g.input_size * g.channels;
    call.threads.for_each_block(output, POSITIONS * g.channels, g.grain(), |index, block| {
        call.isa.dispatch(
            #[inline(always)]
            || {
                for (i, out) in block.chunks_exact_mut(g.channels).enumerate() {
                    let position = index * POSITIONS + i;
                    let (image, position) = (position / g.output_size, position % g.output_size);
                    let image = &call.input[image * image_len..][..image_len];
                    out.fill(neutral);
                    let count = combine_window(&g.axes, position, g.channels, image, combine, out);
                    finish(count, out);
                }
            },
        );
    });
}

/// Combines the elements of one window into `out`; returns their number.
#[inline(always)]
fn combine_window(
    axes: &[Axis],
    position: usize,
    channels: usize,
    image: &[f32],
    combine: impl Fn(f32, f32) -> f32 + Copy,
    out: &mut [f32],
) -> usize {
    // Three dimensions, outermost first; missing ones have one element.
    let (mut ranges, mut inputs, mut rest) = ([0..1, 0..1, 0..1], [1; 3], position);
    for (k, axis) in axes.iter().rev().enumerate() {
        ranges[2 - k] = axis.clipped(rest % axis.output());
        inputs[2 - k] = axis.input();
        rest /= axis.output();
    }
    let [planes, rows, columns] = ranges;
    for plane in planes.clone() {
        for row in rows.clone() {
            let first = (plane * inputs[1] + row) * inputs[2];
            let pixel = |column: usize| &image[(first + column) * channels..][..channels];
            let mut column = columns.start;
            while column < columns.end {
                if column + 3 <= columns.end {
                    combine_rows::<3>(out, [pixel(column), pixel(column + 1), pixel(column + 2)], combine);
                    column += 3;
                } else {
                    combine_rows::<1>(out, [pixel(column)], combine);
                    column += 1;
                }
            }
        }
    }
    planes.len() * rows.len() * columns.len()
}
