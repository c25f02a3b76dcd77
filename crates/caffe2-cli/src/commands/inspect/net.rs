//! Nets.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use caffe2::files::Limits;
use caffe2::inspect::{Before, NetSummary, Sizes, Stored};
use caffe2::operator::TensorInfo;
use caffe2::{DataType, NetDef, OpRegistry};
use serde_json::{Value, json};

use super::{InspectArgs, Report, bytes};
use crate::model::{Model, Parameters};
use crate::style::{BOLD, WRONG, paint};
use crate::table::{Align, indented};
use crate::units::{compact, counted, grouped};

/// All about a net.
pub(super) fn report(
    args: &InspectArgs,
    registry: &Arc<OpRegistry>,
    model: &Model,
    limits: &Limits,
) -> Result<Report> {
    let (summary, mut before) = model.summary(registry, limits)?;
    if summary.inputs.is_empty() && summary.parameters.is_empty() {
        // An init net: what it has in its own arguments.
        before.stored = Before::init_net(registry, &model.net, &NetDef::default()).stored;
    }
    let mut text = overview(model, &summary, &before);
    if args.ops {
        text += &operators(model, &summary);
    }
    if args.blobs {
        text += &blobs(model, &summary);
    }
    Ok(Report { text, json: as_json(args, model, &summary, &before) })
}

fn head(text: &str) -> String {
    format!("\n{}\n", paint(BOLD, text))
}

fn overview(model: &Model, summary: &NetSummary, before: &Before) -> String {
    let net = &model.net;
    let origin = match &model.before {
        Parameters::Unknown => String::new(),
        Parameters::Init { path, net } => {
            format!(", parameters by {} ({})", path.display(), counted(net.op.len(), "operator"))
        }
        Parameters::Predictor(_) => ", parameters in the same file".to_owned(),
    };
    let mut text = format!("net `{}`, {}{origin}\n", net.name(), counted(net.op.len(), "operator"));
    let unknown_parameters = matches!(model.before, Parameters::Unknown);
    text += &inputs(summary, unknown_parameters);
    text += &head("Outputs");
    let rows: Vec<_> = summary.outputs.iter().map(|(name, info)| vec![name.clone(), words(info)]).collect();
    text += &shortened(&rows, &[Align::Left, Align::Left]);
    if !summary.parameters.is_empty() {
        text += &parameters(summary, before);
    } else if !before.stored.is_empty() {
        let rows: Vec<_> = before.stored.iter().map(stored).collect();
        text += &head("Values");
        text += &indented(&[Align::Left, Align::Right, Align::Left], &rows);
    }
    text += &work(model, summary);
    text += &head("Operators");
    text += &wrapped(&summary.operators);
    for (op_type, times) in &summary.missing {
        text +=
            &format!("  {} `{op_type}`, used {}\n", paint(WRONG, "not registered:"), counted(*times, "time"));
    }
    let problems = summary.diagnosis.problems.len() + before.problems.len()
        - summary.missing.iter().map(|m| m.1).sum::<usize>();
    if problems > 0 {
        text += &format!(
            "  {} {}; `caffe2 check` lists them\n",
            paint(WRONG, "wrong:"),
            counted(problems, "problem")
        );
    }
    text
}

fn inputs(summary: &NetSummary, unknown_parameters: bool) -> String {
    if summary.inputs.is_empty() {
        return head("Inputs") + "  none: it makes everything itself\n";
    }
    let mut text =
        head(if unknown_parameters { "Inputs and parameters (no init net)" } else { "Inputs to feed" });
    let rows: Vec<_> = summary
        .inputs
        .iter()
        .map(|input| {
            let guess = input.guess.as_ref().map_or(String::new(), |guess| guessed(guess.sizes));
            vec![input.name.clone(), words(&input.info), guess]
        })
        .collect();
    text += &shortened(&rows, &[Align::Left, Align::Left, Align::Left]);
    text
}

/// What is known of a blob.
fn words(info: &TensorInfo) -> String {
    match (info.data_type, &info.shape) {
        (None, None) => "unknown".to_owned(),
        (Some(data_type), None) => format!("{}, shape unknown", data_type.name()),
        _ => info.to_string(),
    }
}

/// How a shape was found.
fn guessed(sizes: Sizes) -> String {
    match sizes {
        Sizes::Rows => "guessed: any number of rows".to_owned(),
        Sizes::Sides(low, high) if low == high => "guessed: no other side fits".to_owned(),
        Sizes::Sides(low, high) => format!("guessed: sides {low} to {high} fit"),
        Sizes::Any => "guessed: about any side fits".to_owned(),
    }
}

