//! Floats as text: digits that give the same float again, laid out as Python writes floats, which is
//! how Caffe2's tools write nets.

use std::fmt::Write as _;

/// Appends a float, by the fewest of 6 to 9 digits that give it again.
pub(crate) fn push_f32(to: &mut String, value: f32) {
    if push_special(to, f64::from(value)) {
        return;
    }
    let digits = (5..9).map(|fraction| format!("{value:.fraction$e}")).find(|digits| {
        // Readers parse a double and round it.
        digits.parse::<f64>().is_ok_and(|read| (read as f32).to_bits() == value.to_bits())
    });
    // Should rounding twice ever miss, the digits of the double cannot.
    push_plain(to, &digits.unwrap_or_else(|| format!("{:e}", f64::from(value))));
}

/// Appends a double, by the fewest digits that give it again.
pub(crate) fn push_f64(to: &mut String, value: f64) {
    if !push_special(to, value) {
        push_plain(to, &format!("{value:e}"));
    }
}

fn push_special(to: &mut String, value: f64) -> bool {
    let word = if value.is_nan() {
        "nan"
    } else if value == f64::INFINITY {
        "inf"
    } else if value == f64::NEG_INFINITY {
        "-inf"
    } else {
        return false;
    };
    to.push_str(word);
    true
}

/// Lays out `-d.ddde-x`, as Rust writes it: without exponent from 1e-4 to below 1e16.
fn push_plain(to: &mut String, scientific: &str) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() != mantissa.len() {
        to.push('-');
    }
    let digits = unsigned.replace('.', "");
    let digits = digits.trim_end_matches('0');
    match usize::try_from(exponent) {
        Ok(whole) if whole < 16 => {
            let place = |place: usize| digits.get(place..=place).unwrap_or("0");
            to.extend((0..=whole).map(place));
            to.push('.');
            to.push_str(digits.get(whole + 1..).filter(|fraction| !fraction.is_empty()).unwrap_or("0"));
        }
        Err(_) if exponent >= -4 => {
            to.push_str("0.");
            to.extend((exponent + 1..0).map(|_| '0'));
            to.push_str(digits);
        }
        _ => {
            let (first, rest) = digits.split_at(digits.len().min(1));
            to.push_str(first);
            if !rest.is_empty() {
                to.push('.');
                to.push_str(rest);
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(to, "e{sign}{:02}", exponent.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32_text(value: f32) -> String {
        let mut text = String::new();
        push_f32(&mut text, value);
        text
    }

    #[test]
    fn as_python_writes_them() {
        for (value, want) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-3.0, "-3.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (123_456.0, "123456.0"),
            (1e6, "1000000.0"),
            (1_234_567.0, "1234567.0"),
            (16_777_216.0, "16777216.0"),
            (1.5e10, "15000000000.0"),
            (1e16, "1e+16"),
            (1.25e15, "1250000000000000.0"),
            (f32::MAX, "3.4028235e+38"),
            (f32::MIN_POSITIVE, "1.1754944e-38"),
            (f32::from_bits(1), "1.4013e-45"),
            (f32::NAN, "nan"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(f32_text(value), want);
        }
        for (value, want) in [(0.1, "0.1"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (1e-300, "1e-300")]
        {
            let mut text = String::new();
            push_f64(&mut text, value);
            assert_eq!(text, want);
        }
    }

    #[test]
    fn read_back_bit_for_bit() {
        // Every 4,099th float, of every exponent and sign.
        for bits in (0..=u32::MAX).step_by(4099) {
            let value = f32::from_bits(bits);
            let read = f32_text(value).parse::<f64>().unwrap() as f32;
            assert!(value.is_nan() || read.to_bits() == bits, "{bits:#x}");
        }
    }
}
