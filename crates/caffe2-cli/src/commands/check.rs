//! `caffe2 check`: everything that is wrong with a net, without running it.

use std::path::{Path, PathBuf};

use caffe2::inspect::{Before, NetSummary};
use caffe2::operator::{ErrorKind, TensorInfo};
use caffe2::{Error, OpRegistry};
use serde_json::json;

use crate::feeds::{FeedArg, read_feeds};
use crate::model::Model;
use crate::options::LimitArgs;
use crate::progress::Progress;
use crate::style::{FAINT, RIGHT, WRONG, harmless, paint};
use crate::units::ByteSize;
use crate::{ProblemsFound, stdout};

/// Find everything that is wrong with a net, without running it
///
/// Looked at are operator types, numbers of inputs and outputs, blobs in place, arguments, devices, blobs that nobody makes,
/// shapes and types as far as they can be told, and the memory that a run takes. All problems are listed, each with its net,
/// the position and the type of the operator.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The net, or a predictor file
    #[arg(value_name = "NET")]
    net: PathBuf,

    /// The net that makes the parameters; it is checked too
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// Tensors that are to be fed; with one, every blob that is neither fed nor made is a problem
    ///
    /// As in `caffe2 run`. May be given again.
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = FeedArg::parser())]
    feeds: Vec<FeedArg>,

    /// The same as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    limits: LimitArgs,
}

const EXAMPLES: &str = "\
Examples:
  Can this net run here?
    caffe2 check predict_net.pb --init init_net.pb

  On this input?
    caffe2 check predict_net.pb --init init_net.pb --feed input.npz

Exit status: 0 if nothing is wrong, 1 if something is, 2 when the command line makes no sense.";

/// Something that is wrong.
struct Problem<'a> {
    file: &'a Path,
    text: String,
    error: Option<&'a Error>,
}

/// Reads, checks and tells.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let registry = OpRegistry::linked()?;
    let progress = Progress::start();
    let limits = args.limits.limits();
    let model = Model::read(&args.net, args.init.as_deref(), &limits, &progress)?;
    let mut before = model.before(&registry, &limits)?;
    let feeds = read_feeds(&args.feeds, &limits, &progress)?;
    progress.phase("checking");
    for (name, tensor) in &feeds {
        before.placeholders.retain(|place| place != name);
        before.blobs.insert(name.clone(), TensorInfo::from(tensor));
    }
    let summary = NetSummary::new(&registry, &model.net, &before);
    progress.finish();
    let problems = problems(args, &model, &before, &summary);
    let report = if args.json { as_json(&problems, &summary) } else { as_text(&problems, &model, &summary) };
    stdout::print_styled(&report)?;
    if problems.is_empty() { Ok(()) } else { Err(ProblemsFound.into()) }
}

fn problems<'a>(
    args: &CheckArgs,
    model: &'a Model,
    before: &'a Before,
    summary: &'a NetSummary,
) -> Vec<Problem<'a>> {
    let mut problems = Vec::new();
    if let Some((file, _)) = model.init() {
        let made =
            before.problems.iter().map(|error| Problem { file, text: error.to_string(), error: Some(error) });
        problems.extend(made);
    }
    let file = model.path.as_path();
    let net = |error: &'a Error| Problem { file, text: error.to_string(), error: Some(error) };
    problems.extend(summary.diagnosis.problems.iter().map(net));
    if !args.feeds.is_empty() {
        for input in &summary.inputs {
            let text = format!(
                "net `{}`: `{}` is neither fed nor made by an init net",
                model.net.name(),
                input.name
            );
            problems.push(Problem { file, text, error: None });
        }
    }
    let there = before.blobs.values().map(TensorInfo::byte_len);
    let bytes = there.fold(summary.memory.total, u64::saturating_add);
    if bytes > args.limits.memory_limit.0 as u64 {
        let (found, limit) =
            (ByteSize(usize::try_from(bytes).unwrap_or(usize::MAX)), args.limits.memory_limit);
        let text =
            format!("net `{}`: its blobs take {found}, and --memory-limit allows {limit}", model.net.name());
        problems.push(Problem { file, text, error: None });
    }
    problems
}

fn as_text(problems: &[Problem<'_>], model: &Model, summary: &NetSummary) -> String {
    let mut text = String::new();
    for problem in problems {
        text += &format!(
            "{} {}\n",
            paint(WRONG, format_args!("{}:", problem.file.display())),
            harmless(&problem.text)
        );
    }
    if problems.is_empty() {
        let ops = model.net.op.len() + model.init().map_or(0, |(_, init)| init.op.len());
        text += &format!(
            "{} {ops} operators, no problems\n",
            paint(RIGHT, format_args!("{}:", model.path.display()))
        );
    } else {
        let count = problems.len();
        text += &format!("{count} {}\n", if count == 1 { "problem" } else { "problems" });
    }
    let (known, unknown): (Vec<_>, Vec<_>) =
        summary.inputs.iter().partition(|input| input.info.shape.is_some());
    for input in known {
        let guess = if input.guess.is_some() { ", guessed from the weights" } else { "" };
        let line = format!("to feed: `{}` {}{guess}", input.name, input.info);
        text += &format!("{}\n", paint(FAINT, line));
    }
    if !unknown.is_empty() {
        let names: Vec<_> =
            unknown.iter().take(MOST_NAMES).map(|input| format!("`{}`", input.name)).collect();
        let more = unknown.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let init = if model.init().is_none() { "; --init and --feed tell more of them" } else { "" };
        let line = format!("to be there before, of unknown shape: {}{more}{init}", names.join(", "));
        text += &format!("{}\n", paint(FAINT, line));
    }
    text
}

/// The most blobs of unknown shape that are named.
const MOST_NAMES: usize = 4;

fn as_json(problems: &[Problem<'_>], summary: &NetSummary) -> String {
    let problem = |problem: &Problem<'_>| {
        let op = problem.error.and_then(Error::operator);
        json!({
            "file": problem.file.display().to_string(),
            "net": problem.error.and_then(Error::net),
            "position": op.and_then(|op| op.position),
            "type": op.map(|op| &op.op_type),
            "name": op.map(|op| &op.name),
            "kind": problem.error.map_or("Limits or feeds".to_owned(), |error| kind(error.kind())),
            "message": problem.text,
        })
    };
    let inputs: Vec<_> =
        summary.inputs.iter().map(|i| json!({ "name": i.name, "info": i.info.to_string() })).collect();
    let report = json!({ "problems": problems.iter().map(problem).collect::<Vec<_>>(), "to_feed": inputs });
    format!("{report:#}\n")
}

fn kind(kind: ErrorKind) -> String {
    format!("{kind:?}")
}
