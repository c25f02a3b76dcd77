//! Nets that run in parallel give what nets in order give.

mod memory;
mod parallel;

use std::sync::Arc;

use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::Tensor;

use crate::Workspace;
use crate::testing::registry;

/// Random numbers for the shapes of nets.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What a made-up net looks like.
#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    ops: usize,
    /// How many names of blobs there are; few make many conflicts.
    names: usize,
    /// Percent of operators with a net within.
    nested: usize,
    /// Percent of inputs that are among the last blobs written.
    recent: usize,
}

/// Blobs that are fed; `trigger` has the operator of that salt fail.
const FED: [&str; 3] = ["trigger", "in1", "in2"];

/// A net of `Mix` operators over the blobs `b0`, `b1` … Every blob is written before it is read.
fn made_up(plan: &Plan) -> NetDef {
    let mut random = Random(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut known: Vec<String> = FED[1..].iter().map(|name| (*name).to_owned()).collect();
    let mut net = NetDef::new("net").external_inputs(FED);
    for salt in 0..plan.ops {
        net = net.op(mix(salt, plan, &mut random, &mut known));
        if random.chance(plan.nested) {
            // Whether it runs is not known, so what it alone writes is read nowhere.
            let mut within = known.clone();
            let nested = (0..1 + random.below(3)).map(|i| {
                let op = mix(plan.ops + 3 * salt + i, plan, &mut random, &mut within);
                within.retain(|name| known.contains(name));
                op
            });
            let nested = NetDef::new("nested").ops(nested.collect::<Vec<_>>());
            let nested = nested.with_type(["", "dag"][random.below(2)]);
            let condition = known[random.below(known.len())].clone();
            net = net.op(OperatorDef::new("IfOdd").input(condition).arg("net", nested));
        }
    }
    net.external_outputs(known.into_iter().filter(|_| random.chance(20)).collect::<Vec<_>>())
}

fn mix(salt: usize, plan: &Plan, random: &mut Random, known: &mut Vec<String>) -> OperatorDef {
    let mut op = OperatorDef::new("Mix").input("trigger").arg("salt", salt as i64);
    for _ in 0..1 + random.below(3) {
        let among = if random.chance(plan.recent) { known.len().min(4) } else { known.len() };
        op = op.input(known[known.len() - 1 - random.below(among)].clone());
    }
    for _ in 0..1 + random.below(4) / 3 {
        let name = format!("b{}", random.below(plan.names));
        known.retain(|other| *other != name);
        known.push(name.clone());
        op = op.output(name);
    }
    if random.chance(5) {
        op = op.control_input(format!("b{}", random.below(plan.names)));
    }
    op
}

fn no_trigger() -> Tensor {
    trigger(-1)
}

fn trigger(salt: i64) -> Tensor {
    Tensor::from_slice([1], &[salt]).unwrap()
}

/// A workspace with all that a made-up net wants to be fed.
fn fed(threads: usize) -> Workspace {
    let mut workspace = Workspace::with_registry(registry());
    workspace.set_threads(threads);
    feed(&mut workspace);
    workspace
}

fn feed(workspace: &mut Workspace) {
    workspace.feed("trigger", no_trigger());
    workspace.feed("in1", Tensor::from_slice([2], &[1i64, 2]).unwrap());
    workspace.feed("in2", Tensor::from_slice([3], &[3i64, 4, 5]).unwrap());
}

/// All blobs after the net ran so often in order, on one thread. A net within an operator may not have run, so that
/// some hold nothing.
fn in_order(net: &NetDef, runs: usize) -> Workspace {
    let mut workspace = fed(1);
    workspace.create_net(&net.clone().with_type("simple")).unwrap();
    (0..runs).for_each(|_| workspace.run_net("net").unwrap());
    workspace
}

/// Holds blobs of two workspaces against each other.
fn same(got: &Workspace, want: &Workspace, names: impl IntoIterator<Item = impl AsRef<str>>) {
    for name in names {
        let name = name.as_ref();
        assert_eq!(got.fetch(name).ok(), want.fetch(name).ok(), "{name}");
    }
}

/// The names of a workspace's blobs.
fn names(workspace: &Workspace) -> Vec<String> {
    workspace.blobs().into_iter().map(str::to_owned).collect()
}

/// Children of a workspace that has all that a made-up net wants to be fed.
fn children(threads: usize, count: usize) -> Vec<Workspace> {
    let parent = Arc::new(fed(threads));
    (0..count).map(|_| Workspace::child(Arc::clone(&parent))).collect()
}
