//! Holding one tensor against another.

use caffe2_operator::{DataType, Tensor, TensorInfo, f16};

/// How closely a result must agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// The same bits, but that any NaN equals any NaN.
    Exact,
    /// `|got - want| <= atol + rtol * |want|`; NaN where NaN is wanted, the same infinities.
    Within {
        /// Share of the wanted value.
        rtol: f64,
        /// The same for all values.
        atol: f64,
    },
}

/// Holds `got` against `want`: the same shape, the same type, values within the tolerance.
///
/// # Errors
/// The first few differences, found and expected.
pub fn compare(got: &Tensor, want: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    let (found, expected) = (TensorInfo::from(got), TensorInfo::from(want));
    if found != expected {
        return Err(format!("found {found}, expected {expected}"));
    }
    match want.data_type() {
        None => Ok(()),
        Some(DataType::Float) => floats::<f32>(got, want, tolerance, f64::from, |v| v.to_bits().into()),
        Some(DataType::Double) => floats::<f64>(got, want, tolerance, |v| v, f64::to_bits),
        Some(DataType::Float16) => floats::<f16>(got, want, tolerance, f64::from, |v| v.to_bits().into()),
        Some(DataType::String) => {
            let (got, want) = (strings(got)?, strings(want)?);
            report(got.iter().zip(&want).enumerate().filter(|(_, (g, w))| g != w), |v| format!("{v:?}"))
        }
        Some(_) => {
            let (got, want) = (bytes(got)?, bytes(want)?);
            report(got.iter().zip(want).enumerate().filter(|(_, (g, w))| g != w), |v| format!("byte {v}"))
        }
    }
}

/// The root of the mean of the squares.
pub fn root_mean_square(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

/// Holds two tensors against each other to the bit, NaN included.
///
/// # Errors
/// What differs.
pub fn same_bits(got: &Tensor, want: &Tensor) -> Result<(), String> {
    let (found, expected) = (TensorInfo::from(got), TensorInfo::from(want));
    if found != expected {
        return Err(format!("{found} and {expected}"));
    }
    let same = match want.data_type() {
        None => true,
        Some(DataType::String) => strings(got)? == strings(want)?,
        Some(_) => bytes(got)? == bytes(want)?,
    };
    if same {
        Ok(())
    } else {
        Err(format!("other bits: {}", compare(got, want, Tolerance::Exact).err().unwrap_or_default()))
    }
}

fn floats<T: caffe2_operator::Element>(
    got: &Tensor,
    want: &Tensor,
    tolerance: Tolerance,
    widen: impl Fn(T) -> f64,
    bits: impl Fn(T) -> u64,
) -> Result<(), String> {
    let slice = |t: &Tensor| t.as_slice::<T>().map(<[T]>::to_vec).map_err(|e| e.to_string());
    let (got, want) = (slice(got)?, slice(want)?);
    let equal = |g: T, w: T| {
        let (x, y) = (widen(g), widen(w));
        if x.is_nan() || y.is_nan() {
            return x.is_nan() && y.is_nan();
        }
        match tolerance {
            Tolerance::Exact => bits(g) == bits(w),
            Tolerance::Within { .. } if x.is_infinite() || y.is_infinite() => x == y,
            Tolerance::Within { rtol, atol } => (x - y).abs() <= atol + rtol * y.abs(),
        }
    };
    let pairs = got.iter().zip(&want).enumerate();
    report(pairs.filter(|(_, (g, w))| !equal(**g, **w)), |v| format!("{:e}", widen(**v)))
}

/// All differences as one message; the first few in full.
fn report<T>(
    differences: impl Iterator<Item = (usize, (T, T))>,
    show: impl Fn(&T) -> String,
) -> Result<(), String> {
    let all: Vec<_> = differences.collect();
    if all.is_empty() {
        return Ok(());
    }
    let some: Vec<_> = all
        .iter()
        .take(4)
        .map(|(at, (got, want))| format!("[{at}] found {}, expected {}", show(got), show(want)))
        .collect();
    Err(format!("{} elements differ: {}", all.len(), some.join("; ")))
}

fn bytes(tensor: &Tensor) -> Result<&[u8], String> {
    tensor.as_bytes().map_err(|e| e.to_string())
}

fn strings(tensor: &Tensor) -> Result<Vec<&[u8]>, String> {
    Ok(tensor.as_strings().map_err(|e| e.to_string())?.iter().map(AsRef::as_ref).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    const CLOSE: Tolerance = Tolerance::Within { rtol: 1e-3, atol: 1e-6 };

    #[test]
    fn exact_means_the_same_bits_but_for_nan() {
        assert_eq!(compare(&tensor(&[1.0, f32::NAN]), &tensor(&[1.0, -f32::NAN]), Tolerance::Exact), Ok(()));
        let error = compare(&tensor(&[0.0, 2.0]), &tensor(&[-0.0, 2.0]), Tolerance::Exact).unwrap_err();
        assert_eq!(error, "1 elements differ: [0] found 0e0, expected -0e0");
        assert!(same_bits(&tensor(&[f32::NAN]), &tensor(&[-f32::NAN])).is_err());
        assert_eq!(same_bits(&tensor(&[f32::NAN]), &tensor(&[f32::NAN])), Ok(()));
    }

    #[test]
    fn a_tolerance_does_not_cover_infinities_and_nan() {
        assert_eq!(compare(&tensor(&[1.0005]), &tensor(&[1.0]), CLOSE), Ok(()));
        for (got, want) in [(1.01, 1.0), (f32::NAN, 1.0), (1.0, f32::NAN), (f32::MAX, f32::INFINITY)] {
            assert!(compare(&tensor(&[got]), &tensor(&[want]), CLOSE).is_err(), "{got} {want}");
        }
    }

    #[test]
    fn shapes_and_types_are_compared_first() {
        let row = Tensor::from_slice([1, 2], &[1.0f32, 2.0]).unwrap();
        assert!(compare(&row, &tensor(&[1.0, 2.0]), CLOSE).unwrap_err().contains("expected float [2]"));
        let ints = Tensor::from_slice([2], &[1i32, 2]).unwrap();
        assert!(compare(&ints, &tensor(&[1.0, 2.0]), CLOSE).unwrap_err().contains("found int32 [2]"));
        let texts = |s: [&'static str; 1]| Tensor::from_strings([1], s).unwrap();
        assert!(
            compare(&texts(["a"]), &texts(["b"]), CLOSE).is_err()
                && same_bits(&texts(["a"]), &texts(["b"])).is_err()
        );
        assert!(compare(&Tensor::from_slice([2], &[1i32, 3]).unwrap(), &ints, CLOSE).is_err());
    }
}
