//! How two tensors differ.

use anyhow::Result;
use caffe2::operator::TensorInfo;
use caffe2::{DataType, Element, Tensor, TensorError, f16};

/// How two tensors differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Difference {
    /// Floats of the same type and shape.
    Numbers(Numbers),
    /// Other values of the same type and shape, of which so many differ.
    Others { info: TensorInfo, different: usize },
    /// The two have different types or shapes.
    Kinds { first: TensorInfo, second: TensorInfo },
}

/// The largest differences of numbers. A NaN equals a NaN; against anything else, and where one number is infinite, the
/// difference is infinite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    pub(super) info: TensorInfo,
    /// The largest of `|a - b|`.
    pub(super) absolute: f64,
    /// The largest of `|a - b| / max(|a|, |b|)`.
    pub(super) relative: f64,
    /// The largest number of representable numbers from one to the other; `None` where a NaN is in the way.
    pub(super) ulps: Option<u64>,
    /// The largest finite number of both.
    pub(super) largest: f64,
    /// Where the largest absolute difference is, as an index of the elements in order.
    pub(super) at: usize,
}

impl Difference {
    /// Whether numbers differ by no more than `tolerance` times the largest, and all else is equal.
    pub(super) fn is_within(&self, tolerance: f64) -> bool {
        match self {
            Difference::Numbers(numbers) => {
                numbers.absolute == 0.0 || numbers.absolute <= tolerance * numbers.largest
            }
            Difference::Others { different, .. } => *different == 0,
            Difference::Kinds { .. } => false,
        }
    }
}

/// A float whose neighbours can be counted.
trait Float: Element {
    fn wide(self) -> f64;
    /// An integer for each number, in order, without a gap.
    fn ordinal(self) -> i64;
}

/// The bits of a float with `width` bits: ascending for positive ones; for negative ones they are mirrored.
fn ordinal(bits: u64, width: u32) -> i64 {
    let magnitude = (bits & ((1 << (width - 1)) - 1)) as i64;
    if bits >> (width - 1) == 0 { magnitude } else { -magnitude }
}

impl Float for f32 {
    fn wide(self) -> f64 {
        self.into()
    }
    fn ordinal(self) -> i64 {
        ordinal(self.to_bits().into(), 32)
    }
}

impl Float for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn ordinal(self) -> i64 {
        ordinal(self.to_bits(), 64)
    }
}

impl Float for f16 {
    fn wide(self) -> f64 {
        self.into()
    }
    fn ordinal(self) -> i64 {
        ordinal(self.to_bits().into(), 16)
    }
}

/// Compares two tensors.
pub(super) fn difference(a: &Tensor, b: &Tensor) -> Result<Difference> {
    let (first, second) = (TensorInfo::from(a), TensorInfo::from(b));
    if first != second {
        return Ok(Difference::Kinds { first, second });
    }
    Ok(match a.data_type() {
        Some(DataType::Float) => numbers::<f32>(a, b)?,
        Some(DataType::Double) => numbers::<f64>(a, b)?,
        Some(DataType::Float16) => numbers::<f16>(a, b)?,
        Some(DataType::String) => {
            let pairs = a.as_strings()?.iter().zip(b.as_strings()?);
            Difference::Others { info: first, different: pairs.filter(|(a, b)| a != b).count() }
        }
        Some(other) => {
            let size = other.item_size().unwrap_or(1);
            let pairs = a.as_bytes()?.chunks(size).zip(b.as_bytes()?.chunks(size));
            Difference::Others { info: first, different: pairs.filter(|(a, b)| a != b).count() }
        }
        None => Difference::Others { info: first, different: 0 },
    })
}

