//! The report, as tables for people and as JSON for programs.

use anyhow::Result;
use caffe2_transform::quantize::{Lookup, QuantizedWeight, Report, Scheme};
use serde_json::{Value, json};

use super::compare::{Change, Values};
use crate::table::{Align, Table};
use crate::units::{ByteSize, grouped, short};

/// What was done, in tables.
pub(super) fn table(report: &Report, changes: &[Change]) -> String {
    let mut text = weights(&report.weights);
    text.push_str(&lookups(&report.weights));
    if !report.kept.is_empty() {
        text.push_str("\nas before:\n");
        text.push_str(&kept(report));
    }
    if !changes.is_empty() {
        text.push('\n');
        text.push_str(&outputs(changes));
    }
    let (before, after) = (ByteSize(report.bytes_before), ByteSize(report.bytes_after));
    let share = 100.0 * report.bytes_after as f64 / report.bytes_before as f64;
    text.push_str(&format!("\ninit net: {before} before, {after} after ({share:.0} %)\n"));
    text
}

fn weights(weights: &[QuantizedWeight]) -> String {
    let mut table = Table::new(&[
        ("weight", Align::Left),
        ("shape", Align::Left),
        ("bytes before", Align::Right),
        ("after", Align::Right),
        ("range", Align::Left),
        ("largest error", Align::Right),
        ("rms error", Align::Right),
        ("signal to noise", Align::Right),
    ]);
    for weight in weights {
        table.row([
            weight.blob.clone(),
            format!("{:?}", weight.dims),
            grouped(weight.bytes_before),
            grouped(weight.bytes_after),
            range(weight),
            brief(weight.error.largest),
            brief(weight.error.root_mean_square),
            decibels(weight.error.signal_to_noise),
        ]);
    }
    table.render()
}

fn range(weight: &QuantizedWeight) -> String {
    let range = format!("{} to {}", short(weight.min.into()), short(weight.max.into()));
    match weight.ranges {
        0 | 1 => range,
        rows => format!("{range}, {} rows", grouped(rows)),
    }
}

/// What to know of the lookups in tables.
fn lookups(weights: &[QuantizedWeight]) -> String {
    let names = |lookup: Lookup| {
        let names: Vec<_> = weights
            .iter()
            .filter(|weight| weight.lookup == lookup)
            .map(|weight| format!("`{}`", weight.blob))
            .collect();
        names.join(", ")
    };
    let mut text = String::new();
    for (names, what) in [
        (names(Lookup::Fused), "the net looks up in the rows of"),
        (
            names(Lookup::Possible),
            "with --output-net the net could look up in the rows, and never make floats, of",
        ),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("\n{what} {names}\n"));
        }
    }
    text
}

fn kept(report: &Report) -> String {
    let mut table = Table::new(&[("blob", Align::Left), ("bytes", Align::Right), ("because", Align::Left)]);
    for kept in &report.kept {
        table.row([kept.blob.clone(), grouped(kept.bytes), kept.reason.to_string()]);
    }
    table.render()
}

fn outputs(changes: &[Change]) -> String {
    let mut table = Table::new(&[
        ("output", Align::Left),
        ("shape", Align::Left),
        ("largest change", Align::Right),
        ("rms change", Align::Right),
        ("signal to noise", Align::Right),
        ("", Align::Left),
    ]);
    for Change { blob, dims, values } in changes {
        let (largest, rms, noise, more) = match values {
            Values::Floats { largest, root_mean_square, signal_to_noise, same_top } => (
                brief(*largest),
                brief(*root_mean_square),
                decibels(*signal_to_noise),
                same_top.map_or(String::new(), |(same, of)| format!("same top class: {same} of {of}")),
            ),
            Values::Others { same, of } => {
                (String::new(), String::new(), String::new(), format!("same values: {same} of {of}"))
            }
            Values::Reshaped { before, after } => {
                (String::new(), String::new(), String::new(), format!("{before} before, {after} after"))
            }
        };
        table.row([blob.clone(), format!("{dims:?}"), largest, rms, noise, more]);
    }
    table.render()
}

/// A number with three significant digits at most.
fn brief(value: f64) -> String {
    let text = format!("{value:.2e}");
    text.parse().map_or(text, short)
}

fn decibels(value: f64) -> String {
    if value == f64::INFINITY { "exact".into() } else { format!("{value:.1} dB") }
}

/// What was done, for programs. Signal to noise is null where nothing differs.
pub(super) fn json(report: &Report, scheme: Scheme, changes: &[Change]) -> Result<String> {
    let weights: Vec<_> = report.weights.iter().map(weight_json).collect();
    let kept = report
        .kept
        .iter()
        .map(|kept| json!({ "blob": kept.blob, "bytes": kept.bytes, "reason": kept.reason.to_string() }));
    let value = json!({
        "scheme": scheme.name(),
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "weights": weights,
        "kept": kept.collect::<Vec<_>>(),
        "outputs": changes.iter().map(change_json).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn weight_json(weight: &QuantizedWeight) -> Value {
    json!({
        "blob": weight.blob,
        "shape": weight.dims,
        "bytes_before": weight.bytes_before,
        "bytes_after": weight.bytes_after,
        "ranges": weight.ranges,
        "min": weight.min,
        "max": weight.max,
        "largest_error": weight.error.largest,
        "rms_error": weight.error.root_mean_square,
        "signal_to_noise_db": weight.error.signal_to_noise,
        "lookup": match weight.lookup {
            Lookup::None => "none",
            Lookup::Possible => "possible",
            Lookup::Fused => "fused",
        },
    })
}

fn change_json(change: &Change) -> Value {
    let mut value = json!({ "blob": change.blob, "shape": change.dims });
    let more = match &change.values {
        Values::Floats { largest, root_mean_square, signal_to_noise, same_top } => json!({
            "largest_change": largest,
            "rms_change": root_mean_square,
            "signal_to_noise_db": signal_to_noise,
            "same_top": same_top.map(|(same, _)| same),
            "rows": same_top.map(|(_, rows)| rows),
        }),
        Values::Others { same, of } => json!({ "same_values": same, "values": of }),
        Values::Reshaped { before, after } => json!({ "before": before, "after": after }),
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough() {
        assert_eq!(
            [0.0, 0.0012345, 1.0, 123456.0, 1.2345e-9].map(brief),
            ["0", "0.00123", "1", "123000", "1.23e-9"]
        );
        assert_eq!([41.26, f64::INFINITY].map(decibels), ["41.3 dB", "exact"]);
    }
}
