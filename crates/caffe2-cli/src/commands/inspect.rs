//! `caffe2 inspect`: what a file is and what is in it.

mod net;
mod tensors;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::OpRegistry;
use caffe2::files::{FileError, Limits, kind_of, minidb};
use caffe2::proto::{Caffe2Message as _, FileKind, MessageKind, PlanDef};
use serde_json::{Value, json};

use crate::model::Model;
use crate::options::LimitArgs;
use crate::progress::Progress;
use crate::stdout;
use crate::style::{BOLD, paint};
use crate::units::ByteSize;

/// Tell what a file is, and what is in it
///
/// Of a net: operators, blobs to feed and blobs that come out with their shapes, parameters, multiply-adds and memory. Of
/// tensors: names, types, shapes. Of anything else: what it is, and what can be done about it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// The file: a net, a predictor file, tensors, or anything
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The net that makes the parameters of a net; with it shapes are known
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// List the operators of a net
    #[arg(long)]
    ops: bool,

    /// List the blobs of a net
    #[arg(long)]
    blobs: bool,

    /// The same as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    limits: LimitArgs,
}

const EXAMPLES: &str = "\
Examples:
  What is this file?
    caffe2 inspect model.pb

  What does this model want, and what does a run of it take?
    caffe2 inspect predict_net.pb --init init_net.pb

  Every operator with the shapes that it makes:
    caffe2 inspect predict_net.pb --init init_net.pb --ops

  How many parameters has it, for a script?
    caffe2 inspect net.pb --init init.pb --json | jq .parameters.values";

/// What was found out: for people, and for programs.
struct Report {
    text: String,
    json: Value,
}

/// Looks, and tells.
pub(crate) fn run(args: &InspectArgs) -> Result<()> {
    let progress = Progress::start();
    progress.phase(&format!("reading {}", args.file.display()));
    let limits = args.limits.limits();
    let kind = kind_of(&args.file, &limits)?;
    let report = inspect(args, kind, &limits, &progress)?;
    progress.finish();
    let size = args.file.metadata().ok().filter(|m| m.is_file()).map(|m| m.len());
    if args.json {
        let mut json =
            json!({ "file": args.file.display().to_string(), "kind": kind.to_string(), "bytes": size });
        if let (Value::Object(all), Value::Object(more)) = (&mut json, report.json) {
            all.extend(more);
        }
        return stdout::print(format!("{json:#}\n").as_bytes());
    }
    let size = size.map_or(String::new(), |size| format!(", {}", bytes(size)));
    let head = format!("{}: {kind}{size}\n", paint(BOLD, args.file.display()));
    stdout::print_styled(&(head + &report.text))
}

fn inspect(args: &InspectArgs, kind: FileKind, limits: &Limits, progress: &Progress) -> Result<Report> {
    let path = args.file.as_path();
    let of = |wanted: MessageKind| {
        [FileKind::Binary(wanted), FileKind::Text(Some(wanted)), FileKind::Json(Some(wanted))].contains(&kind)
    };
    if of(MessageKind::Net) || of(MessageKind::MetaNet) || is_predictor(path, kind, limits) {
        let registry = OpRegistry::linked()?;
        let model = Model::read(path, args.init.as_deref(), limits, progress)?;
        progress.phase("looking at the net");
        return net::report(args, &registry, &model, limits);
    }
    if args.init.is_some() || args.ops || args.blobs {
        bail!("{}: this is {kind}; --init, --ops and --blobs are for nets", path.display());
    }
    if kind == FileKind::Npy {
        return Ok(tensors::report([("array".to_owned(), limits.read_tensor(path)?.into())]));
    }
    if of(MessageKind::Tensors) || of(MessageKind::Tensor) || of(MessageKind::Blob) || kind == FileKind::Zip {
        let tensors = limits.read_tensors(path)?;
        return Ok(tensors::report(tensors.into_iter().map(|(name, tensor)| (name, tensor.into()))));
    }
    if kind == FileKind::MiniDb {
        return Ok(tensors::report(minidb::read(path, limits)?));
    }
    if of(MessageKind::Plan) {
        return plan(path, limits);
    }
    foreign(path, kind, limits)
}

/// Whether a database is that of a predictor, and is one that can be read.
fn is_predictor(path: &Path, kind: FileKind, limits: &Limits) -> bool {
    use caffe2::files::{FileErrorKind, PredictorFile};
    let found = || PredictorFile::open(path, limits);
    // Damage is told by who reads on.
    kind == FileKind::MiniDb && !found().is_err_and(|e| e.kind() == FileErrorKind::WrongContent)
}

fn plan(path: &Path, limits: &Limits) -> Result<Report> {
    let plan = PlanDef::from_file(path, &limits.wire).map_err(FileError::from)?;
    let nets: Vec<_> = plan.network.iter().map(|net| (net.name().to_owned(), net.op.len())).collect();
    let mut text = format!("plan {}, {} steps\n", plan.name(), plan.execution_step.len());
    for (name, ops) in &nets {
        text += &format!("  net {name}, {ops} operators\n");
    }
    let nets: Vec<_> = nets.iter().map(|(name, ops)| json!({ "name": name, "operators": ops })).collect();
    Ok(Report {
        text,
        json: json!({ "plan": plan.name(), "steps": plan.execution_step.len(), "nets": nets }),
    })
}

/// What is no file of Caffe2: reading it as a net tells what to do about it.
fn foreign(path: &Path, kind: FileKind, limits: &Limits) -> Result<Report> {
    let Err(error) = limits.read_net(path) else {
        bail!("{}: {kind}", path.display());
    };
    if matches!(kind, FileKind::Unknown | FileKind::Text(None) | FileKind::Json(None)) {
        bail!("{error}; as far as can be told it is {kind}");
    }
    let help = error.help_text().unwrap_or("caffe2 does not read it").to_owned();
    Ok(Report { text: format!("{help}\n"), json: json!({ "help": help }) })
}

/// A number of bytes in words.
fn bytes(count: u64) -> ByteSize {
    ByteSize(usize::try_from(count).unwrap_or(usize::MAX))
}
