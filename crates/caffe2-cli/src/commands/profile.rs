//! `caffe2 profile`: where the time of a net goes.

mod groups;
mod trace;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use caffe2::files;
use serde_json::{Value, json};

use super::run::check_folder;
use crate::allocations::Allocations;
use crate::options::FuseArg;
use crate::progress::Progress;
use crate::recorder::{OpRun, median, medians};
use crate::stdout;
use crate::style::{BOLD, FAINT, paint};
use crate::table::{Align, indented};
use crate::timing::{self, OpTime, gbytes, gflops};
use crate::units::{ByteSize, counted, grouped, milliseconds};
use crate::workload::{ModelArgs, Workload, WorkloadArgs};
use groups::{Group, by_shape, by_type};

/// Tell where the time of a net goes
///
/// By type of operator, by the shapes that operators work on, and by operator: the time, its share, how often, and the
/// floating-point operations and bytes by the second that come of it. Two operations count for each multiply-add, and all
/// inputs and outputs as read and written once. Also what a run allocates once it is warm, and a trace to look at.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ProfileArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    workload: WorkloadArgs,

    #[command(flatten)]
    fuse: FuseArg,

    /// Runs before the first that counts
    #[arg(long, value_name = "W", default_value_t = 3)]
    warmup: u32,

    /// Runs that are looked at; times are medians of them
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    iter: u32,

    /// Shapes and operators to list, the slowest first
    #[arg(long, value_name = "K", default_value_t = 15)]
    top: usize,

    /// File for a trace of the runs, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// The same as JSON, with all operators in the order of the net
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Where the time of a model goes on one thread:
    caffe2 profile --net net.pb --init init.pb --threads 1

  A trace of two runs, to be opened at ui.perfetto.dev:
    caffe2 profile --net net.pb --init init.pb --iter 2 --trace trace.json";

/// What was found out.
struct Profile {
    /// The median time of a run, observers and all.
    run: Duration,
    ops: Vec<OpTime>,
    by_type: Vec<Group>,
    by_shape: Vec<Group>,
    /// Of the last run, by operators, the largest first.
    allocations: Vec<(usize, Allocations)>,
    /// Bytes of all blobs, and of the parameters, that the workspace has at most held at once.
    peak: usize,
}

/// Runs the net under observation, and tells.
pub(crate) fn run(args: &ProfileArgs) -> Result<()> {
    if let Some(path) = &args.trace {
        check_folder(path)?;
    }
    let progress = Progress::start();
    let mut workload = Workload::load(&args.model, &args.workload, &progress)?;
    workload.fuse(args.fuse)?;
    workload.create()?;
    progress.phase("warming up");
    (0..args.warmup).try_for_each(|_| workload.run())?;
    progress.phase("observing runs");
    let recorder = workload.record(args.iter as usize);
    (0..args.iter).try_for_each(|_| workload.run())?;
    let (runs, nets) = (recorder.operators(), recorder.nets());
    if let Some(path) = &args.trace {
        progress.phase(&format!("writing {}", path.display()));
        files::write_bytes(path, trace::json(&workload, &runs, &nets).to_string().as_bytes())?;
    }
    let profile = profile(&workload, &runs, &nets);
    progress.finish();
    match args.json {
        true => stdout::print(format!("{:#}\n", as_json(args, &workload, &profile)).as_bytes()),
        false => stdout::print_styled(&text(args, &workload, &profile)),
    }
}

fn profile(workload: &Workload, runs: &[OpRun], nets: &[(Duration, Duration)]) -> Profile {
    let ops = timing::op_times(workload, &medians(workload.ops.len(), runs));
    let mut times: Vec<_> = nets.iter().map(|(begin, end)| *end - *begin).collect();
    times.sort_unstable();
    let last = nets.last().map_or(Duration::ZERO, |(begin, _)| *begin);
    let mut allocations: Vec<_> = runs
        .iter()
        .filter(|run| run.begin >= last && run.allocations.count > 0)
        .map(|run| (run.position, run.allocations))
        .collect();
    allocations.sort_by_key(|(position, allocations)| (std::cmp::Reverse(allocations.bytes), *position));
    Profile {
        run: median(&times),
        by_type: by_type(&ops),
        by_shape: by_shape(&ops),
        ops,
        allocations,
        peak: workload.workspace.memory().peak(),
    }
}

