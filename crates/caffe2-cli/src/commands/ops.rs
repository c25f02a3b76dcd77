//! `caffe2 ops`: the operators that are built in, and what they want.

mod markdown;

use anyhow::{Context as _, bail};
use caffe2::operator::{OpRegistry, OpSchema};
use serde_json::json;

use crate::stdout;

/// List operators, or tell all about some
///
/// Without a type, all operators with one line each. With types, everything about them: inputs, outputs,
/// arguments with their defaults, and where they differ from Caffe2's.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct OpsArgs {
    /// Operator types, such as Conv
    #[arg(value_name = "TYPE")]
    types: Vec<String>,

    /// Everything about all operators, or the types given, as a page in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,

    /// The same as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Which operators are there?
    caffe2 ops

  What does Conv want?
    caffe2 ops Conv";

/// An operator type and where it comes from.
struct Entry {
    package: &'static str,
    engines: Vec<&'static str>,
    schema: OpSchema,
}

/// Prints what was asked for.
pub(crate) fn run(args: &OpsArgs) -> anyhow::Result<()> {
    let registry = OpRegistry::linked()?;
    let types: Vec<&str> = match &args.types[..] {
        [] => registry.op_types(),
        some => some.iter().map(String::as_str).collect(),
    };
    let entries =
        types.iter().map(|op_type| entry(&registry, op_type)).collect::<anyhow::Result<Vec<_>>>()?;
    let text = if args.json {
        serde_json::to_string_pretty(&entries.iter().map(to_json).collect::<Vec<_>>())? + "\n"
    } else if args.markdown && args.types.is_empty() {
        markdown::page(&entries)
    } else if args.markdown || !args.types.is_empty() {
        entries.iter().map(markdown::section).collect::<Vec<_>>().join("\n")
    } else {
        entries.iter().map(line).collect()
    };
    stdout::print(text.as_bytes())
}

fn entry(registry: &OpRegistry, op_type: &str) -> anyhow::Result<Entry> {
    let Some(schema) = registry.schema(op_type) else {
        let likeness = |known: &&str| {
            (strsim::jaro_winkler(&known.to_lowercase(), &op_type.to_lowercase()) * 1e3) as u32
        };
        let near = registry.op_types().into_iter().max_by_key(likeness).filter(|known| likeness(known) > 800);
        match near {
            Some(near) => bail!("no operator `{op_type}`; there is `{near}`"),
            None => bail!("no operator `{op_type}`; `caffe2 ops` lists all there are"),
        }
    };
    let mine = registry.registrations().into_iter().filter(|r| r.op_type() == op_type).collect::<Vec<_>>();
    let package = mine.first().context("a schema without a registration")?.origin().package;
    let engines = mine.iter().map(|r| r.engine()).filter(|engine| !engine.is_empty()).collect();
    Ok(Entry { package, engines, schema: schema.clone() })
}

/// The type and the beginning of the first sentence about it, in a line that a terminal holds.
fn line(entry: &Entry) -> String {
    let doc = entry.schema.documentation();
    let first = doc.find(". ").map_or(doc.trim_end_matches('.'), |end| &doc[..end]);
    let text = match first.char_indices().nth(MOST) {
        Some((end, _)) => {
            let word = first[..end].rfind(' ').unwrap_or(end);
            format!("{} …", first[..word].trim_end_matches([',', ';', ':']))
        }
        None => first.to_owned(),
    };
    format!("{:<34}{text}\n", entry.schema.name())
}

/// The most characters of a sentence in the list.
const MOST: usize = 82;

fn to_json(entry: &Entry) -> serde_json::Value {
    let schema = &entry.schema;
    let blobs = |docs: &[caffe2::operator::BlobDoc]| -> Vec<_> {
        docs.iter().map(|blob| json!({ "name": blob.name, "doc": blob.doc })).collect()
    };
    let arguments: Vec<_> = schema
        .args()
        .iter()
        .map(|arg| {
            let default = arg.default.to_string();
            json!({ "name": arg.name, "kind": arg.kind.name(), "default": default, "doc": arg.doc })
        })
        .collect();
    json!({
        "type": schema.name(),
        "crate": entry.package,
        "engines": entry.engines,
        "doc": schema.documentation(),
        "differences": schema.documented_differences(),
        "input_count": schema.input_counts().to_string(),
        "inputs": blobs(schema.input_docs()),
        "output_count": schema.output_counts().to_string(),
        "outputs": blobs(schema.output_docs()),
        "in_place": markdown::in_place_pairs(schema, OpSchema::allows_in_place),
        "arguments": arguments,
    })
}
