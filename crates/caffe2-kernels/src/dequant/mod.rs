//! Codes to floats: the arithmetic of `ByteWeightDequant` and its relatives.
//!
//! Every formula is evaluated with separately rounded operations, never fused, so that results are bit for
//! bit the same on every instruction set and for any number of threads.

pub(crate) mod stream;

use crate::{Isa, Threads};

/// The line `y = q * scale + bias`.
///
/// ```
/// use caffe2_kernels::dequant::Affine;
///
/// let line = Affine::from_range(-1.0, 1.0);
/// assert_eq!((line.value(0), line.value(255)), (-1.0, 1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Difference between the values of neighbouring codes.
    pub scale: f32,
    /// Value of code 0.
    pub bias: f32,
}

impl Affine {
    /// The line through (0, `min`) and (255, `max`): `scale = (max - min) / 255`, `bias = min`, as
    /// `byte_weight_dequant_op.h` of Caffe2 has it. (There the division is in double precision and rounded
    /// to float afterwards, which always gives the float quotient.) The range may be empty, reversed or not
    /// finite; the arithmetic is then IEEE's.
    pub fn from_range(min: f32, max: f32) -> Affine {
        Affine { scale: (max - min) / 255.0, bias: min }
    }

    /// The value of one code.
    #[inline(always)]
    pub fn value(self, code: u8) -> f32 {
        f32::from(code) * self.scale + self.bias
    }

    /// With a NaN scale every product is that NaN and decides the sum, whatever NaN `bias` is. Said
    /// explicitly, because a compiler may swap the operands of an addition, of which hardware returns the
    /// first if both are NaN.
    fn settled(self) -> Affine {
        if self.scale.is_nan() { Affine { bias: self.scale, ..self } } else { self }
    }
}

/// A rule that gives each code its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CodeMap {
    /// `q * scale + bias`
    Affine(Affine),
    /// `(q - first) * scale + bias`
    Offset {
        /// The code whose value is `bias`.
        first: f32,
        /// Scale, and the value of code `first`.
        line: Affine,
    },
    /// `(q - zero_point) * scale`, where the difference is one of 32-bit integers: Caffe2's `Int8Dequantize`.
    ZeroPoint {
        /// The code whose value is 0.
        zero_point: i32,
        /// Difference between the values of neighbouring codes.
        scale: f32,
    },
    /// `(2 * q - sum) * scale`
    Centred {
        /// Twice the (perhaps fractional) code whose value is 0.
        sum: f32,
        /// Half the difference between the values of neighbouring codes.
        scale: f32,
    },
}

impl CodeMap {
    /// Caffe2's rule for codes 0 to 255: see [`Affine::from_range`].
    pub fn from_range(min: f32, max: f32) -> CodeMap {
        CodeMap::Affine(Affine::from_range(min, max))
    }

    /// The line through (`qmin`, `min`) and (`qmax`, `max`): `(q - qmin) * scale + min` with
    /// `scale = (max - min) / (qmax - qmin)`. With codes 0 to 255 the same bits as
    /// [`from_range`](CodeMap::from_range). Code bounds are exact below 2^24; equal bounds divide by zero,
    /// which the caller should refuse.
    pub fn from_range_and_codes(min: f32, max: f32, qmin: i32, qmax: i32) -> CodeMap {
        let scale = (max - min) / (i64::from(qmax) - i64::from(qmin)) as f32;
        let line = Affine { scale, bias: min };
        if qmin == 0 { CodeMap::Affine(line) } else { CodeMap::Offset { first: qmin as f32, line } }
    }

    /// The rule in the description of the published `caffe2-rs` crate: `(2 * q - qmin - qmax) * scale` with
    /// `scale = (wmax - wmin) / (qmax - qmin)`. It is centred on zero and spans twice the width of the
    /// range. Code bounds are exact below 2^23; equal bounds divide by zero, which the caller should refuse.
    pub fn centred(wmin: f32, wmax: f32, qmin: i32, qmax: i32) -> CodeMap {
        CodeMap::Centred {
            sum: (i64::from(qmin) + i64::from(qmax)) as f32,
            scale: (wmax - wmin) / (i64::from(qmax) - i64::from(qmin)) as f32,
        }
    }

    /// The value of one code.
    pub fn value(self, code: u8) -> f32 {
        match self {
            CodeMap::Affine(line) => line.value(code),
            CodeMap::Offset { first, line } => (f32::from(code) - first) * line.scale + line.bias,
            CodeMap::ZeroPoint { zero_point, scale } => from_zero_point(code, zero_point, scale),
            CodeMap::Centred { sum, scale } => (2.0 * f32::from(code) - sum) * scale,
        }
    }
}

