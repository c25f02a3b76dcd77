//! Subtraction, scaling and shifting by channel.

use caffe2_kernels::Isa;
use caffe2_operator::{InOut, Threads};

use crate::layout::{BLOCK, GRAIN, Layout, Order};

/// `y = (x - mean) * scale + shift`, with one value of each for each channel, or for each channel of each item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficients<'a> {
    /// Empty: nothing is subtracted.
    pub(crate) mean: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) per_item: bool,
}

impl Layout {
    /// Applies the coefficients to all elements.
    pub(crate) fn apply(&self, threads: &Threads, io: InOut<'_, f32>, with: Coefficients<'_>) {
        let Layout { channels, pixels, .. } = *self;
        let first_of = move |item: usize| if with.per_item { item * channels } else { 0 };
        match (self.order, with.mean.is_empty()) {
            (Order::Nchw, true) => for_each_line(
                threads,
                io,
                pixels,
                #[inline(always)]
                move |plane, io| {
                    let at = if with.per_item { plane } else { plane % channels };
                    let (scale, shift) = (with.scale[at], with.shift[at]);
                    io.map(
                        #[inline(always)]
                        move |x| x * scale + shift,
                    );
                },
            ),
            (Order::Nchw, false) => for_each_line(
                threads,
                io,
                pixels,
                #[inline(always)]
                move |plane, io| {
                    let at = if with.per_item { plane } else { plane % channels };
                    let (mean, scale, shift) = (with.mean[at], with.scale[at], with.shift[at]);
                    io.map(
                        #[inline(always)]
                        move |x| (x - mean) * scale + shift,
                    );
                },
            ),
            (Order::Nhwc, true) => for_each_line(
                threads,
                io,
                channels,
                #[inline(always)]
                move |pixel, io| {
                    let at = first_of(pixel / pixels);
                    let with = with.scale[at..].iter().zip(&with.shift[at..]);
                    match io {
                        InOut::Apart(x, y) => {
                            y.iter_mut()
                                .zip(x)
                                .zip(with)
                                .for_each(|((y, x), (scale, shift))| *y = x * scale + shift);
                        }
                        InOut::InPlace(y) => {
                            y.iter_mut().zip(with).for_each(|(y, (scale, shift))| *y = *y * scale + shift);
                        }
                    }
                },
            ),
            (Order::Nhwc, false) => for_each_line(
                threads,
                io,
                channels,
                #[inline(always)]
                move |pixel, io| {
                    let at = first_of(pixel / pixels);
                    let with = with.mean[at..].iter().zip(&with.scale[at..]).zip(&with.shift[at..]);
                    match io {
                        InOut::Apart(x, y) => y
                            .iter_mut()
                            .zip(x)
                            .zip(with)
                            .for_each(|((y, x), ((mean, scale), shift))| *y = (x - mean) * scale + shift),
                        InOut::InPlace(y) => y
                            .iter_mut()
                            .zip(with)
                            .for_each(|(y, ((mean, scale), shift))| *y = (*y - mean) * scale + shift),
                    }
                },
            ),
        }
    }
}

/// Calls `work` with the index and the elements of each line of `line` elements, several lines to a thread at a time.
fn for_each_line(
    threads: &Threads,
    io: InOut<'_, f32>,
    line: usize,
    work: impl Fn(usize, InOut<'_, f32>) + Sync + Send + Copy,
) {
    if line == 0 {
        return;
    }
    let (isa, lines) = (Isa::current(), (BLOCK / line).max(1));
    match io {
        InOut::InPlace(y) => threads.for_each_block(y, lines * line, GRAIN, |block, y| {
            isa.dispatch(
                #[inline(always)]
                move || {
                    for (i, y) in y.chunks_mut(line).enumerate() {
                        work(block * lines + i, InOut::InPlace(y));
                    }
                },
            );
        }),
        InOut::Apart(x, y) => threads.for_each_block(y, lines * line, GRAIN, |block, y| {
            let x = &x[block * lines * line..][..y.len()];
            isa.dispatch(
                #[inline(always)]
                move || {
                    for (i, (x, y)) in x.chunks(line).zip(y.chunks_mut(line)).enumerate() {
                        work(block * lines + i, InOut::Apart(x, y));
                    }
                },
            );
        }),
    }
}