fn numbers<T: Float>(a: &Tensor, b: &Tensor) -> Result<Difference, TensorError> {
    let mut numbers =
        Numbers { info: a.into(), absolute: 0.0, relative: 0.0, ulps: Some(0), largest: 0.0, at: 0 };
    for (index, (&a, &b)) in a.as_slice::<T>()?.iter().zip(b.as_slice::<T>()?).enumerate() {
        let (x, y) = (a.wide(), b.wide());
        for value in [x.abs(), y.abs()] {
            if value.is_finite() {
                numbers.largest = numbers.largest.max(value);
            }
        }
        if x == y || (x.is_nan() && y.is_nan()) {
            continue;
        }
        let finite = x.is_finite() && y.is_finite();
        let absolute = if finite { (x - y).abs() } else { f64::INFINITY };
        let relative = if finite { absolute / x.abs().max(y.abs()) } else { f64::INFINITY };
        if absolute > numbers.absolute {
            (numbers.absolute, numbers.at) = (absolute, index);
        }
        numbers.relative = numbers.relative.max(relative);
        numbers.ulps = match numbers.ulps {
            Some(ulps) if !x.is_nan() && !y.is_nan() => Some(ulps.max(a.ordinal().abs_diff(b.ordinal()))),
            _ => None,
        };
    }
    Ok(Difference::Numbers(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    fn of(a: &Tensor, b: &Tensor) -> Numbers {
        match difference(a, b).unwrap() {
            Difference::Numbers(numbers) => numbers,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_largest_of_each_is_found() {
        let found = of(&floats(&[1.0, 100.0, -0.0, 8.0]), &floats(&[1.5, 100.75, 0.0, 8.0]));
        assert_eq!((found.absolute, found.at, found.largest), (0.75, 1, 100.75));
        assert!((found.relative - 0.5 / 1.5).abs() < 1e-12);
        assert_eq!(found.ulps, Some(1 << 22));
        assert!(Difference::Numbers(found.clone()).is_within(0.01));
        assert!(!Difference::Numbers(found).is_within(0.001));
        let same = of(&floats(&[f32::NAN, f32::INFINITY]), &floats(&[f32::NAN, f32::INFINITY]));
        assert!(same.ulps == Some(0) && Difference::Numbers(same).is_within(0.0));
    }

    #[test]
    fn neighbours_are_counted_across_zero() {
        let least = f32::from_bits(1);
        assert_eq!(of(&floats(&[least]), &floats(&[-least])).ulps, Some(2));
        let wide = |v: f64| Tensor::from_slice([1], &[v]).unwrap();
        assert_eq!(of(&wide(1.0), &wide(1.0 + f64::EPSILON)).ulps, Some(1));
        assert_eq!(of(&wide(f64::MAX), &wide(-f64::MAX)).ulps, Some(2 * f64::MAX.to_bits()));
        let half = |v: f32| Tensor::from_slice([1], &[f16::from_f32(v)]).unwrap();
        assert_eq!(of(&half(2048.0), &half(2050.0)).ulps, Some(1));
    }

    #[test]
    fn what_is_not_finite_is_infinitely_far() {
        for (a, b, ulps) in [(f32::NAN, 1.0, None), (1.0, f32::INFINITY, Some(0x4000_0000))] {
            let found = of(&floats(&[a, 2.0]), &floats(&[b, 2.0]));
            assert_eq!((found.absolute, found.relative, found.ulps), (f64::INFINITY, f64::INFINITY, ulps));
            assert!(!Difference::Numbers(found).is_within(1e9));
        }
    }

    #[test]
    fn other_types_are_counted_and_other_shapes_told() {
        let ints = |values: &[i64]| Tensor::from_slice([values.len()], values).unwrap();
        let different = |a: &Tensor, b: &Tensor| match difference(a, b).unwrap() {
            Difference::Others { different, .. } => different,
            other => panic!("{other:?}"),
        };
        assert_eq!(different(&ints(&[1, 2, 3]), &ints(&[1, 5, 3])), 1);
        let words = |words: [&'static str; 2]| Tensor::from_strings([2], words).unwrap();
        assert_eq!(different(&words(["a", "b"]), &words(["b", "a"])), 2);
        let other = difference(&ints(&[1]), &floats(&[1.0])).unwrap();
        assert!(matches!(other, Difference::Kinds { .. }) && !other.is_within(1.0));
    }
}
