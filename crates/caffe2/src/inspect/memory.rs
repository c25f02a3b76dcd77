//! How much memory the blobs take that a net computes.

use std::collections::{HashMap, HashSet};

use caffe2_operator::{InferredOp, TensorInfo};
use caffe2_proto::NetDef;

use super::InputSummary;

/// Memory for inputs and for what operators write, parameters not counted; what has no known shape counts as nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActivationMemory {
    /// Bytes that are needed at once: each blob from the operator that writes it to the last that reads it.
    pub peak: u64,
    /// The position of the operator at which that is.
    pub peak_at: usize,
    /// Bytes of all blobs together, which is what a workspace takes that keeps them.
    pub total: u64,
    /// Whether all shapes are known.
    pub complete: bool,
}

/// The time that a blob holds one content, and the memory for it.
struct Life {
    from: usize,
    to: usize,
    bytes: u64,
}

impl ActivationMemory {
    pub(super) fn of(
        net: &NetDef,
        ops: &[InferredOp],
        inputs: &[InputSummary],
        outputs: &[(String, TensorInfo)],
    ) -> ActivationMemory {
        let mut lives: Vec<Life> = Vec::new();
        let mut current: HashMap<&str, usize> = HashMap::new();
        let mut largest: HashMap<&str, u64> = HashMap::new();
        let mut complete = true;
        let mut starts = |name, info: &TensorInfo, from: usize, lives: &mut Vec<Life>| {
            complete &= info.shape.is_some() && info.data_type.is_some();
            let entry = largest.entry(name).or_default();
            *entry = (*entry).max(info.byte_len());
            lives.push(Life { from, to: from, bytes: info.byte_len() });
            lives.len() - 1
        };
        for input in inputs {
            let life = starts(input.name.as_str(), &input.info, 0, &mut lives);
            current.insert(&input.name, life);
        }
        for (position, (op, inferred)) in net.op.iter().zip(ops).enumerate() {
            let reads: HashSet<&String> = op.input.iter().collect();
            for input in &op.input {
                if let Some(&life) = current.get(input.as_str()) {
                    lives[life].to = position;
                }
            }
            for (output, info) in op.output.iter().zip(&inferred.outputs) {
                match current.get(output.as_str()) {
                    // In place: the same memory goes on.
                    Some(&life) if reads.contains(output) => {
                        let life = &mut lives[life];
                        (life.to, life.bytes) = (position, life.bytes.max(info.byte_len()));
                    }
                    _ => {
                        let life = starts(output.as_str(), info, position, &mut lives);
                        current.insert(output, life);
                    }
                }
            }
        }
        for (name, _) in outputs {
            if let Some(&life) = current.get(name.as_str()) {
                lives[life].to = net.op.len();
            }
        }
        let (peak, peak_at) = peak(&lives, net.op.len());
        ActivationMemory {
            peak,
            peak_at,
            total: largest.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes)),
            complete,
        }
    }
}

/// The most that is alive at one position, and the first position at which it is.
fn peak(lives: &[Life], positions: usize) -> (u64, usize) {
    // Wider than a sum of as many sizes as there can be.
    let mut changes = vec![(0u128, 0u128); positions + 2];
    for life in lives {
        changes[life.from].0 += u128::from(life.bytes);
        changes[life.to + 1].1 += u128::from(life.bytes);
    }
    let (mut now, mut most) = (0, (0, 0));
    for (position, (more, less)) in changes.into_iter().enumerate() {
        now = now + more - less;
        if now > most.0 {
            most = (now, position);
        }
    }
    (u64::try_from(most.0).unwrap_or(u64::MAX), most.1)
}
