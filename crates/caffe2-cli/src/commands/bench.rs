//! `caffe2 bench`: how long a net takes.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::options::FuseArg;
use crate::progress::Progress;
use crate::recorder::{median, medians, percentile};
use crate::stdout;
use crate::style::{BOLD, FAINT, paint};
use crate::table::{Align, indented};
use crate::timing::{self, OpTime};
use crate::units::{compact, counted, milliseconds};
use crate::workload::{ModelArgs, Workload, WorkloadArgs};

/// Measure how long a net takes
///
/// The net runs some times to warm up, then as often as asked for while only whole runs are timed, and once more as often
/// while each operator is timed. Without --init and --feed its inputs are made up.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    workload: WorkloadArgs,

    #[command(flatten)]
    fuse: FuseArg,

    /// Runs before the first that counts
    #[arg(long, value_name = "W", default_value_t = 3)]
    warmup: u32,

    /// Runs that are timed
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    iter: u32,

    /// Operators to list, the slowest first
    #[arg(long, value_name = "K", default_value_t = 15)]
    top: usize,

    /// The same as JSON, with all operators in the order of the net
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  A model on one thread, its input made up:
    caffe2 bench --net net.pb --init init.pb --threads 1

  On a real input, for a script:
    caffe2 bench --net net.pb --init init.pb --feed x.npz --json | jq .median_ms

  A batch of eight pictures:
    caffe2 bench --net net.pb --init init.pb --shape data=8,3,224,224 --iter 20";

/// Percentiles that are told.
const PERCENTS: [u32; 4] = [50, 90, 95, 99];

/// What was measured.
struct Measured {
    /// Times of whole runs, sorted.
    runs: Vec<Duration>,
    ops: Vec<OpTime>,
}

/// Measures, and tells.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let progress = Progress::start();
    let mut workload = Workload::load(&args.model, &args.workload, &progress)?;
    workload.fuse(args.fuse)?;
    workload.create()?;
    progress.phase("warming up");
    (0..args.warmup).try_for_each(|_| workload.run())?;
    let measured = measure(args, &mut workload, &progress)?;
    progress.finish();
    match args.json {
        true => stdout::print(format!("{:#}\n", as_json(args, &workload, &measured)).as_bytes()),
        false => stdout::print_styled(&text(args, &workload, &measured)),
    }
}

fn measure(args: &BenchArgs, workload: &mut Workload, progress: &Progress) -> Result<Measured> {
    progress.phase("timing runs");
    let mut runs = Vec::with_capacity(args.iter.min(1 << 16) as usize);
    for _ in 0..args.iter {
        let begin = Instant::now();
        workload.run()?;
        runs.push(begin.elapsed());
    }
    runs.sort_unstable();
    progress.phase("timing operators");
    let recorder = workload.record(args.iter as usize);
    (0..args.iter).try_for_each(|_| workload.run())?;
    let times = medians(workload.ops.len(), &recorder.operators());
    Ok(Measured { runs, ops: timing::op_times(workload, &times) })
}

fn text(args: &BenchArgs, workload: &Workload, measured: &Measured) -> String {
    let Measured { runs, ops } = measured;
    let mut text = timing::head(workload);
    text += &format!(
        "\n{}\n",
        paint(BOLD, format!("{}, after {} to warm up", counted(args.iter as usize, "run"), args.warmup))
    );
    let mut rows = vec![("median", median(runs)), ("minimum", runs[0]), ("maximum", runs[runs.len() - 1])];
    let names = PERCENTS.map(|percent| format!("{percent} %"));
    rows.extend(names.iter().zip(PERCENTS).skip(1).map(|(name, p)| (name.as_str(), percentile(runs, p))));
    let rows: Vec<_> =
        rows.into_iter().map(|(what, time)| vec![what.to_owned(), milliseconds(time) + " ms"]).collect();
    text += &indented(&[Align::Left, Align::Right], &rows);
    text += &format!("\n{}\n", paint(BOLD, "Operators, by the median of as many further runs"));
    let titles = ["ms", "share", "", "type", "first output", "multiply-adds"].map(str::to_owned).to_vec();
    let mut slowest: Vec<_> = ops.iter().collect();
    slowest.sort_by_key(|op| std::cmp::Reverse(op.time));
    let row = |op: &&OpTime| {
        let macs = if op.cost.macs > 0 { compact(op.cost.macs) } else { String::new() };
        let share = format!("{:.1} %", 100.0 * op.share);
        let position = format!("#{}", op.position);
        vec![milliseconds(op.time), share, position, op.op_type.clone(), op.output.clone(), macs]
    };
    let rows: Vec<_> = [titles].into_iter().chain(slowest.iter().take(args.top).map(row)).collect();
    let sides = [Align::Right, Align::Right, Align::Right, Align::Left, Align::Left, Align::Right];
    text += &indented(&sides, &rows);
    if ops.len() > args.top {
        let rest = format!("  and {} more; --top {} lists all", ops.len() - args.top, ops.len());
        text += &format!("{}\n", paint(FAINT, rest));
    }
    text
}

fn as_json(args: &BenchArgs, workload: &Workload, measured: &Measured) -> Value {
    let runs = &measured.runs;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let percentiles: serde_json::Map<String, Value> =
        PERCENTS.iter().map(|&percent| (percent.to_string(), ms(percentile(runs, percent)).into())).collect();
    let mean = runs.iter().sum::<Duration>() / args.iter;
    let mut json = json!({
        "warmup": args.warmup,
        "iterations": args.iter,
        "median_ms": ms(median(runs)),
        "min_ms": ms(runs[0]),
        "max_ms": ms(runs[runs.len() - 1]),
        "mean_ms": ms(mean),
        "percentiles_ms": percentiles,
        "per_op": measured.ops.iter().map(OpTime::json).collect::<Vec<_>>(),
    });
    timing::add_head(&mut json, workload);
    json
}
