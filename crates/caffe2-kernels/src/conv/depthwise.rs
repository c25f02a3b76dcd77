//! Convolution of each channel for itself.

use smallvec::SmallVec;

use super::Call;
use super::banded::rows_and_columns;
use super::nhwc::input_position;
use crate::band::Band;
use crate::gemm::Bias;
use crate::rows::add_products;
use crate::scratch;
use crate::simd::Vector;
use crate::windows::{Step, Windows};

/// Floats of a padded band of the input, about: 32 KiB, two thirds of a usual first-level cache.
const BAND: usize = 8 * 1024;
/// Multiplications below which waking a pool costs more than it gains.
const GRAIN: usize = 256 * 1024;

/// NCHW: planes are computed band by band from a padded copy.
///
/// # Panics
///
/// If the dimensions are not [banded](super::banded::is_banded).
pub(super) fn nchw(call: &Call<'_>, output: &mut [f32]) {
    let g = call.geometry;
    let Some((rows, columns)) = rows_and_columns(g.axes()) else {
        panic!("depthwise convolution of {} dimensions", g.axes().len());
    };
    let band = Band::new(rows, columns, BAND);
    let pieces: SmallVec<[usize; 64]> = (0..rows.kernel())
        .flat_map(|row| (0..columns.kernel()).map(move |column| (row, column)))
        .map(|(row, column)| band.piece(row, column))
        .collect();
    let grain = if g.multiplications() < GRAIN { output.len() } else { 0 };
    call.threads.for_each_block(output, g.output_size(), grain, |index, out| {
        let (image, filter) = (index / g.filters(), index % g.filters());
        let channel = image * g.channels() + filter / g.group_filters();
        let plane = &call.input[channel * g.input_size()..][..g.input_size()];
        let taps = &call.filter[filter * g.taps()..][..g.taps()];
        let tail = call.tail.of(0..g.filters(), Bias::PerRow);
        scratch::with(band.len(), |memory| {
            let (pitch, width) = (band.pitch(), columns.output());
            let band_len = band.outputs() * width;
            for (band_index, out) in out.chunks_mut(band_len).enumerate() {
                call.isa.dispatch(
                    #[inline(always)]
                    || band.fill(plane, band_index * band.outputs(), 0.0, memory),
                );
                let windows = Windows { data: memory, pieces: &pieces, pitch, width };
                windows.fold(call.isa, 0.0, Products(taps), out);
                let at = index * g.output_size() + band_index * band_len;
                call.isa.dispatch(
                    #[inline(always)]
                    || tail.apply(out, filter, 0, at),
                );
            }
        });
    });
}

/// Adds the products of the elements of windows with these taps.
#[derive(Clone, Copy)]
struct Products<'a>(&'a [f32]);

#[allow(unsafe_code)]
impl Step for Products<'_> {
    #[inline(always)]
    unsafe fn factor<V: Vector>(self, k: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::splat(self.0[k]) }
    }

    #[inline(always)]
    unsafe fn step<V: Vector>(factor: V, value: V, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { factor.mul_add(x, value) }
    }
}

/// Output positions that one thread computes at a time.
const POSITIONS: usize = 64;
/// Taps that are added in one pass over the channels.
const TAPS: usize = 9;

/// NHWC with one filter per channel: for each position the products of all channels, tap by tap.
pub(super) fn nhwc(call: &Call<'_>, output: &mut [f32]) {
    let g = call.geometry;
    let (channels, taps) = (g.channels(), g.taps());
    let grain = if g.multiplications() < GRAIN { output.len() } else { 0 };
    scratch::with(taps * channels, |filter| {
        // From [channel][tap] to [tap][channel].
        for (tap, row) in filter.chunks_exact_mut(channels).enumerate() {
            for (channel, x) in row.iter_mut().enumerate() {
                *x = call.filter[channel * taps + tap];
            }
        }
        let filter = &*filter;
        let tail = call.tail.of(0..channels, Bias::PerColumn);
        call.threads.for_each_block(output, POSITIONS * channels, grain, |index, block| {
            call.isa.dispatch_fused(
                #[inline(always)]
                |fused| {
                    for (i, out) in block.chunks_exact_mut(channels).enumerate() {
                        let position = index * POSITIONS + i;
                        out.fill(0.0);
                        convolve_position(fused, call, filter, position, out);
                        tail.apply(out, 0, 0, position * channels);
                    }
                },
            );
        });
    });
}

#[inline(always)]
fn convolve_position(fused: bool, call: &Call<'_>, filter: &[f32], position: usize, out: &mut [f32]) {
    let g = call.geometry;
    let channels = g.channels();
    let (image, position) = (position / g.output_size(), position % g.output_size());
    let image = &call.input[image * g.input_size() * channels..][..g.input_size() * channels];
    // The taps that see the input, some at a time.
    let (mut x, mut w, mut count) = ([&image[..0]; TAPS], [&filter[..0]; TAPS], 0);
    for tap in 0..g.taps() {
        let Some(at) = input_position(g.axes(), position, tap) else { continue };
        x[count] = &image[at * channels..][..channels];
        w[count] = &filter[tap * channels..][..channels];
        count += 1;
        if count == TAPS {
            add_products(fused, out, x, w);
            count = 0;
        }
    }
    for (x, w) in x.iter().zip(&w).take(count) {
        add_products(fused, out, [x], [w]);
    }
}
