//! Times of operators beside what they cost.

use std::time::Duration;

use caffe2::operator::{Cost, TensorInfo};
use caffe2_kernels::Isa;
use serde_json::{Value, json};

use crate::style::{BOLD, paint};
use crate::table::{Align, indented};
use crate::units::counted;
use crate::workload::Workload;

/// The time that an operator takes, and its cost.
#[derive(Debug, Clone)]
pub(crate) struct OpTime {
    pub(crate) position: usize,
    pub(crate) name: String,
    pub(crate) op_type: String,
    /// The name of the first output.
    pub(crate) output: String,
    pub(crate) inputs: Vec<TensorInfo>,
    pub(crate) time: Duration,
    /// The part that it has of the time of all operators.
    pub(crate) share: f64,
    pub(crate) cost: Cost,
}

impl OpTime {
    pub(crate) fn json(&self) -> Value {
        json!({
            "position": self.position,
            "name": self.name,
            "type": self.op_type,
            "output": self.output,
            "median_us": self.time.as_secs_f64() * 1e6,
            "share": self.share,
            "macs": self.cost.macs,
            "bytes": bytes(self.cost),
            "gflops": gflops(self.cost, self.time),
            "gbytes_per_s": gbytes(self.cost, self.time),
        })
    }
}

/// Bytes that are read and written.
pub(crate) fn bytes(cost: Cost) -> u64 {
    cost.bytes_read.saturating_add(cost.bytes_written)
}

/// Floating-point operations by the nanosecond, two for each multiply-add; `None` where there are none, or no time.
pub(crate) fn gflops(cost: Cost, time: Duration) -> Option<f64> {
    rate(2.0 * cost.macs as f64, time)
}

/// Bytes that are read and written by the nanosecond.
pub(crate) fn gbytes(cost: Cost, time: Duration) -> Option<f64> {
    rate(bytes(cost) as f64, time)
}

fn rate(amount: f64, time: Duration) -> Option<f64> {
    (amount > 0.0 && !time.is_zero()).then(|| amount / time.as_nanos() as f64)
}

/// The sum of two costs.
pub(crate) fn sum(a: Cost, b: Cost) -> Cost {
    Cost {
        macs: a.macs.saturating_add(b.macs),
        bytes_read: a.bytes_read.saturating_add(b.bytes_read),
        bytes_written: a.bytes_written.saturating_add(b.bytes_written),
    }
}

/// The operators of a net with the time that each takes, by position.
pub(crate) fn op_times(workload: &Workload, times: &[Duration]) -> Vec<OpTime> {
    let all: Duration = times.iter().sum();
    let ops = workload.net.op.iter().zip(&workload.ops).zip(times);
    ops.enumerate()
        .map(|(position, ((op, inferred), &time))| OpTime {
            position,
            name: op.name().to_owned(),
            op_type: op.r#type().to_owned(),
            output: op.output.first().cloned().unwrap_or_default(),
            inputs: inferred.inputs.clone(),
            time,
            share: if all.is_zero() { 0.0 } else { time.as_secs_f64() / all.as_secs_f64() },
            cost: inferred.cost,
        })
        .collect()
}

/// What is measured, for people.
pub(crate) fn head(workload: &Workload) -> String {
    let Workload { net, workspace, .. } = workload;
    let mut text = format!(
        "{}: {}, {}, {}\n",
        paint(BOLD, format!("net `{}`", net.name())),
        counted(net.op.len(), "operator"),
        counted(workspace.threads(), "thread"),
        Isa::current().name(),
    );
    text += &indented(&[Align::Left, Align::Left, Align::Left], &workload.describe_inputs());
    text
}

/// What is measured, for programs.
pub(crate) fn add_head(json: &mut Value, workload: &Workload) {
    json["net"] = workload.net.name().into();
    json["threads"] = workload.workspace.threads().into();
    json["instruction_set"] = Isa::current().name().into();
    json["inputs"] = workload.inputs_json();
}
