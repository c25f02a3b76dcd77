//! Operators that have something in common, taken together.

use std::collections::HashMap;
use std::time::Duration;

use caffe2::DataType;
use caffe2::operator::{Cost, TensorInfo};
use serde_json::{Value, json};

use crate::timing::{OpTime, bytes, gbytes, gflops, sum};

/// Operators that are counted together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// What they have in common.
    pub(super) what: String,
    pub(super) count: usize,
    pub(super) time: Duration,
    /// The part that they have of the time of all operators.
    pub(super) share: f64,
    pub(super) cost: Cost,
}

impl Group {
    /// A single operator.
    pub(super) fn of_one(op: &OpTime) -> Group {
        let what = format!("#{} {} {}", op.position, op.op_type, op.output);
        Group { what, count: 1, time: op.time, share: op.share, cost: op.cost }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "what": self.what, "count": self.count, "us": self.time.as_secs_f64() * 1e6, "share": self.share,
            "macs": self.cost.macs, "bytes": bytes(self.cost),
            "gflops": gflops(self.cost, self.time), "gbytes_per_s": gbytes(self.cost, self.time),
        })
    }
}

/// The slowest first.
pub(super) fn sorted(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by_key(|group| std::cmp::Reverse(group.time));
    groups
}

/// By type of operator.
pub(super) fn by_type(ops: &[OpTime]) -> Vec<Group> {
    grouped(ops, |op| op.op_type.clone())
}

/// By type of operator and shapes of its inputs.
pub(super) fn by_shape(ops: &[OpTime]) -> Vec<Group> {
    grouped(ops, |op| {
        let shapes: Vec<_> = op.inputs.iter().map(shape).collect();
        format!("{} {}", op.op_type, shapes.join(" "))
    })
}

fn grouped(ops: &[OpTime], what: impl Fn(&OpTime) -> String) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for op in ops {
        let what = what(op);
        let place = *places.entry(what.clone()).or_insert(groups.len());
        if place == groups.len() {
            let (time, cost) = (Duration::ZERO, Cost::default());
            groups.push(Group { what, count: 0, time, share: 0.0, cost });
        }
        let group = &mut groups[place];
        group.count += 1;
        group.time += op.time;
        group.share += op.share;
        group.cost = sum(group.cost, op.cost);
    }
    sorted(groups)
}

/// The shape, and the type where it is not the usual one.
fn shape(info: &TensorInfo) -> String {
    match (&info.shape, info.data_type) {
        (Some(shape), Some(DataType::Float) | None) => shape.to_string(),
        (Some(shape), Some(other)) => format!("{} {shape}", other.name()),
        (None, _) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2::Shape;

    #[test]
    fn groups_add_up_and_the_slowest_come_first() {
        let op = |op_type: &str, ms, side| OpTime {
            position: 0,
            name: String::new(),
            op_type: op_type.to_owned(),
            output: "y".to_owned(),
            inputs: vec![TensorInfo::new(DataType::Float, Shape::new(&[side]).unwrap())],
            time: Duration::from_millis(ms),
            share: ms as f64 / 10.0,
            cost: Cost { macs: 5, ..Cost::default() },
        };
        let ops = [op("Relu", 1, 3), op("Conv", 2, 3), op("Relu", 3, 3), op("Relu", 4, 5)];
        let groups = by_type(&ops);
        assert_eq!((groups[0].what.as_str(), groups[0].count, groups[0].cost.macs), ("Relu", 3, 15));
        assert_eq!((groups[0].time, groups[1].time), (Duration::from_millis(8), Duration::from_millis(2)));
        let shapes: Vec<_> = by_shape(&ops).into_iter().map(|group| group.what).collect();
        assert_eq!(shapes, ["Relu [3]", "Relu [5]", "Conv [3]"]);
        assert!((groups.iter().map(|group| group.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
