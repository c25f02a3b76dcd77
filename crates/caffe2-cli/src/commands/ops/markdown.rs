//! Operators as a page in Markdown, which is `docs/operators.md`.

use std::fmt::Write as _;

use caffe2::operator::{BlobDoc, Comparison, Counts, OpSchema};

use super::Entry;

/// All operators: a list, then a section for each.
pub(super) fn page(entries: &[Entry]) -> String {
    let mut text = String::from(
        "# Operators\n\n\
         Made from the operators' schemas by `caffe2 ops --markdown > docs/operators.md`; not edited by hand.\n\n\
         Arguments stand in the field of their kind: numbers in `f`, integers and truth values in `i`, strings in `s`, nets \
         in `n`, lists in the field of that name. *Exact* results have the bits of Caffe2's; others are within the tolerance \
         stated, relative to the larger of the value and the root mean square of all.\n\n",
    );
    for entry in entries {
        let name = entry.schema.name();
        let _ = writeln!(text, "- [`{name}`](#{})", name.to_lowercase());
    }
    for entry in entries {
        text.push('\n');
        text.push_str(&section(entry));
    }
    text
}

/// One operator.
pub(super) fn section(entry: &Entry) -> String {
    let schema = &entry.schema;
    let mut text = format!("## {}\n\n{}\n\n", schema.name(), schema.documentation());
    blobs(&mut text, "input", schema.input_counts(), schema.input_docs());
    blobs(&mut text, "output", schema.output_counts(), schema.output_docs());
    arguments(&mut text, schema);
    for (words, holds) in [
        ("Must be in place", OpSchema::enforces_in_place as fn(&OpSchema, usize, usize) -> bool),
        ("May be in place", OpSchema::allows_in_place),
    ] {
        let pairs = in_place_pairs(schema, holds);
        if !pairs.is_empty() {
            let pairs: Vec<_> = pairs.iter().map(|(i, o)| format!("input {i} as output {o}")).collect();
            let _ = writeln!(text, "{words}: {}.\n", pairs.join(", "));
        }
    }
    if !schema.documented_differences().is_empty() {
        let _ = writeln!(text, "**Differs from Caffe2:** {}\n", schema.documented_differences());
    }
    let engines = match &entry.engines[..] {
        [] => String::new(),
        some => format!(" Engines: `{}`.", some.join("`, `")),
    };
    let _ = writeln!(text, "Results: {}. Crate `{}`.{engines}", comparison(schema), entry.package);
    text
}

fn comparison(schema: &OpSchema) -> String {
    match schema.result_comparison() {
        Comparison::Exact => "exact".to_owned(),
        Comparison::Tolerance(tolerance) => format!("within {tolerance:e}"),
        Comparison::Random => "random".to_owned(),
    }
}

fn blobs(text: &mut String, what: &str, counts: &Counts, docs: &[BlobDoc]) {
    let _ = writeln!(text, "| {what} ({counts}) | |\n|---|---|");
    for blob in docs {
        let _ = writeln!(text, "| `{}` | {} |", blob.name, cell(blob.doc));
    }
    text.push('\n');
}

fn arguments(text: &mut String, schema: &OpSchema) {
    if schema.args().is_empty() {
        return;
    }
    text.push_str("| argument | kind | default | |\n|---|---|---|---|\n");
    for arg in schema.args() {
        let (name, kind, default) = (arg.name, arg.kind.name(), &arg.default);
        let _ = writeln!(text, "| `{name}` | {kind} | {default} | {} |", cell(arg.doc));
    }
    text.push('\n');
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The pairs of input and output for which `holds`, among the first of each.
pub(super) fn in_place_pairs(
    schema: &OpSchema,
    holds: fn(&OpSchema, usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    const SHOWN: usize = 4;
    let (inputs, outputs) = (schema.input_counts().max().min(8), schema.output_counts().max().min(8));
    let pairs = (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o)));
    let pairs: Vec<_> = pairs.filter(|&(i, o)| holds(schema, i, o)).collect();
    // A rule that holds for any pair is told by its first ones.
    pairs.into_iter().take(SHOWN).collect()
}