fn text(args: &ProfileArgs, workload: &Workload, profile: &Profile) -> String {
    let mut text = timing::head(workload);
    let in_operators: Duration = profile.ops.iter().map(|op| op.time).sum();
    let rows = [
        [
            "a run",
            &(milliseconds(profile.run) + " ms"),
            "the median, with the clock read around each operator",
        ],
        ["operators", &(milliseconds(in_operators) + " ms"), "their medians together"],
        ["tensors", &ByteSize(profile.peak).to_string(), "at most at once, parameters among them"],
    ];
    text += &format!(
        "\n{}\n",
        paint(BOLD, format!("{}, after {} to warm up", counted(args.iter as usize, "run"), args.warmup))
    );
    let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
    text += &indented(&[Align::Left, Align::Right, Align::Left], &rows);
    text += &heap(workload, profile);
    text += &table("By type", "type", &profile.by_type, usize::MAX);
    text += &table("By shape", "type and shapes of the inputs", &profile.by_shape, args.top);
    let ops: Vec<_> = profile.ops.iter().map(Group::of_one).collect();
    text += &table("By operator", "operator and first output", &groups::sorted(ops), args.top);
    text
}

/// What the last run allocated.
fn heap(workload: &Workload, profile: &Profile) -> String {
    if profile.allocations.is_empty() {
        return format!("{}\n", paint(FAINT, "  the last run allocated nothing on the heap"));
    }
    const MOST: usize = 3;
    let mut all = Allocations::default();
    profile.allocations.iter().for_each(|(_, some)| all += *some);
    let most = profile.allocations.iter().take(MOST).map(|(position, some)| {
        format!("#{position} {} {}", workload.net.op[*position].r#type(), ByteSize(some.bytes))
    });
    let most = most.collect::<Vec<_>>().join(", ");
    format!(
        "  the last run allocated {} times, {} in all: most {most}\n",
        grouped(all.count),
        ByteSize(all.bytes)
    )
}

fn table(head: &str, what: &str, groups: &[Group], top: usize) -> String {
    let mut text = format!("\n{}\n", paint(BOLD, head));
    let titles = ["ms", "share", "times", what, "GFLOP/s", "GB/s"].map(str::to_owned).to_vec();
    let number = |rate: Option<f64>| rate.map_or(String::new(), |rate| format!("{rate:.1}"));
    let row = |group: &Group| {
        vec![
            milliseconds(group.time),
            format!("{:.1} %", 100.0 * group.share),
            group.count.to_string(),
            group.what.clone(),
            number(gflops(group.cost, group.time)),
            number(gbytes(group.cost, group.time)),
        ]
    };
    let rows: Vec<_> = [titles].into_iter().chain(groups.iter().take(top).map(row)).collect();
    let sides = [Align::Right, Align::Right, Align::Right, Align::Left, Align::Right, Align::Right];
    text += &indented(&sides, &rows);
    if groups.len() > top {
        let rest = format!("  and {} more; --top {} lists all", groups.len() - top, groups.len());
        text += &format!("{}\n", paint(FAINT, rest));
    }
    text
}

fn as_json(args: &ProfileArgs, workload: &Workload, profile: &Profile) -> Value {
    let groups = |groups: &[Group]| groups.iter().map(Group::json).collect::<Vec<_>>();
    let allocations = profile
        .allocations
        .iter()
        .map(|(position, some)| json!({ "position": position, "count": some.count, "bytes": some.bytes }));
    let mut json = json!({
        "warmup": args.warmup,
        "iterations": args.iter,
        "median_ms": profile.run.as_secs_f64() * 1e3,
        "peak_tensor_bytes": profile.peak,
        "by_type": groups(&profile.by_type),
        "by_shape": groups(&profile.by_shape),
        "per_op": profile.ops.iter().map(OpTime::json).collect::<Vec<_>>(),
        "allocations_of_last_run": allocations.collect::<Vec<_>>(),
    });
    timing::add_head(&mut json, workload);
    json
}
