//! The lines that values of bytes lie on, and whether products can be computed from the bytes.

use crate::dequant::CodeMap;

/// `value = q * slope + first`: a rule for bytes without its roundings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodeLine {
    /// Difference between the values of neighbouring bytes.
    pub slope: f64,
    /// Value of byte 0.
    pub first: f64,
}

impl From<CodeMap> for CodeLine {
    fn from(map: CodeMap) -> CodeLine {
        match map {
            CodeMap::Affine(line) => CodeLine { slope: line.scale.into(), first: line.bias.into() },
            CodeMap::Offset { first, line } => {
                let (slope, bias) = (f64::from(line.scale), f64::from(line.bias));
                CodeLine { slope, first: bias - f64::from(first) * slope }
            }
            // Far away differences wrap or are rounded, and values lie on no line.
            CodeMap::ZeroPoint { zero_point, .. } if zero_point.unsigned_abs() > 1 << 23 => {
                CodeLine { slope: f64::NAN, first: f64::NAN }
            }
            CodeMap::ZeroPoint { zero_point, scale } => {
                let slope = f64::from(scale);
                CodeLine { slope, first: -f64::from(zero_point) * slope }
            }
            CodeMap::Centred { sum, scale } => {
                let scale = f64::from(scale);
                CodeLine { slope: 2.0 * scale, first: -f64::from(sum) * scale }
            }
        }
    }
}

/// A line as a product with bytes needs it: `value = (q - zero) * slope + rest`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Direct {
    /// The byte whose value is nearest to 0, so that differences from it are no larger than they must be.
    pub(super) zero: f32,
    pub(super) slope: f64,
    /// The value of that byte.
    pub(super) rest: f64,
}

/// The largest distance from zero to the value of byte 0, in ranges of all 256 bytes. The values of the operator are
/// rounded to floats, those of the line are not: at this distance they differ by 2e-6 of their standard deviation.
const FARTHEST: f64 = 8.0;

/// Values, and their products with elements of the other operand, are to be well within the floats.
const SMALLEST: f64 = 1e-25;
const LARGEST: f64 = 1e25;

impl Direct {
    /// The line of zeros.
    pub(super) const NONE: Direct = Direct { zero: 0.0, slope: 0.0, rest: 0.0 };

    /// How a product with these bytes is computed; `None` when it is better computed from the values. The largest
    /// element of each row of the other operand is between `least` and `most`, which are positive, or there are only
    /// zeros (`most` 0).
    pub(super) fn new(line: CodeLine, (least, most): (f32, f32)) -> Option<Direct> {
        let CodeLine { slope, first } = line;
        let range = 255.0 * slope.abs();
        let farthest = first.abs().max((first + range).abs()).max((first - range).abs());
        // Equal values are that value exactly. None of these holds for NaN.
        let near = slope == 0.0 || first.abs() <= FARTHEST * range;
        let sized = |size: f64| {
            let within = |x: f64| (SMALLEST..=LARGEST).contains(&x);
            within(size) && (most == 0.0 || within(f64::from(least) * size) && within(f64::from(most) * size))
        };
        if !(near && (farthest == 0.0 || sized(farthest))) {
            return None;
        }
        let zero = if slope == 0.0 { 0.0 } else { (-first / slope).round().clamp(0.0, 255.0) };
        Some(Direct { zero: zero as f32, slope, rest: first + zero * slope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: (f32, f32) = (0.1, 10.0);

    fn direct(min: f32, max: f32) -> Option<Direct> {
        Direct::new(CodeMap::from_range(min, max).into(), USUAL)
    }

    #[test]
    fn lines_have_the_values_of_their_rules() {
        for map in [
            CodeMap::from_range(-0.7, 1.9),
            CodeMap::from_range(3.0, -3.0),
            CodeMap::from_range_and_codes(-0.7, 1.9, 16, 236),
            CodeMap::centred(-0.3, 0.9, 1, 254),
            CodeMap::ZeroPoint { zero_point: 100, scale: 0.01 },
        ] {
            let line = CodeLine::from(map);
            let direct = Direct::new(line, USUAL).unwrap();
            for q in [0u8, 1, 100, 254, 255] {
                let wanted = f64::from(map.value(q));
                assert!((f64::from(q) * line.slope + line.first - wanted).abs() < 1e-6, "{map:?} {q}");
                let by_parts = f64::from(f32::from(q) - direct.zero) * direct.slope + direct.rest;
                assert!((by_parts - wanted).abs() < 1e-6, "{map:?} {q}");
            }
            assert!(direct.rest.abs() <= 0.5 * direct.slope.abs() + 1e-9, "{direct:?}");
        }
    }

    #[test]
    fn the_byte_nearest_to_zero_is_at_an_end_if_zero_is_outside() {
        assert_eq!(direct(0.5, 1.5).unwrap().zero, 0.0);
        assert_eq!(direct(-1.5, -0.5).unwrap().zero, 255.0);
        assert!([127.0, 128.0].contains(&direct(-1.0, 1.0).unwrap().zero));
        assert_eq!(direct(0.0, 255.0).unwrap(), Direct { zero: 0.0, slope: 1.0, rest: 0.0 });
    }

    #[test]
    fn ranges_that_are_too_narrow_far_or_not_finite_have_no_direct_way() {
        for (min, max) in [
            (1000.0, 1001.0),
            (-1001.0, -1000.0),
            (f32::MIN, f32::MAX),
            (0.0, f32::INFINITY),
            (f32::NAN, 1.0),
            (f32::INFINITY, f32::INFINITY),
            (1e30, 1e30),
            (0.0, 1e-30),
            (-1e30, 1e30),
        ] {
            assert_eq!(direct(min, max), None, "{min} {max}");
        }
        assert!(direct(7.0, 8.0).is_some() && direct(-1e20, 1e20).is_some());
    }

    #[test]
    fn equal_values_are_computed_from_the_sum_alone() {
        for value in [0.0f32, 1.0, -1000.0] {
            let found = direct(value, value);
            assert_eq!(found, Some(Direct { zero: 0.0, slope: 0.0, rest: value.into() }));
        }
    }

    #[test]
    fn differences_that_wrap_lie_on_no_line() {
        for zero_point in [i32::MIN, i32::MAX, 1 << 24] {
            assert_eq!(Direct::new(CodeMap::ZeroPoint { zero_point, scale: 1.0 }.into(), USUAL), None);
        }
    }

    #[test]
    fn the_other_operand_must_suit_too() {
        let line = CodeLine::from(CodeMap::from_range(-1.0, 1.0));
        for (least, most, suits) in [
            (0.0, 0.0, true),
            (1e-10, 1e10, true),
            (1e-30, 1.0, false),
            (1.0, 1e30, false),
            (1.0, f32::INFINITY, false),
            (1.0, f32::NAN, false),
        ] {
            assert_eq!(Direct::new(line, (least, most)).is_some(), suits, "{least} {most}");
        }
    }
}
