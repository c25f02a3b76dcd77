//! Sums of squares over windows of channels.

use caffe2_kernels::Isa;
use caffe2_operator::Threads;

use crate::layout::{Layout, Order, grain};

/// Elements that are summed in registers.
const LANES: usize = 32;
/// Elements whose sums are found at a time.
const PIECE: usize = 256;
/// The widest window that is summed anew for each element.
const NARROW: usize = 64;

/// A window of channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Channels before and after its own.
    pub(super) before: usize,
    pub(super) after: usize,
}

impl Window {
    fn size(self) -> usize {
        self.before + 1 + self.after
    }

    /// The first and the last channel of the window of this one.
    fn ends(self, channel: usize, channels: usize) -> (usize, usize) {
        (channel.saturating_sub(self.before), channel.saturating_add(self.after).min(channels - 1))
    }
}

/// Sums of squares over windows of channels of a tensor that is not empty.
pub(super) struct Sums<'a> {
    window: Window,
    x: &'a [f32],
    channels: usize,
    /// Elements from one channel to the next: where channels are last, each pixel is like an item of one pixel.
    stride: usize,
    /// For wide windows, running sums from the start, and to the end, of each run of as many channels as a window has:
    /// any window is the end of one run and the start of the next.
    runs: Option<(&'a [f32], &'a [f32])>,
}

impl<'a> Sums<'a> {
    /// `scratch` is for wide windows.
    pub(super) fn new(
        window: Window,
        layout: Layout,
        threads: &Threads,
        x: &'a [f32],
        scratch: &'a mut [Vec<f32>; 2],
    ) -> Sums<'a> {
        let channels = layout.channels;
        let stride = if layout.order == Order::Nchw { layout.pixels } else { 1 };
        let runs = (window.size() > NARROW).then(|| {
            let [up, down] = scratch;
            running_sums(threads, x, [channels, stride, window.size()], up, false);
            running_sums(threads, x, [channels, stride, window.size()], down, true);
            (up.as_slice(), down.as_slice())
        });
        Sums { window, x, channels, stride, runs }
    }

    /// Writes the sums of the elements from `first` on to `out`.
    pub(super) fn write(&self, isa: Isa, first: usize, out: &mut [f32]) {
        isa.dispatch(
            #[inline(always)]
            move || {
                // Pieces of one channel, or, where channels are last, of one pixel.
                let line = if self.stride > 1 { self.stride } else { self.channels };
                let (mut at, mut out) = (first, out);
                while !out.is_empty() {
                    let len = (line - at % line).min(out.len()).min(PIECE);
                    let (piece, rest) = out.split_at_mut(len);
                    match self.runs {
                        Some(runs) => self.write_wide(runs, at, piece),
                        None if self.stride > 1 => self.write_plane(at, piece),
                        None => self.write_pixel(at, piece),
                    }
                    (at, out) = (at + len, rest);
                }
            },
        );
    }

    /// Sums of one channel, of several pixels.
    #[inline(always)]
    fn write_plane(&self, at: usize, out: &mut [f32]) {
        let channel = at / self.stride % self.channels;
        let (from, to) = self.window.ends(channel, self.channels);
        let x = &self.x[at - (channel - from) * self.stride..];
        add_rows(
            x,
            self.stride,
            to - from + 1,
            #[inline(always)]
            |x| x * x,
            out,
        );
    }

    /// Sums of several channels of one pixel.
    #[inline(always)]
    fn write_pixel(&self, at: usize, out: &mut [f32]) {
        // The squares, with zeros where there are no channels.
        let mut squares = [0.0; PIECE + NARROW];
        let (channel, Window { before, after }) = (at % self.channels, self.window);
        let x = &self.x[at - channel..][..self.channels];
        let (from, to) = (channel.saturating_sub(before), (channel + out.len() + after).min(x.len()));
        let padded = &mut squares[from + before - channel..];
        padded.iter_mut().zip(&x[from..to]).for_each(|(square, x)| *square = x * x);
        add_rows(
            &squares,
            1,
            self.window.size(),
            #[inline(always)]
            |square| square,
            out,
        );
    }

    /// Sums of any elements of one line.
    #[inline(always)]
    fn write_wide(&self, (up, down): (&[f32], &[f32]), first: usize, out: &mut [f32]) {
        let (stride, size) = (self.stride, self.window.size());
        // One piece of a plane, or single elements.
        for (i, out) in out.chunks_mut(if stride > 1 { PIECE } else { 1 }).enumerate() {
            let at = first + i;
            let channel = at / stride % self.channels;
            let (from, to) = self.window.ends(channel, self.channels);
            let up = &up[at + to * stride - channel * stride..][..out.len()];
            let down = &down[at + from * stride - channel * stride..][..out.len()];
            if from / size != to / size {
                out.iter_mut().zip(up.iter().zip(down)).for_each(|(sum, (up, down))| *sum = down + up);
            } else if from % size == 0 {
                out.copy_from_slice(up);
            } else {
                // The last channel ends the window early.
                out.copy_from_slice(down);
            }
        }
    }
}