#[inline(always)]
fn from_zero_point(code: u8, zero_point: i32, scale: f32) -> f32 {
    i32::from(code).wrapping_sub(zero_point) as f32 * scale
}

/// Writes the value of each code to `out`.
///
/// ```
/// use caffe2_kernels::{Threads, dequant::{CodeMap, dequantize}};
///
/// let mut weights = [0.0; 3];
/// dequantize(&Threads::single(), &[0, 51, 255], CodeMap::from_range(-1.0, 4.0), &mut weights);
/// assert_eq!(weights, [-1.0, 0.0, 4.0]);
/// ```
///
/// # Panics
///
/// If the lengths differ.
pub fn dequantize(threads: &Threads, codes: &[u8], map: CodeMap, out: &mut [f32]) {
    dequantize_on(Isa::current(), threads, codes, map, out);
}

/// [`dequantize`] on a given instruction set.
///
/// # Panics
///
/// If the lengths differ.
pub fn dequantize_on(isa: Isa, threads: &Threads, codes: &[u8], map: CodeMap, out: &mut [f32]) {
    assert_eq!(codes.len(), out.len(), "as many codes as values");
    let past_caches = out.len() >= STREAM_FROM;
    threads.for_each_block(out, BLOCK, GRAIN, |index, block| {
        let codes = &codes[index * BLOCK..][..block.len()];
        match map {
            CodeMap::Affine(line) => {
                let line = line.settled();
                expand(
                    isa,
                    past_caches,
                    codes,
                    block,
                    #[inline(always)]
                    move |q| line.value(q),
                );
            }
            CodeMap::Offset { first, line } => {
                let line = line.settled();
                expand(
                    isa,
                    past_caches,
                    codes,
                    block,
                    #[inline(always)]
                    move |q| (f32::from(q) - first) * line.scale + line.bias,
                );
            }
            CodeMap::ZeroPoint { zero_point, scale } => expand(
                isa,
                past_caches,
                codes,
                block,
                #[inline(always)]
                move |q| from_zero_point(q, zero_point, scale),
            ),
            CodeMap::Centred { sum, scale } => expand(
                isa,
                past_caches,
                codes,
                block,
                #[inline(always)]
                move |q| (2.0 * f32::from(q) - sum) * scale,
            ),
        }
    });
}

/// Values that one thread computes at a time: 1 MiB.
pub(crate) const BLOCK: usize = 256 * 1024;
/// Values below which waking a pool costs more than it gains.
pub(crate) const GRAIN: usize = 512 * 1024;
/// Values from which on the output, 32 MiB or more, is written past the caches: up to there plain stores
/// are as fast and leave the values at hand, beyond they take two to three times as long.
pub(crate) const STREAM_FROM: usize = 8 * 1024 * 1024;

#[inline(always)]
fn expand(isa: Isa, past_caches: bool, codes: &[u8], out: &mut [f32], value: impl Fn(u8) -> f32 + Copy) {
    if past_caches {
        return stream::store(
            isa,
            out,
            #[inline(always)]
            move |at, part| fill(codes, at, part, value),
        );
    }
    isa.dispatch(
        #[inline(always)]
        move || fill(codes, 0, out, value),
    );
}

