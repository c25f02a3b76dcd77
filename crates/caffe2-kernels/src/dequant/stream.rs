//! Stores that bypass the caches, for outputs far larger than they are.
//!
//! A plain store first reads the cache line that it then overwrites. A large output is evicted before
//! anyone reads it, so that read and the eviction of other data are pure loss.

use crate::Isa;

/// Elements per cache line.
const LINE: usize = 16;

/// Has `fill` compute all elements of `out`, and writes them past the caches where the target allows. `fill` is given
/// the position of some elements, and where to put them.
#[inline(always)]
pub(crate) fn store(isa: Isa, out: &mut [f32], fill: impl Fn(usize, &mut [f32]) + Copy) {
    #[cfg(target_arch = "x86_64")]
    match isa.min(Isa::detected()) {
        Isa::Portable => x86::sse(out, fill),
        // SAFETY: the processor has the features of the detected set, and of all below it.
        #[allow(unsafe_code)]
        Isa::Avx2 => unsafe { x86::avx2(out, fill) },
        // SAFETY: as above.
        #[allow(unsafe_code)]
        Isa::Avx512 => unsafe { x86::avx512(out, fill) },
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        fill(0, out);
    }
}

/// Calls `store_line` with each whole cache line of `out` and the values for it; writes the elements before
/// and after them plainly.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn each_line(
    out: &mut [f32],
    fill: impl Fn(usize, &mut [f32]) + Copy,
    store_line: impl Fn(&mut [f32; LINE], &[f32; LINE]),
) {
    let head = out.as_ptr().align_offset(LINE * size_of::<f32>()).min(out.len());
    let (start, rest) = out.split_at_mut(head);
    fill(0, start);
    let (lines, end) = rest.as_chunks_mut::<LINE>();
    let mut position = head;
    for line in lines {
        let mut values = [0.0; LINE];
        fill(position, &mut values);
        store_line(line, &values);
        position += LINE;
    }
    fill(position, end);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_sfence, _mm_stream_ps, _mm256_loadu_ps, _mm256_stream_ps, _mm512_loadu_ps,
        _mm512_stream_ps,
    };

    use super::{LINE, each_line};

    #[inline(always)]
    pub(super) fn sse(out: &mut [f32], fill: impl Fn(usize, &mut [f32]) + Copy) {
        each_line(out, fill, |line, values| {
            for i in (0..LINE).step_by(4) {
                // SAFETY: four floats from `i` on lie within both arrays; `line` begins at a multiple of 64
                // bytes, so `i` does at one of 16; SSE is part of x86-64.
                unsafe { _mm_stream_ps(line.as_mut_ptr().add(i), _mm_loadu_ps(values.as_ptr().add(i))) };
            }
        });
        // SAFETY: SSE is part of x86-64.
        unsafe { _mm_sfence() };
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(out: &mut [f32], fill: impl Fn(usize, &mut [f32]) + Copy) {
        each_line(out, fill, |line, values| {
            for i in (0..LINE).step_by(8) {
                // SAFETY: eight floats from `i` on lie within both arrays; `line` begins at a multiple of 64
                // bytes, so `i` does at one of 32.
                unsafe {
                    _mm256_stream_ps(line.as_mut_ptr().add(i), _mm256_loadu_ps(values.as_ptr().add(i)))
                };
            }
        });
        _mm_sfence();
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(super) fn avx512(out: &mut [f32], fill: impl Fn(usize, &mut [f32]) + Copy) {
        each_line(out, fill, |line, values| {
            // SAFETY: both arrays hold sixteen floats; `line` begins at a multiple of 64 bytes.
            unsafe { _mm512_stream_ps(line.as_mut_ptr(), _mm512_loadu_ps(values.as_ptr())) };
        });
        _mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_start_writes_exactly_its_elements() {
        let codes: Vec<u8> = (0..130).collect();
        for (isa, offset) in Isa::available().flat_map(|isa| (0..17).map(move |offset| (isa, offset))) {
            for len in 0..130 {
                let mut out = vec![-1.0f32; 160];
                let codes = &codes[..len];
                store(isa, &mut out[offset..offset + len], |at, part| {
                    part.iter_mut().zip(&codes[at..]).for_each(|(y, q)| *y = f32::from(*q) + 1.0);
                });
                for (k, &y) in out.iter().enumerate() {
                    let want =
                        if (offset..offset + len).contains(&k) { (k - offset) as f32 + 1.0 } else { -1.0 };
                    assert_eq!(y, want, "{isa:?} {offset} {len} {k}");
                }
            }
        }
    }
}
