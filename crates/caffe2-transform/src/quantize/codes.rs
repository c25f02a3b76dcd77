//! From values to codes: for each value the code whose float is nearest to it.

use caffe2_kernels::dequant::Affine;
use caffe2_kernels::isa::multiply_add_once;
use caffe2_kernels::rowwise::Rounding;
use caffe2_kernels::{Isa, Threads};

/// Values that one thread works on at a time.
pub(super) const BLOCK: usize = 1 << 16;

/// The floats that the 256 codes of a rising line stand for, and where one code ends and the next begins.
pub(super) struct Codebook {
    bias: f64,
    inverse: f64,
    values: [f32; 256],
    /// The middle between the floats of each code and the next. It belongs to the lower code.
    bounds: [f64; 255],
}

impl Codebook {
    /// The codebook of a line whose scale is not negative and whose values are all finite.
    pub(super) fn new(line: Affine, rounding: Rounding) -> Codebook {
        let values = floats(line, rounding);
        let middle = |code: usize| (f64::from(values[code]) + f64::from(values[code + 1])) / 2.0;
        let (bias, inverse) = (line.bias.into(), 1.0 / f64::from(line.scale));
        Codebook { bias, inverse, values, bounds: std::array::from_fn(middle) }
    }

    /// The float of a code.
    pub(super) fn value(&self, code: u8) -> f32 {
        self.values[usize::from(code)]
    }

    /// The code whose float is nearest to `value`: of two that are equally near the smaller one.
    pub(super) fn code(&self, value: f32) -> u8 {
        let value = f64::from(value);
        // The place on the exact line, which rounding may move by a code or more; a cast saturates.
        let mut code = ((value - self.bias) * self.inverse + 0.5) as u8;
        while code > 0 && value <= self.bounds[usize::from(code) - 1] {
            code -= 1;
        }
        while code < 255 && value > self.bounds[usize::from(code)] {
            code += 1;
        }
        code
    }

    /// Writes the code of each value, and tells how far the floats of the codes are from the values.
    pub(super) fn encode(&self, values: &[f32], codes: &mut [u8], threads: &Threads) -> Distance {
        let parts = codes.chunks_mut(BLOCK).map(|codes| (codes, Distance::default()));
        let mut parts: Vec<_> = parts.collect();
        threads.for_each_block(&mut parts, 1, 1, |index, part| {
            let (codes, distance) = &mut part[0];
            for (code, &value) in codes.iter_mut().zip(&values[index * BLOCK..]) {
                *code = self.code(value);
                distance.add(value, self.value(*code));
            }
        });
        parts.into_iter().map(|(_, distance)| distance).fold(Distance::default(), Distance::with)
    }
}

/// The floats of all codes, as the operator computes them.
fn floats(line: Affine, rounding: Rounding) -> [f32; 256] {
    match rounding {
        Rounding::Twice => std::array::from_fn(|code| line.value(code as u8)),
        Rounding::Once => Isa::current().dispatch_fused(
            #[inline(always)]
            |fused| std::array::from_fn(|code| multiply_add_once(fused, code as f32, line.scale, line.bias)),
        ),
    }
}

/// How far floats are from the values that they stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Distance {
    /// The largest difference.
    pub(super) largest: f64,
    /// The sum of the squares of all differences.
    pub(super) squares: f64,
    /// The sum of the squares of the values themselves.
    pub(super) signal: f64,
    /// The number of values.
    pub(super) count: usize,
}

impl Distance {
    /// Takes in a value and the float that stands for it.
    pub(super) fn add(&mut self, value: f32, stands_for: f32) {
        let (value, stands_for) = (f64::from(value), f64::from(stands_for));
        let difference = (value - stands_for).abs();
        self.largest = self.largest.max(difference);
        self.squares += difference * difference;
        self.signal += value * value;
        self.count += 1;
    }

    /// This and other values together.
    pub(super) fn with(self, other: Distance) -> Distance {
        Distance {
            largest: self.largest.max(other.largest),
            squares: self.squares + other.squares,
            signal: self.signal + other.signal,
            count: self.count + other.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The float of the code that is found by looking at all of them.
    fn nearest(book: &Codebook, value: f32) -> f32 {
        let distance = |float: &f32| (f64::from(*float) - f64::from(value)).abs();
        book.values.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
    }

    fn twice(line: Affine) -> Codebook {
        Codebook::new(line, Rounding::Twice)
    }

    #[test]
    fn a_value_in_the_middle_gets_the_smaller_code() {
        let book = twice(Affine { scale: 0.5, bias: -1.0 });
        let values = [-9.0, -1.0, -0.75, -0.74, 0.0, 126.5, 1e30];
        assert_eq!(values.map(|v| book.code(v)), [0, 0, 0, 1, 2, 255, 255]);
    }

    #[test]
    fn floats_are_rounded_as_the_operators_round_them() {
        let line = Affine::from_range(-3.0, 3.0);
        let once = Codebook::new(line, Rounding::Once);
        let differing = (0..=255).filter(|&q| once.value(q) != twice(line).value(q)).count();
        assert_eq!(differing, 138);
        assert!((0..=255u8).all(|q| once.value(q) == f32::from(q).mul_add(line.scale, line.bias)));
        for isa in Isa::available() {
            assert_eq!(isa.scope(|| floats(line, Rounding::Once)), once.values);
        }
    }

    #[test]
    fn lines_so_flat_that_codes_coincide() {
        for line in [
            Affine { scale: 0.0, bias: 2.5 },
            Affine { scale: 1e-9, bias: 1.0 },
            Affine { scale: 1e-45, bias: -1e-44 },
            Affine { scale: 3e-8, bias: 1.0 },
        ] {
            let book = twice(line);
            for value in (0..=255).map(|q| line.value(q)).chain([0.0]) {
                assert_eq!(book.value(book.code(value)), nearest(&book, value), "{line:?} {value}");
            }
        }
    }

    #[test]
    fn distances_are_the_same_on_any_number_of_threads() {
        let values: Vec<f32> = (0..3 * BLOCK + 5).map(|i| (i as f32 * 0.37).sin()).collect();
        let book = twice(Affine::from_range(-1.0, 0.9));
        let encode = |threads| {
            let mut codes = vec![0; values.len()];
            let distance = book.encode(&values, &mut codes, &threads);
            (codes, distance)
        };
        let one = encode(Threads::single());
        assert_eq!(one, encode(Threads::new(2)));
        assert_eq!(one.1.count, values.len());
        assert!(one.1.largest > 0.09 && one.1.largest < 0.11, "{:?}", one.1);
    }

    proptest! {
        #[test]
        fn the_code_is_that_of_the_nearest_float(
            min in -10.0f32..10.0, width in 0.0f32..20.0, places in prop::collection::vec(-0.1f32..1.1, 1..50),
        ) {
            for rounding in [Rounding::Once, Rounding::Twice] {
                let book = Codebook::new(Affine::from_range(min, min + width), rounding);
                for place in &places {
                    let value = min + place * width;
                    prop_assert_eq!(book.value(book.code(value)), nearest(&book, value));
                }
            }
        }
    }
}
