//! `caffe2 compare`: where two nets, or a net and stored tensors, begin to differ.

mod difference;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::files::{Limits, NamedTensors, kind_of};
use caffe2::operator::TensorInfo;
use caffe2::proto::{FileKind, MessageKind};
use caffe2::{NetFacts, Tensor};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::style::{BOLD, FAINT, RIGHT, WRONG, paint};
use crate::table::{Align, indented};
use crate::units::{counted, grouped, short};
use crate::workload::{ModelArgs, Workload, WorkloadArgs};
use crate::{ProblemsFound, stdout};
use difference::{Difference, difference};

/// Find where two nets begin to differ
///
/// Both run on the same inputs; then each blob that both compute is compared, in the order in which the first net writes
/// them. Instead of the second net there may be tensors, as an earlier run or the real Caffe2 has left them. Of a blob that
/// is written several times the last content is compared.
///
/// Numbers agree if they differ by no more than the tolerance times the largest number of the blob; all else must be equal.
/// Exit status: 0 if all blobs agree, 1 if not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// The first net: a NetDef, or a predictor file
    #[arg(value_name = "NET")]
    first: PathBuf,

    /// The second net, or tensors by name: .npz, TensorProtos .pb, .minidb
    #[arg(value_name = "NET|TENSORS")]
    second: PathBuf,

    /// The net that makes the parameters of the first net, and of the second unless it has its own
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// The net that makes the parameters of the second net
    #[arg(long, value_name = "INIT")]
    second_init: Option<PathBuf>,

    #[command(flatten)]
    workload: WorkloadArgs,

    /// Largest difference that counts as none, as a part of the largest number of the blob
    #[arg(long, value_name = "PART", default_value_t = 1e-4, value_parser = parse_tolerance)]
    tolerance: f64,

    /// Blobs to compare, separated by commas [default: all that both have]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    blobs: Vec<String>,

    /// The same as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Does a net with fused operators give what it gave?
    caffe2 compare net.pb fused.pb --init init.pb --feed input.npz

  What do weights stored as bytes change, blob by blob?
    caffe2 compare net.pb net.pb --init a.pb --second-init b.pb --tolerance 0.01

  Does it give what the real Caffe2 gave, whose blobs numpy.savez has stored?
    caffe2 compare net.pb blobs.npz --init init.pb --feed input.npz";

/// A blob of both.
struct Compared {
    blob: String,
    /// The operator of the first net that writes it last.
    writer: Option<String>,
    difference: Difference,
}

/// What the first net is compared with.
enum Second {
    Net(Box<Workload>),
    Tensors(NamedTensors),
}

/// Runs both, compares, and tells.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    let progress = Progress::start();
    let mut second = second(args, &progress)?;
    let model = ModelArgs { net: args.first.clone(), init: args.init.clone() };
    let mut first = Workload::load(&model, &args.workload, &progress)?;
    run_once(&mut first, &args.first, &progress)?;
    if let Second::Net(second) = &mut second {
        run_once(second, &args.second, &progress)?;
    }
    progress.phase("comparing");
    let compared = compare(args, &first, &second)?;
    progress.finish();
    let worst = compared.iter().find(|blob| !blob.difference.is_within(args.tolerance));
    match args.json {
        true => stdout::print(format!("{:#}\n", as_json(args, &first, &compared, worst)).as_bytes())?,
        false => stdout::print_styled(&text(args, &first, &compared, worst))?,
    }
    if worst.is_some() { Err(ProblemsFound.into()) } else { Ok(()) }
}

fn second(args: &CompareArgs, progress: &Progress) -> Result<Second> {
    let limits = args.workload.limits();
    if is_net(&args.second, &limits)? {
        let init = args.second_init.clone().or_else(|| args.init.clone());
        let model = ModelArgs { net: args.second.clone(), init };
        return Ok(Second::Net(Box::new(Workload::load(&model, &args.workload, progress)?)));
    }
    if args.second_init.is_some() {
        bail!("{}: these are tensors, and need no --second-init", args.second.display());
    }
    progress.phase(&format!("reading {}", args.second.display()));
    Ok(Second::Tensors(limits.read_tensors(&args.second)?))
}

/// Whether a file holds a net; anything else is to hold tensors.
fn is_net(path: &Path, limits: &Limits) -> Result<bool> {
    let is = |kind: MessageKind| matches!(kind, MessageKind::Net | MessageKind::MetaNet);
    Ok(match kind_of(path, limits)? {
        FileKind::Binary(kind) => is(kind),
        FileKind::Text(kind) | FileKind::Json(kind) => kind.is_none_or(is),
        FileKind::MiniDb => caffe2::files::PredictorFile::open(path, limits).is_ok(),
        _ => false,
    })
}

fn run_once(workload: &mut Workload, path: &Path, progress: &Progress) -> Result<()> {
    progress.phase(&format!("running {}", path.display()));
    workload.create()?;
    Ok(workload.run()?)
}

impl Second {
    /// What the blob holds, if there is one that was computed or stored.
    fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self {
            Second::Net(second) => second.workspace.tensor(name).ok(),
            Second::Tensors(tensors) => tensors.iter().find(|(of, _)| of == name).map(|(_, tensor)| tensor),
        }
    }
}

