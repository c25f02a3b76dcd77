//! From values to codes: for each value the code whose float is nearest to it.

use caffe2_kernels::Threads;
use caffe2_kernels::dequant::Affine;

/// Values that one thread works on at a time.
pub(super) const BLOCK: usize = 1 << 16;

/// The floats that the 256 codes of a rising line stand for, and where one code ends and the next begins.
pub(super) struct Codebook {
    line: Affine,
    /// The middle between the floats of each code and the next. It belongs to the lower code.
    bounds: [f64; 255],
}

impl Codebook {
    /// The codebook of a line whose scale is not negative and whose values are all finite.
    pub(super) fn new(line: Affine) -> Codebook {
        let middle = |code: usize| {
            let (this, next) = (line.value(code as u8), line.value(code as u8 + 1));
            (f64::from(this) + f64::from(next)) / 2.0
        };
        Codebook { line, bounds: std::array::from_fn(middle) }
    }

    /// The code whose float is nearest to `value`: of two that are equally near the smaller one.
    pub(super) fn code(&self, value: f32) -> u8 {
        let value = f64::from(value);
        let steps = (value - f64::from(self.line.bias)) / f64::from(self.line.scale);
        // The place on the exact line, which rounding may move by a code or more; a cast saturates.
        let mut code = (steps + 0.5) as u8;
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
                distance.add(value, self.line.value(*code));
            }
        });
        parts.into_iter().map(|(_, distance)| distance).fold(Distance::default(), Distance::with)
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

    /// The code by looking at all of them.
    fn nearest(line: Affine, value: f32) -> u8 {
        let distance = |code: u8| (f64::from(line.value(code)) - f64::from(value)).abs();
        (0..=255u8).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap()
    }

    #[test]
    fn a_value_in_the_middle_gets_the_smaller_code() {
        let book = Codebook::new(Affine { scale: 0.5, bias: -1.0 });
        assert_eq!(
            [-9.0, -1.0, -0.75, -0.74, 0.0, 126.5, 1e30].map(|v| book.code(v)),
            [0, 0, 0, 1, 2, 255, 255]
        );
    }

    #[test]
    fn lines_so_flat_that_codes_coincide() {
        for line in [
            Affine { scale: 0.0, bias: 2.5 },
            Affine { scale: 1e-9, bias: 1.0 },
            Affine { scale: 1e-45, bias: -1e-44 },
            Affine { scale: 3e-8, bias: 1.0 },
        ] {
            let book = Codebook::new(line);
            for value in (0..=255).map(|q| line.value(q)).chain([0.0]) {
                assert_eq!(
                    line.value(book.code(value)),
                    line.value(nearest(line, value)),
                    "{line:?} {value}"
                );
            }
        }
    }

    #[test]
    fn distances_are_the_same_on_any_number_of_threads() {
        let values: Vec<f32> = (0..3 * BLOCK + 5).map(|i| (i as f32 * 0.37).sin()).collect();
        let book = Codebook::new(Affine::from_range(-1.0, 0.9));
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
            let line = Affine::from_range(min, min + width);
            let book = Codebook::new(line);
            for place in places {
                let value = min + place * width;
                prop_assert_eq!(line.value(book.code(value)), line.value(nearest(line, value)));
            }
        }
    }
}
