//! Windows over a band of a plane, folded row by row of the output.
#![allow(unsafe_code)]

use crate::Isa;
use crate::band::CHUNK;
use crate::simd::{self, Kernel, Vector};

/// What is done with the elements of a window, one after the other.
pub(crate) trait Step: Copy {
    /// What element `k` of every window is used with.
    ///
    /// # Safety
    ///
    /// As for the methods of [`Vector`]; here and below.
    unsafe fn factor<V: Vector>(self, k: usize) -> V;

    /// What `value` becomes with the next element.
    unsafe fn step<V: Vector>(factor: V, value: V, x: V) -> V;
}

/// Windows, the elements of which lie in a band: see [`Band`](crate::band::Band).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows<'a> {
    /// The band.
    pub(crate) data: &'a [f32],
    /// Where each element of the first window is; those of its neighbours to the right follow.
    pub(crate) pieces: &'a [usize],
    /// How much further on what belongs to the next row of the output is.
    pub(crate) pitch: usize,
    /// Windows of a row.
    pub(crate) width: usize,
}

impl Windows<'_> {
    /// Folds the elements of each window, beginning with `first`, to an element of `out`, which holds whole rows.
    ///
    /// # Panics
    ///
    /// If the band has not the elements of all windows and [`CHUNK`] floats more.
    pub(crate) fn fold<S: Step>(self, isa: Isa, first: f32, step: S, out: &mut [f32]) {
        if out.is_empty() {
            return;
        }
        let last = self.pieces.iter().max().copied().unwrap_or(0);
        let end = last + (out.len() / self.width - 1) * self.pitch + self.width;
        assert!(out.len().is_multiple_of(self.width), "rows of the output");
        assert!(end + CHUNK <= self.data.len(), "windows exceed the band");
        simd::dispatch(isa, Fold { windows: self, first, step, out });
    }
}

struct Fold<'a, S> {
    windows: Windows<'a>,
    first: f32,
    step: S,
    out: &'a mut [f32],
}

impl<S: Step> Kernel for Fold<'_, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller's promise.
        unsafe {
            // The usual numbers of elements, for which all that is fixed stays in registers.
            match self.windows.pieces.len() {
                4 => self.rows::<V, 4>(),
                9 => self.rows::<V, 9>(),
                _ => self.any_rows::<V>(),
            }
        }
    }
}

impl<S: Step> Fold<'_, S> {
    /// # Safety
    ///
    /// As for [`Kernel::run`]; windows have `N` elements.
    #[inline(always)]
    unsafe fn rows<V: Vector, const N: usize>(self) {
        let Windows { data, pieces, pitch, width } = self.windows;
        // SAFETY: `fold` has checked that each piece of each row has `width` floats and `CHUNK` more, of which no more
        // than two vectors are read.
        unsafe {
            let factors: [V; N] = std::array::from_fn(|k| self.step.factor(k));
            let pieces: [*const f32; N] = std::array::from_fn(|k| data.as_ptr().add(pieces[k]));
            for (row, out) in (0..self.out.len()).step_by(width).enumerate() {
                for start in (0..width).step_by(2 * V::LANES) {
                    let mut values = [V::splat(self.first); 2];
                    for k in 0..N {
                        let from = pieces[k].add(row * pitch + start);
                        for (i, value) in values.iter_mut().enumerate() {
                            *value = S::step(factors[k], *value, V::load(from.add(i * V::LANES)));
                        }
                    }
                    put(values, &mut self.out[out + start..]);
                }
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Kernel::run`].
    #[inline(always)]
    unsafe fn any_rows<V: Vector>(self) {
        let Windows { data, pieces, pitch, width } = self.windows;
        // SAFETY: as in `rows`.
        unsafe {
            for (row, out) in (0..self.out.len()).step_by(width).enumerate() {
                for start in (0..width).step_by(2 * V::LANES) {
                    let mut values = [V::splat(self.first); 2];
                    for (k, piece) in pieces.iter().enumerate() {
                        let (factor, from) =
                            (self.step.factor(k), data.as_ptr().add(piece + row * pitch + start));
                        for (i, value) in values.iter_mut().enumerate() {
                            *value = S::step(factor, *value, V::load(from.add(i * V::LANES)));
                        }
                    }
                    put(values, &mut self.out[out + start..]);
                }
            }
        }
    }
}

/// Writes the values, or as many as there is room for. What exceeds a row the next one overwrites.
///
/// # Safety
///
/// As for the methods of [`Vector`].
#[inline(always)]
unsafe fn put<V: Vector>(values: [V; 2], to: &mut [f32]) {
    const MOST: usize = 32;
    // SAFETY: there is room for two vectors, of at most 16 lanes.
    unsafe {
        if to.len() >= 2 * V::LANES {
            values[0].store(to.as_mut_ptr());
            values[1].store(to.as_mut_ptr().add(V::LANES));
        } else {
            let mut all = [0.0; MOST];
            values[0].store(all.as_mut_ptr());
            values[1].store(all.as_mut_ptr().add(V::LANES));
            to.copy_from_slice(&all[..to.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Weighted;

    impl Step for Weighted {
        #[inline(always)]
        unsafe fn factor<V: Vector>(self, k: usize) -> V {
            // SAFETY: the caller's promise.
            unsafe { V::splat(k as f32 + 1.0) }
        }

        #[inline(always)]
        unsafe fn step<V: Vector>(factor: V, value: V, x: V) -> V {
            // SAFETY: the caller's promise.
            unsafe { factor.mul_add(x, value) }
        }
    }

    #[test]
    fn each_output_is_made_of_its_window() {
        for (rows, width, pitch) in [(1, 1, 1), (3, 5, 7), (4, 16, 18), (2, 33, 33), (3, 70, 71)] {
            for count in [1, 2, 4, 9, 11] {
                let pieces: Vec<usize> = (0..count).map(|k| k * 3 % 7).collect();
                let data: Vec<f32> = (0..7 + rows * pitch + width + CHUNK).map(|i| i as f32).collect();
                for isa in Isa::available() {
                    let mut out = vec![f32::NAN; rows * width];
                    Windows { data: &data, pieces: &pieces, pitch, width }.fold(isa, 0.5, Weighted, &mut out);
                    for (i, y) in out.iter().enumerate() {
                        let at = i / width * pitch + i % width;
                        let terms = pieces.iter().enumerate().map(|(k, p)| (k as f32 + 1.0) * data[at + p]);
                        assert_eq!(*y, 0.5 + terms.sum::<f32>(), "{rows}x{width} {count} {isa:?} {i}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "exceed")]
    fn windows_beyond_the_band_are_refused() {
        let windows = Windows { data: &[0.0; CHUNK + 4], pieces: &[0, 1], pitch: 4, width: 4 };
        windows.fold(Isa::Portable, 0.0, Weighted, &mut [0.0; 4]);
    }
}