/// `out[i]` is the sum of `f(x[i + row * stride])` of so many rows.
#[inline(always)]
fn add_rows(x: &[f32], stride: usize, rows: usize, f: impl Fn(f32) -> f32 + Copy, out: &mut [f32]) {
    let (chunks, rest) = out.as_chunks_mut::<LANES>();
    let whole = chunks.len() * LANES;
    for (i, out) in chunks.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for row in 0..rows {
            let x = &x[row * stride + i * LANES..][..LANES];
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f(x));
        }
        *out = sums;
    }
    rest.fill(0.0);
    for row in 0..rows {
        rest.iter_mut().zip(&x[row * stride + whole..]).for_each(|(sum, &x)| *sum += f(x));
    }
}

/// The sums of squares of runs of `size` channels: of each element and those before it in its run, or, if `down`, those
/// after it.
fn running_sums(
    threads: &Threads,
    x: &[f32],
    [channels, stride, size]: [usize; 3],
    out: &mut Vec<f32>,
    down: bool,
) {
    let item = channels * stride;
    out.resize(x.len(), 0.0);
    threads.for_each_block(out, item, grain(x.len()), |index, out| {
        let x = &x[index * item..][..item];
        for step in 0..channels {
            let channel = if down { channels - 1 - step } else { step };
            let (before, here) = out.split_at_mut(channel * stride);
            let (here, after) = here.split_at_mut(stride);
            let previous = match (down, channel % size) {
                (false, 0) => None,
                (false, _) => Some(&before[before.len() - stride..]),
                (true, last) if last == size - 1 || after.is_empty() => None,
                (true, _) => Some(&after[..stride]),
            };
            let x = &x[channel * stride..][..stride];
            match previous {
                None => here.iter_mut().zip(x).for_each(|(sum, x)| *sum = x * x),
                Some(previous) => {
                    here.iter_mut().zip(x).zip(previous).for_each(|((sum, x), before)| *sum = before + x * x);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_any_width_are_summed() {
        for (batch, channels, pixels) in [(1, 5, 1), (2, 40, 3), (1, 3, 2100), (1, 1030, 1), (1, 1, 1)] {
            for (before, after) in
                [(0, 0), (2, 2), (7, 8), (8, 8), (31, 32), (32, 32), (20, 61), (0, 60), (1 << 30, 1 << 30)]
            {
                for order in [Order::Nchw, Order::Nhwc] {
                    let layout = Layout { batch, channels, pixels, order };
                    let x: Vec<f32> = (0..batch * channels * pixels).map(|i| (i * i % 17) as f32).collect();
                    let (mut scratch, mut out) = ([Vec::new(), Vec::new()], vec![-1.0; x.len()]);
                    let window = Window { before, after };
                    let sums = Sums::new(window, layout, &Threads::single(), &x, &mut scratch);
                    for isa in Isa::available() {
                        for (i, out) in out.chunks_mut(4096).enumerate() {
                            sums.write(isa, i * 4096, out);
                        }
                        for (n, c, p) in layout.all() {
                            let (from, to) = window.ends(c, channels);
                            let of_window = (from..=to).map(|c| x[layout.position(n, c, p)].powi(2));
                            assert_eq!(
                                out[layout.position(n, c, p)],
                                of_window.sum::<f32>(),
                                "{layout:?} {window:?} {c}"
                            );
                        }
                    }
                }
            }
        }
    }
}
