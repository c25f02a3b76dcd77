//! `caffe2 optimize`: what merging operators makes of a net.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use caffe2::{NetDef, OpRegistry, files};
use caffe2_transform::fuse::{FuseOptions, Fused, fuse};
use serde_json::{Value, json};

use super::quantize::net_file;
use super::run::check_folder;
use crate::model::Model;
use crate::options::LimitArgs;
use crate::progress::Progress;
use crate::stdout;
use crate::table::{Align, Table};

/// Merge operators of a net
///
/// Shows what `caffe2 run`, `bench`, `profile` and `predict` do to a net before they run it: each convolution takes in the
/// batch normalisation, the scale and shift by channel, the sum and the activation behind it. With --output-net the net is
/// written; it runs with this program, not with Caffe2, which has no such operator. The init net stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct OptimizeArgs {
    /// The net: a NetDef, or a predictor file
    #[arg(long, value_name = "NET")]
    net: PathBuf,

    /// The net that makes its parameters
    ///
    /// With it, Mul and Add by channel are merged too: whether they are that is a question of the shapes of parameters.
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// A blob that is to be computed, beside the outputs of the net; may be given again
    #[arg(long, value_name = "BLOB")]
    keep: Vec<String>,

    /// Where to write the net, .pb (binary) or .pbtxt (text)
    ///
    /// It is written whole or not at all.
    #[arg(long, value_name = "OUT", value_parser = net_file())]
    output_net: Option<PathBuf>,

    /// The same as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    limits: LimitArgs,
}

const EXAMPLES: &str = "\
Examples:
  What is merged:
    caffe2 optimize --net predict_net.pb --init init_net.pb

  Keep a blob that is looked at, and write the net:
    caffe2 optimize --net predict_net.pb --init init_net.pb --keep pool5 --output-net merged.pb

Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.";

/// Reads, merges, writes, and tells of it.
pub(crate) fn run(args: &OptimizeArgs) -> Result<()> {
    if let Some(path) = &args.output_net {
        check_folder(path)?;
    }
    let progress = Progress::start();
    let limits = args.limits.limits();
    let model = Model::read(&args.net, args.init.as_deref(), &limits, &progress)?;
    progress.phase("looking at the net");
    let before = model.before(&OpRegistry::linked()?, &limits)?;
    let is_vector = |name: &str| {
        let shape = before.blobs.get(name).and_then(|info| info.shape.as_ref());
        shape.is_some_and(|shape| shape.rank() == 1 && shape.numel() > 1)
    };
    let mut net = model.net.clone();
    let fused = fuse(&mut net, &FuseOptions { keep: &args.keep, is_vector: &is_vector });
    if let Some(path) = &args.output_net {
        progress.phase(&format!("writing {}", path.display()));
        files::write_net(path, &net)?;
    }
    progress.finish();
    match args.json {
        true => stdout::print(format!("{:#}\n", as_json(&model.net, &net, &fused)).as_bytes()),
        false => stdout::print(text(&model.net, &net, &fused).as_bytes()),
    }
}

/// How many operators of each type there are in two nets.
fn counts<'a>(before: &'a NetDef, after: &'a NetDef) -> BTreeMap<&'a str, (usize, usize)> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    before.op.iter().for_each(|op| counts.entry(op.r#type()).or_default().0 += 1);
    after.op.iter().for_each(|op| counts.entry(op.r#type()).or_default().1 += 1);
    counts
}

fn text(before: &NetDef, after: &NetDef, fused: &Fused) -> String {
    let mut table =
        Table::new(&[("operator", Align::Left), ("before", Align::Right), ("after", Align::Right)]);
    for (kind, (before, after)) in counts(before, after) {
        table.row([kind.to_owned(), before.to_string(), after.to_string()]);
    }
    table.row(["all".to_owned(), before.op.len().to_string(), after.op.len().to_string()]);
    let mut text = table.render();
    text.push_str(&format!("\n{} of {} operators became part of another\n", fused.merged, before.op.len()));
    if !fused.gone.is_empty() {
        text.push_str(&format!("not computed any more (--keep BLOB keeps one): {}\n", fused.gone.join(", ")));
    }
    text
}

fn as_json(before: &NetDef, after: &NetDef, fused: &Fused) -> Value {
    let types = counts(before, after).into_iter();
    let types: Vec<_> = types
        .map(|(kind, (before, after))| json!({"type": kind, "before": before, "after": after}))
        .collect();
    json!({
        "operators": {"before": before.op.len(), "after": after.op.len()},
        "types": types, "merged": fused.merged, "gone": fused.gone,
    })
}