/// The blobs of both, in the order in which the first net writes them.
fn compare(args: &CompareArgs, first: &Workload, second: &Second) -> Result<Vec<Compared>> {
    let facts = NetFacts::new(&first.net);
    // What a net has not written is nothing that it computes.
    let written_by_second = match second {
        Second::Net(second) => Some(NetFacts::new(&second.net)),
        Second::Tensors(_) => None,
    };
    let of_second = |name: &str| {
        let is_result = written_by_second.as_ref().is_none_or(|facts| facts.writer(name).is_some());
        second.tensor(name).filter(|_| is_result)
    };
    let mut seen = std::collections::HashSet::new();
    let names = first.net.op.iter().flat_map(|op| &op.output).map(String::as_str);
    let names: Vec<_> = names.filter(|name| seen.insert(*name)).collect();
    for name in &args.blobs {
        if facts.writer(name).is_none() || first.workspace.tensor(name).is_err() {
            bail!("{}: the net computes no tensor `{name}`", args.first.display());
        }
        if of_second(name).is_none() {
            bail!("{}: there is no tensor `{name}`", args.second.display());
        }
    }
    let chosen = |name: &&&str| args.blobs.is_empty() || args.blobs.iter().any(|blob| blob == **name);
    let mut compared = Vec::new();
    for name in names.iter().filter(chosen) {
        let (Ok(a), Some(b)) = (first.workspace.tensor(name), of_second(name)) else { continue };
        if a.data_type().is_none() && b.data_type().is_none() {
            continue;
        }
        let writer = facts.writer(name);
        compared.push(Compared { blob: (*name).to_owned(), writer, difference: difference(a, b)? });
    }
    if compared.is_empty() {
        bail!("{} and {} have no tensor in common", args.first.display(), args.second.display());
    }
    Ok(compared)
}

fn text(args: &CompareArgs, first: &Workload, compared: &[Compared], worst: Option<&Compared>) -> String {
    let mut text =
        format!("{} against {}, on\n", paint(BOLD, args.first.display()), paint(BOLD, args.second.display()));
    text += &indented(&[Align::Left, Align::Left, Align::Left], &first.describe_inputs());
    let titles = ["", "blob", "", "absolute", "relative", "ulps"].map(str::to_owned).to_vec();
    let row = |compared: &Compared| {
        let mark = if compared.difference.is_within(args.tolerance) { "" } else { "!" };
        let mut row = vec![mark.to_owned(), compared.blob.clone()];
        row.extend(cells(&compared.difference));
        row
    };
    let rows: Vec<_> = [titles].into_iter().chain(compared.iter().map(row)).collect();
    let sides = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Right];
    text += &format!("\n{}\n", paint(BOLD, "Largest differences"));
    text += &indented(&sides, &rows);
    let count = counted(compared.len(), "blob");
    text += &match worst {
        None => format!(
            "\n{} {count}, within {} of the largest number of each\n",
            paint(RIGHT, "agree:"),
            short(args.tolerance)
        ),
        Some(worst) => {
            let writer =
                worst.writer.as_ref().map_or(String::new(), |writer| format!(", written by {writer}"));
            let others = compared.iter().filter(|c| !c.difference.is_within(args.tolerance)).count();
            let others = paint(FAINT, format!("{others} of {count} do"));
            format!("\n{} `{}`{writer}; {others}\n", paint(WRONG, "first to differ:"), worst.blob)
        }
    };
    text
}

/// The shape, and the errors.
fn cells(difference: &Difference) -> Vec<String> {
    match difference {
        Difference::Numbers(numbers) => {
            let ulps = numbers.ulps.map_or(String::new(), |ulps| grouped(ulps as usize));
            vec![numbers.info.to_string(), short(numbers.absolute), short(numbers.relative), ulps]
        }
        Difference::Others { info, different } => {
            let count = if *different == 0 { "equal".to_owned() } else { format!("{different} differ") };
            vec![info.to_string(), count, String::new(), String::new()]
        }
        Difference::Kinds { first, second } => {
            vec![format!("{first} against {second}"), String::new(), String::new(), String::new()]
        }
    }
}

fn as_json(args: &CompareArgs, first: &Workload, compared: &[Compared], worst: Option<&Compared>) -> Value {
    let info = |info: &TensorInfo| json!({ "type": info.data_type.map(|t| t.name()), "shape": info.shape.as_ref().map(|s| s.dims().to_vec()) });
    let blob = |compared: &Compared| {
        let mut json = json!({
            "blob": compared.blob,
            "writer": compared.writer,
            "agrees": compared.difference.is_within(args.tolerance),
        });
        match &compared.difference {
            Difference::Numbers(numbers) => {
                json["holds"] = info(&numbers.info);
                // JSON has no infinity: what cannot be told as a number is null.
                json["absolute"] = json!(numbers.absolute);
                json["relative"] = json!(numbers.relative);
                json["ulps"] = json!(numbers.ulps);
                json["largest"] = json!(numbers.largest);
                json["at"] = json!(numbers.at);
            }
            Difference::Others { info: of, different } => {
                json["holds"] = info(of);
                json["different"] = json!(different);
            }
            Difference::Kinds { first, second } => {
                json["holds"] = info(first);
                json["second_holds"] = info(second);
            }
        }
        json
    };
    json!({
        "inputs": first.inputs_json(),
        "tolerance": args.tolerance,
        "agree": worst.is_none(),
        "first_to_differ": worst.map(|worst| worst.blob.clone()),
        "blobs": compared.iter().map(blob).collect::<Vec<_>>(),
    })
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part: &f64| *part >= 0.0 && part.is_finite());
    part.ok_or_else(|| "expected a number of 0 or more, such as 1e-4".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_parts() {
        assert_eq!((parse_tolerance("0"), parse_tolerance("1e-3")), (Ok(0.0), Ok(1e-3)));
        for wrong in ["", "-1", "nan", "inf", "1 %"] {
            assert!(parse_tolerance(wrong).unwrap_err().contains("1e-4"), "{wrong}");
        }
    }
}