/// Writes the values of the codes from number `at` on.
#[inline(always)]
fn fill(codes: &[u8], at: usize, out: &mut [f32], value: impl Fn(u8) -> f32) {
    let codes = &codes[at..at + out.len()];
    out.iter_mut().zip(codes).for_each(|(y, q)| *y = value(*q));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn maps() -> Vec<CodeMap> {
        let inf = f32::INFINITY;
        let mut maps = vec![
            CodeMap::from_range_and_codes(-1.0, 2.5, 3, 250),
            CodeMap::from_range_and_codes(-1.0, 2.5, -128, 127),
            CodeMap::centred(-0.3, 0.9, 0, 255),
            CodeMap::centred(-0.3, 0.9, 1, 254),
            CodeMap::ZeroPoint { zero_point: 0, scale: 0.3 },
            CodeMap::ZeroPoint { zero_point: 128, scale: -0.3 },
            CodeMap::ZeroPoint { zero_point: i32::MIN, scale: 1e-3 },
        ];
        for range in [
            (-3.0, 3.0),
            (0.1, 0.1),
            (3.0, -3.0),
            (f32::MIN, f32::MAX),
            (0.0, 1e-45),
            (-1e-40, 3e-39),
            (0.0, inf),
            (inf, inf),
            (-inf, 1.0),
            (f32::NAN, 1.0),
            (1.0, -f32::NAN),
        ] {
            maps.push(CodeMap::from_range(range.0, range.1));
        }
        maps
    }

    #[test]
    fn every_version_gives_the_bits_of_the_formula() {
        for n in (0..130).chain([1000]) {
            let codes: Vec<u8> = (0..n + 1).map(|i| (i * 151 + 7) as u8).collect();
            let mut out = vec![0.0; n + 1];
            for map in maps() {
                for isa in Isa::available() {
                    dequantize_on(isa, &Threads::single(), &codes[1..], map, &mut out[1..]);
                    for (&q, y) in codes[1..].iter().zip(&out[1..]) {
                        assert_eq!(y.to_bits(), map.value(q).to_bits(), "{map:?} {q} {isa:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn large_outputs_are_the_same_on_any_number_of_threads() {
        let n = STREAM_FROM + 77;
        let codes: Vec<u8> = (0..n).map(|i| (i * 7 + i / 251) as u8).collect();
        let map = CodeMap::from_range(-0.7, 0.3);
        let table: Vec<f32> = (0..=255).map(|q| map.value(q)).collect();
        for isa in Isa::available() {
            for threads in [Threads::single(), Threads::new(2)] {
                let mut out = vec![f32::NAN; n];
                dequantize_on(isa, &threads, &codes, map, &mut out);
                let same = |(q, y): (&u8, &f32)| table[usize::from(*q)].to_bits() == y.to_bits();
                assert!(codes.iter().zip(&out).all(same), "{isa:?}");
            }
        }
    }

    #[test]
    fn values_computed_by_the_original() {
        for (min, max, code, bits) in CAFFE2 {
            let line = Affine::from_range(f32::from_bits(min), f32::from_bits(max));
            let mut out = [0.0];
            dequantize(&Threads::single(), &[code], CodeMap::Affine(line), &mut out);
            assert_eq!(out[0].to_bits(), bits, "{min:#x} {max:#x} {code}");
        }
    }

    // What the C++ operator computes: bits of min and max, code, bits of the value.
    const CAFFE2: [(u32, u32, u8, u32); 48] = [
        (0xbb6a_476a, 0x3b9c_35b5, 1, 0xbb68_2292),
        (0xbb6a_476a, 0x3b9c_35b5, 146, 0x3a9d_772c),
        (0xbb6a_476a, 0x3b9c_35b5, 255, 0x3b9c_35b5),
        (0xbee5_d8fa, 0xbea2_b8a3, 1, 0xbee5_9596),
        (0xbee5_d8fa, 0xbea2_b8a3, 206, 0xbeaf_9eba),
        (0xbee5_d8fa, 0xbea2_b8a3, 255, 0xbea2_b8a3),
        (0xbb23_7803, 0x3c26_077e, 1, 0xbb20_392e),
        (0xbb23_7803, 0x3c26_077e, 177, 0x3bcd_7c90),
        (0xbb23_7803, 0x3c26_077e, 255, 0x3c26_077e),
        (0xba77_85a4, 0xba3c_3308, 1, 0xba77_4a16),
        (0xba77_85a4, 0xba3c_3308, 123, 0xba5a_e856),
        (0xba77_85a4, 0xba3c_3308, 255, 0xba3c_3308),
        (0x3f93_420a, 0x3fed_8b6e, 1, 0x3f93_9cae),
        (0x3f93_420a, 0x3fed_8b6e, 212, 0x3fde_51e0),
        (0x3f93_420a, 0x3fed_8b6e, 255, 0x3fed_8b6e),
        (0x412a_2f2c, 0x412d_ccde, 1, 0x412a_32cd),
        (0x412a_2f2c, 0x412d_ccde, 107, 0x412b_b39a),
        (0x412a_2f2c, 0x412d_ccde, 255, 0x412d_ccde),
        (0xc0f3_5b1b, 0x40a4_9c2a, 1, 0xc0f1_c18a),
        (0xc0f3_5b1b, 0x40a4_9c2a, 110, 0xc006_bdc0),
        (0xc0f3_5b1b, 0x40a4_9c2a, 255, 0x40a4_9c29),
        (0xc0b6_50db, 0x402e_c2ef, 1, 0xc0b5_421a),
        (0xc0b6_50db, 0x402e_c2ef, 126, 0xbfc4_374c),
        (0xc0b6_50db, 0x402e_c2ef, 255, 0x402e_c2ee),
        (0xc163_7cde, 0x418e_d380, 1, 0xc161_79b7),
        (0xc163_7cde, 0x418e_d380, 137, 0x4040_cc18),
        (0xc163_7cde, 0x418e_d380, 255, 0x418e_d381),
        (0x3f06_f50a, 0x3faf_f8bc, 1, 0x3f07_cee0),
        (0x3f06_f50a, 0x3faf_f8bc, 40, 0x3f28_fe84),
        (0x3f06_f50a, 0x3faf_f8bc, 255, 0x3faf_f8bc),
        (0xff7f_ffff, 0x7f7f_ffff, 0, 0xffc0_0000),
        (0xff7f_ffff, 0x7f7f_ffff, 200, 0x7f80_0000),
        (0x0000_0000, 0x0000_0001, 0, 0x0000_0000),
        (0x0000_0000, 0x0000_0001, 200, 0x0000_0000),
        (0x8000_0005, 0x0000_7fff, 0, 0x8000_0005),
        (0x8000_0005, 0x0000_7fff, 200, 0x0000_64c3),
        (0x0000_0000, 0x7f80_0000, 0, 0xffc0_0000),
        (0x0000_0000, 0x7f80_0000, 200, 0x7f80_0000),
        (0xff80_0000, 0x3f80_0000, 0, 0xffc0_0000),
        (0xff80_0000, 0x3f80_0000, 200, 0xffc0_0000),
        (0x7f80_0000, 0x7f80_0000, 0, 0xffc0_0000),
        (0x7f80_0000, 0x7f80_0000, 200, 0xffc0_0000),
        (0x4040_0000, 0xc040_0000, 0, 0x4040_0000),
        (0x4040_0000, 0xc040_0000, 200, 0xbfda_5a5c),
        (0x7fc0_0001, 0xffc0_0002, 0, 0xffc0_0002),
        (0x7fc0_0001, 0xffc0_0002, 200, 0xffc0_0002),
        (0x7fc0_0001, 0x3f80_0000, 0, 0x7fc0_0001),
        (0x7fc0_0001, 0x3f80_0000, 200, 0x7fc0_0001),
    ];

    #[test]
    fn two_nans_give_that_of_the_upper_end() {
        let (low, high) = (f32::from_bits(0x7fc0_0001), f32::from_bits(0xffc0_0002));
        for isa in Isa::available() {
            let mut out = [0.0; 40];
            let line = Affine { scale: high, bias: low };
            dequantize_on(isa, &Threads::single(), &[7; 40], CodeMap::Affine(line), &mut out);
            assert!(out.iter().all(|y| y.to_bits() == high.to_bits()), "{isa:?}");
        }
    }

    #[test]
    fn the_centred_rule_spans_twice_the_range() {
        let map = CodeMap::centred(-1.0, 1.0, 0, 255);
        let mut out = [0.0; 2];
        dequantize(&Threads::single(), &[0, 255], map, &mut out);
        assert!((out[0] + 2.0).abs() < 1e-6 && (out[1] - 2.0).abs() < 1e-6, "{out:?}");
    }

    proptest! {
        #[test]
        fn full_code_bounds_are_caffe2s_rule(min in any::<u32>(), max in any::<u32>(), code in any::<u8>()) {
            let (min, max) = (f32::from_bits(min), f32::from_bits(max));
            let a = CodeMap::from_range(min, max).value(code);
            let b = CodeMap::from_range_and_codes(min, max, 0, 255).value(code);
            prop_assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
        }

        #[test]
        fn any_parameters_on_any_isa(scale in any::<u32>(), bias in any::<u32>(), n in 0usize..100) {
            let line = Affine { scale: f32::from_bits(scale), bias: f32::from_bits(bias) };
            let codes: Vec<u8> = (0..n).map(|i| (i * 37) as u8).collect();
            let mut want = vec![0.0f32; n];
            dequantize_on(Isa::Portable, &Threads::single(), &codes, CodeMap::Affine(line), &mut want);
            for isa in Isa::available() {
                let mut out = vec![0.0f32; n];
                dequantize_on(isa, &Threads::single(), &codes, CodeMap::Affine(line), &mut out);
                for (y, w) in out.iter().zip(&want) {
                    prop_assert_eq!(y.to_bits(), w.to_bits());
                }
            }
        }
    }
}
