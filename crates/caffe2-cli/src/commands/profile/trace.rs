//! Traces in the format of Chrome, which Perfetto reads too ("Trace Event Format": complete events, in microseconds).

use std::collections::BTreeSet;
use std::time::Duration;

use caffe2::operator::TensorInfo;
use serde_json::{Value, json};

use crate::recorder::OpRun;
use crate::timing::bytes;
use crate::workload::Workload;

/// The thread that whole runs are drawn above.
const OWN: usize = 0;

/// A trace of the runs of a net: an event for each run, one for each operator, and the names of the threads.
pub(super) fn json(workload: &Workload, runs: &[OpRun], nets: &[(Duration, Duration)]) -> Value {
    let first = nets.first().map_or(Duration::ZERO, |(begin, _)| *begin);
    let us = |time: Duration| time.saturating_sub(first).as_nanos() as f64 / 1e3;
    let event = |name: &str, category: &str, thread: usize, times: (Duration, Duration), args: Value| {
        let (begin, end) = (us(times.0), us(times.1));
        json!({
            "name": name, "cat": category, "ph": "X", "ts": begin, "dur": end - begin,
            "pid": 1, "tid": thread, "args": args,
        })
    };
    let threads: BTreeSet<usize> = runs.iter().map(|run| run.worker).chain([OWN]).collect();
    let threads = threads.into_iter().map(|thread| {
        let name = if thread == OWN { "runs the net".to_owned() } else { format!("helper {thread}") };
        json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": { "name": name } })
    });
    let net = workload.net.name();
    let whole =
        nets.iter().enumerate().map(|(run, times)| event(net, "net", OWN, *times, json!({ "run": run })));
    let operators = runs.iter().map(|run| {
        let (op, inferred) = (&workload.net.op[run.position], &workload.ops[run.position]);
        let name = if op.name().is_empty() { op.r#type() } else { op.name() };
        let args = json!({
            "position": run.position,
            "type": op.r#type(),
            "inputs": named(&op.input, &inferred.inputs),
            "outputs": named(&op.output, &inferred.outputs),
            "macs": inferred.cost.macs,
            "bytes": bytes(inferred.cost),
            "allocations": run.allocations.count,
        });
        event(name, "operator", run.worker, (run.begin, run.end), args)
    });
    json!({ "traceEvents": threads.chain(whole).chain(operators).collect::<Vec<_>>(), "displayTimeUnit": "ms" })
}

fn named(names: &[String], infos: &[TensorInfo]) -> Vec<String> {
    names.iter().zip(infos).map(|(name, info)| format!("{name}: {info}")).collect()
}
