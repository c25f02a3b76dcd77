//! Numbers for people: sizes, counts, values.

use std::{fmt, str::FromStr, time::Duration};

/// A number of bytes, written such as `500M`, `2GiB` or `1.5kB`.
///
/// Bare letters and `KiB`, `MiB` … are powers of 1024, `kB`, `MB` … powers of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) usize);

/// The memory limit of a new workspace.
pub(crate) const DEFAULT_LIMIT: &str = "8GiB";

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteSize, String> {
        let wrong = || format!("`{text}` is no size; write it such as 500M, 2GiB or 1000000");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start().to_ascii_lowercase();
        let (letter, base) = match unit.as_str() {
            "" | "b" => ("", 1),
            unit => match unit.strip_suffix("ib") {
                Some(letter) => (letter, 1024),
                None => match unit.strip_suffix('b') {
                    Some(letter) => (letter, 1000),
                    None => (unit, 1024),
                },
            },
        };
        let power = ["", "k", "m", "g", "t"].iter().position(|l| *l == letter).ok_or_else(wrong)?;
        let factor = f64::powi(f64::from(base), power as i32);
        let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor;
        // Beyond 2^53 the product would not be what was written.
        if (1.0..9e15).contains(&bytes) { Ok(ByteSize(bytes as usize)) } else { Err(wrong()) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < units.len() {
            value /= 1024.0;
            unit += 1;
        }
        let text = if unit == 0 { value.to_string() } else { format!("{value:.1}") };
        write!(f, "{} {}", text.strip_suffix(".0").unwrap_or(&text), units[unit])
    }
}

/// A count in a few characters, such as `34.9k` or `61M`.
pub(crate) fn compact(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, 0);
    let units = ["", "k", "M", "G", "T", "P", "E"];
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let text = if unit == 0 || value >= 99.95 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{}{}", text.strip_suffix(".0").unwrap_or(&text), units[unit])
}

/// A number with commas between groups of three digits.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A time in milliseconds, to four digits and no finer than to a nanosecond.
pub(crate) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    let digits = [1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2].iter().position(|least| ms >= *least).unwrap_or(6);
    format!("{ms:.digits$}")
}

/// A number with six significant digits at most.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.5e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", without_zeros(digits));
    }
    let before = size.log10().floor() as i32 + 1;
    without_zeros(&format!("{value:.*}", (6 - before).max(0) as usize)).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_four_digits() {
        for (nanos, text) in [
            (1_234_567_890, "1235"),
            (123_456_789, "123.5"),
            (12_345_678, "12.35"),
            (1_234_567, "1.235"),
            (123_456, "0.1235"),
            (12_345, "0.01235"),
            (1_234, "0.001234"),
            (12, "0.000012"),
            (0, "0.000000"),
        ] {
            assert_eq!(milliseconds(Duration::from_nanos(nanos)), text);
        }
        assert_eq!([counted(1, "run"), counted(1200, "run")], ["1 run", "1,200 runs"]);
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("1", 1),
            ("500M", 500 << 20),
            ("2GiB", 2 << 30),
            ("2 GB", 2_000_000_000),
            ("1.5k", 1536),
            ("100B", 100),
            ("8t", 8 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "M", "5X", "-1", "0", "1e9", "1..5", "99999999T", "5 parsecs"] {
            assert!(text.parse::<ByteSize>().unwrap_err().contains("500M"), "{text}");
        }
        assert_eq!(ByteSize(8 << 30).to_string(), "8 GiB");
        assert_eq!((ByteSize(17).to_string(), ByteSize(1536).to_string()), ("17 B".into(), "1.5 KiB".into()));
    }

    #[test]
    fn the_default_limit_is_that_of_a_workspace() {
        assert_eq!(DEFAULT_LIMIT.parse(), Ok(ByteSize(caffe2::operator::DEFAULT_MEMORY_LIMIT)));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (0.973214, "0.973214"),
            (0.9732144, "0.973214"),
            (44.6, "44.6"),
            (123456.7, "123457"),
            (1234567.0, "1234567"),
            (1e7, "1e7"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(short(value), text);
        }
        let counts = [0, 999, 1000, 34_944, 60_965_224, 999_960, u64::MAX].map(compact);
        assert_eq!(counts, ["0", "999", "1k", "34.9k", "61M", "1M", "18.4E"]);
        assert_eq!([0, 12, 999, 1000, 1234567].map(grouped), ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