fn parameters(summary: &NetSummary, before: &Before) -> String {
    let (values, memory) = parameter_sizes(summary);
    let mut text = head("Parameters");
    let blobs = summary.parameters.len();
    let in_memory = vec![
        "in memory".to_owned(),
        bytes(memory).to_string(),
        format!("{}, {} values", counted(blobs, "blob"), grouped(values)),
    ];
    let rows: Vec<_> = [in_memory].into_iter().chain(before.stored.iter().map(stored)).collect();
    text += &indented(&[Align::Left, Align::Right, Align::Left], &rows);
    text
}

/// How parameters are stored, as a row of a table.
fn stored(stored: &Stored) -> Vec<String> {
    let blobs = counted(stored.blobs, "blob");
    match stored.data_type {
        Some(data_type) => {
            let what = if data_type == DataType::UInt8 { "bytes (uint8)" } else { data_type.name() };
            vec!["in the file".to_owned(), bytes(stored.bytes).to_string(), format!("{blobs} as {what}")]
        }
        None => vec!["computed".to_owned(), String::new(), format!("{blobs}, by a rule and no values")],
    }
}

fn work(model: &Model, summary: &NetSummary) -> String {
    let memory = &summary.memory;
    let mut text = head("One run");
    let (macs, part) = match (summary.macs, memory.complete) {
        (0, false) => ("unknown".to_owned(), "since shapes are"),
        (macs, false) => (compact(macs), "at least: not all shapes are known"),
        (macs, true) => (compact(macs), ""),
    };
    let mut rows = vec![vec!["multiply-adds".to_owned(), macs, part.to_owned()]];
    if memory.peak > 0 {
        let op = model
            .net
            .op
            .get(memory.peak_at)
            .map_or(String::new(), |op| format!("operator #{} {}", memory.peak_at, op.r#type()));
        rows.push(vec![
            "activations".to_owned(),
            bytes(memory.peak).to_string(),
            format!("needed at once, at {op}"),
        ]);
        rows.push(vec![
            String::new(),
            bytes(memory.total).to_string(),
            "if all are kept, as a workspace does".to_owned(),
        ]);
    }
    text += &indented(&[Align::Left, Align::Right, Align::Left], &rows);
    text
}

/// A table with the first rows of many.
fn shortened(rows: &[Vec<String>], sides: &[Align]) -> String {
    const MOST: usize = 12;
    let mut text = indented(sides, &rows[..rows.len().min(MOST)]);
    if rows.len() > MOST {
        text += &format!("  and {} more; --blobs lists all\n", rows.len() - MOST);
    }
    text
}

/// Names with their numbers, in lines that a terminal holds.
fn wrapped(counts: &[(String, usize)]) -> String {
    const WIDTH: usize = 78;
    let mut text = String::new();
    let mut line = String::from(" ");
    for (index, (name, number)) in counts.iter().enumerate() {
        let comma = if index + 1 < counts.len() { "," } else { "" };
        let item = format!(" {name} {number}{comma}");
        if line.chars().count() + item.chars().count() > WIDTH && line.len() > 1 {
            text += &line;
            text.push('\n');
            line = String::from(" ");
        }
        line += &item;
    }
    text + &line + "\n"
}

fn operators(model: &Model, summary: &NetSummary) -> String {
    let mut text = head("Operators in order");
    let titles = ["", "type", "first output", "shape", "multiply-adds"].map(str::to_owned).to_vec();
    let rows =
        model.net.op.iter().zip(&summary.diagnosis.ops).enumerate().map(|(position, (op, inferred))| {
            let macs = if inferred.cost.macs > 0 { compact(inferred.cost.macs) } else { String::new() };
            let output = op.output.first().cloned().unwrap_or_default();
            let shape = inferred.outputs.first().map_or(String::new(), shape);
            vec![format!("#{position}"), op.r#type().to_owned(), output, shape, macs]
        });
    let rows: Vec<_> = [titles].into_iter().chain(rows).collect();
    text += &indented(&[Align::Right, Align::Left, Align::Left, Align::Left, Align::Right], &rows);
    text
}

/// The shape, and the type where it is not the usual one.
fn shape(info: &TensorInfo) -> String {
    match (&info.shape, info.data_type) {
        (Some(shape), Some(DataType::Float) | None) => shape.to_string(),
        (Some(shape), Some(other)) => format!("{} {shape}", other.name()),
        (None, _) => "?".to_owned(),
    }
}

/// How many values the parameters have, and how many bytes these take.
fn parameter_sizes(summary: &NetSummary) -> (usize, u64) {
    summary.parameters.iter().fold((0usize, 0u64), |(values, bytes), (_, info)| {
        let numel = info.shape.as_ref().map_or(0, |shape| shape.numel());
        (values.saturating_add(numel), bytes.saturating_add(info.byte_len()))
    })
}

/// What blobs are to the net.
fn roles(summary: &NetSummary) -> HashMap<&str, &'static str> {
    let outputs = summary.outputs.iter().map(|(name, _)| (name.as_str(), "output"));
    let parameters = summary.parameters.iter().map(|(name, _)| (name.as_str(), "parameter"));
    let inputs = summary.inputs.iter().map(|input| (input.name.as_str(), "to feed"));
    // Of several the last counts.
    outputs.chain(parameters).chain(inputs).collect()
}

/// The blobs that the net reads or writes, in the order in which it does.
fn names(model: &Model) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    let all = model.net.op.iter().flat_map(|op| op.input.iter().chain(&op.output)).map(String::as_str);
    all.filter(|name| seen.insert(*name)).collect()
}

fn blobs(model: &Model, summary: &NetSummary) -> String {
    let mut text = head("Blobs");
    let roles = roles(summary);
    let row = |name: &str| {
        let info = summary.blobs.get(name).cloned().unwrap_or_default();
        let size = if info.byte_len() > 0 { bytes(info.byte_len()).to_string() } else { String::new() };
        vec![name.to_owned(), shape(&info), size, roles.get(name).copied().unwrap_or_default().to_owned()]
    };
    let titles = ["name", "shape", "bytes", ""].map(str::to_owned).to_vec();
    let rows: Vec<_> = [titles].into_iter().chain(names(model).into_iter().map(row)).collect();
    text += &indented(&[Align::Left, Align::Left, Align::Right, Align::Left], &rows);
    text
}

fn info_json(info: &TensorInfo) -> Value {
    let shape = info.shape.as_ref().map(|shape| shape.dims().to_vec());
    json!({ "type": info.data_type.map(|t| t.name()), "shape": shape })
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

fn as_json(args: &InspectArgs, model: &Model, summary: &NetSummary, before: &Before) -> Value {
    let named = |(name, info): &(String, TensorInfo)| with(json!({ "name": name }), info_json(info));
    let input = |input: &caffe2::inspect::InputSummary| {
        let guess = input.guess.as_ref().map(|guess| guessed(guess.sizes));
        with(json!({ "name": input.name, "guess": guess }), info_json(&input.info))
    };
    let stored =
        |s: &Stored| json!({ "type": s.data_type.map(|t| t.name()), "blobs": s.blobs, "bytes": s.bytes });
    let (values, memory) = parameter_sizes(summary);
    let as_numbers = |list: &[(String, usize)]| -> Value {
        let map: serde_json::Map<String, Value> =
            list.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
        map.into()
    };
    let mut json = json!({
        "net": model.net.name(),
        "operators": as_numbers(&summary.operators),
        "inputs": summary.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": summary.outputs.iter().map(named).collect::<Vec<_>>(),
        "parameters": {
            "blobs": summary.parameters.len(), "values": values, "bytes": memory,
            "stored": before.stored.iter().map(stored).collect::<Vec<_>>(),
        },
        "macs": summary.macs,
        "activations": {
            "peak_bytes": summary.memory.peak, "peak_at": summary.memory.peak_at,
            "total_bytes": summary.memory.total, "complete": summary.memory.complete,
        },
        "not_registered": as_numbers(&summary.missing),
        "problems": before.problems.iter().chain(&summary.diagnosis.problems).map(ToString::to_string).collect::<Vec<_>>(),
    });
    if args.ops {
        let ops = model.net.op.iter().zip(&summary.diagnosis.ops).map(|(op, inferred)| {
            let outputs = op.output.iter().cloned().zip(inferred.outputs.iter().cloned()).collect::<Vec<_>>();
            json!({
                "type": op.r#type(), "name": op.name(), "inputs": op.input,
                "outputs": outputs.iter().map(named).collect::<Vec<_>>(), "macs": inferred.cost.macs,
            })
        });
        json["ops"] = ops.collect();
    }
    if args.blobs {
        let roles = roles(summary);
        let blob = |name: &str| {
            let info = summary.blobs.get(name).cloned().unwrap_or_default();
            with(
                json!({ "name": name, "bytes": info.byte_len(), "role": roles.get(name).copied().unwrap_or_default() }),
                info_json(&info),
            )
        };
        json["blobs"] = names(model).into_iter().map(blob).collect();
    }
    json
}
