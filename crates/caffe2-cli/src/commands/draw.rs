//! `caffe2 draw`: a picture of a net.

mod details;
mod dot;
mod graph;
mod layout;
mod mermaid;
mod svg;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use caffe2::OpRegistry;
use caffe2::files::write_bytes;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::model::Model;
use crate::options::LimitArgs;
use crate::progress::Progress;
use crate::stdout;
use graph::Graph;

/// Draw a net as a picture, or as text that others draw
///
/// Operators in a row stand in one box, with the shapes that they make; weights count as a part of the operator that reads
/// them. An operator that writes over its input is drawn behind it, not as a circle.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DrawArgs {
    /// The net, or a predictor file
    #[arg(value_name = "NET")]
    net: PathBuf,

    /// The net that makes the parameters; with it shapes are known
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// File to write: .svg (a picture), .dot (Graphviz) or .mmd (Mermaid); without it, dot to standard output
    #[arg(short, long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(parse_output))]
    output: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,
}

const EXAMPLES: &str = "\
Examples:
  A picture for a browser, with shapes:
    caffe2 draw predict_net.pb --init init_net.pb -o net.svg

  Text for a Markdown page:
    caffe2 draw predict_net.pb --init init_net.pb -o net.mmd

  By Graphviz:
    caffe2 draw predict_net.pb | dot -Tpdf -o net.pdf";

/// What a picture can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Dot,
    Mermaid,
}

impl Format {
    fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "svg" => Some(Format::Svg),
            "dot" | "gv" => Some(Format::Dot),
            "mmd" | "mermaid" => Some(Format::Mermaid),
            _ => None,
        }
    }
}

fn parse_output(text: OsString) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match Format::of(&path) {
        Some(_) => Ok(path),
        None => Err("use .svg, .dot or .mmd".into()),
    }
}

/// Reads the net and draws it.
pub(crate) fn run(args: &DrawArgs) -> anyhow::Result<()> {
    let registry = OpRegistry::linked()?;
    let progress = Progress::start();
    let limits = args.limits.limits();
    let model = Model::read(&args.net, args.init.as_deref(), &limits, &progress)?;
    progress.phase("drawing");
    let summary = model.summary(&registry, &limits)?.0;
    let graph = Graph::of(&model.net, &summary);
    let format = args.output.as_deref().and_then(Format::of).unwrap_or(Format::Dot);
    let text = match format {
        Format::Svg => svg::write(&graph)?,
        Format::Dot => dot::write(&graph),
        Format::Mermaid => mermaid::write(&graph),
    };
    progress.finish();
    match &args.output {
        Some(path) => Ok(write_bytes(path, text.as_bytes())?),
        None => stdout::print(text.as_bytes()),
    }
}
