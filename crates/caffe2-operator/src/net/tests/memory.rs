//! Blobs that share memory, and blobs that are emptied.

use proptest::prelude::*;

use super::*;
use crate::{ErrorKind, KeptBlob, MemoryReport};

fn mix(salt: i64, inputs: &[&str], output: &str) -> OperatorDef {
    OperatorDef::new("Mix").input("trigger").inputs(inputs.to_vec()).output(output).arg("salt", salt)
}

/// Fails to run it in place of nothing: `x` to `a` to `b` … to `y`.
fn chain(length: usize) -> NetDef {
    let name = |i: usize| match i {
        0 => "in1".to_owned(),
        i if i == length => "y".to_owned(),
        i => format!("c{i}"),
    };
    let ops = (0..length).map(|i| mix(i as i64, &[&name(i)], &name(i + 1)));
    NetDef::new("net").external_inputs(FED).ops(ops.collect::<Vec<_>>()).external_output("y")
}

fn place<'r>(report: &'r MemoryReport, name: &str) -> &'r Result<usize, KeptBlob> {
    &report.blobs.iter().find(|blob| blob.name == name).unwrap().place
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn sharing_changes_no_output(
        seed in any::<u64>(),
        ops in 1usize..400,
        names in prop_oneof![3usize..12, 12usize..300],
        nested in 0usize..6,
        recent in 0usize..100,
        threads in 1usize..4,
    ) {
        let plan = Plan { seed, ops, names, nested, recent };
        let net = made_up(&plan);
        let outputs = net.external_output.clone();
        let mut want = fed(1);
        want.create_net(&net).unwrap();
        let mut got = fed(threads);
        got.set_memory_sharing(true);
        let shared = NetDef { num_workers: Some(3), ..net.with_type(["simple", "dag"][seed as usize % 2]) };
        got.create_net(&shared).unwrap();
        for run in 0..4 {
            // A failure in between leaves buffers anywhere.
            if run == 2 {
                got.feed("trigger", trigger((seed % ops as u64) as i64));
                got.run_net("net").unwrap_err();
                feed(&mut got);
            }
            want.run_net("net").unwrap();
            got.run_net("net").unwrap();
            if nested == 0 || run < 2 {
                same(&got, &want, &outputs);
            }
        }
        let report = got.memory_report("net").unwrap();
        prop_assert!(report.shares && report.shared <= report.total);
        if nested == 0 {
            let unshared = want.memory_report("net").unwrap();
            prop_assert_eq!((unshared.shares, unshared.total, unshared.blobs.len()), (false, report.total, report.blobs.len()));
        }
    }
}

#[test]
fn a_chain_needs_two_buffers_and_allocates_once() {
    for net_type in ["simple", "dag"] {
        let mut workspace = fed(2);
        workspace.set_memory_sharing(true);
        workspace.create_net(&chain(50).with_type(net_type)).unwrap();
        let want = in_order(&chain(50), 1).fetch("y").unwrap();
        let mut used = Vec::new();
        for _ in 0..4 {
            workspace.run_net("net").unwrap();
            assert_eq!(workspace.fetch("y").unwrap(), want);
            used.push(workspace.memory().used());
        }
        let report = workspace.memory_report("net").unwrap();
        assert!(report.shared * 5 < report.total, "{report}");
        assert_eq!(used[2..], [report.shared as usize; 2], "{report}");
        assert_eq!(place(&report, "y"), &Err(KeptBlob::Wanted));
        let text = report.to_string();
        assert!(
            text.starts_with("50 blobs of ")
                && text.contains("c7: buffer ")
                && text.contains("y: its own, wanted"),
            "{text}"
        );
    }
}

#[test]
fn what_handed_its_memory_over_says_so() {
    let mut workspace = fed(1);
    workspace.set_memory_sharing(true);
    workspace.create_net(&chain(5)).unwrap();
    workspace.keep_blob("c2");
    workspace.run_net("net").unwrap();
    let want = in_order(&chain(5), 1);
    same(&workspace, &want, ["c2", "y"]);
    let error = workspace.fetch("c1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Blob);
    for words in [
        "blob `c1` holds nothing",
        "net `net` shares the memory",
        "keep_blob(\"c1\")",
        "set_memory_sharing(false)",
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = workspace.run_operator_once(&mix(1, &["c1"], "z")).unwrap_err();
    assert!(
        error.to_string().contains("input 1 `c1`") && error.to_string().contains("keep_blob(\"c1\")"),
        "{error}"
    );
    let child = Workspace::child(Arc::new(workspace));
    assert!(child.fetch("c1").unwrap_err().to_string().contains("shares the memory"));
    let mut workspace = fed(1);
    workspace.feed("c1", no_trigger());
    workspace.set_memory_sharing(true);
    workspace.run_net_once(&chain(5)).unwrap();
    assert!(workspace.fetch("c1").unwrap_err().to_string().contains("shares the memory"));
    workspace.feed("c1", trigger(5));
    assert_eq!(workspace.fetch("c1").unwrap(), trigger(5));
}

#[test]
fn blobs_that_others_need_are_left_alone() {
    let mut workspace = fed(1);
    workspace.set_memory_sharing(true);
    let scoped = NetDef::new("nested").op(mix(50, &["c1"], "maybe"));
    let net = chain(5)
        .op(mix(20, &["y", "state"], "state"))
        .op(OperatorDef::new("IfOdd").input("in1").arg("net", scoped))
        .op(mix(21, &["c2"], "unread"));
    let net = NetDef { external_input: Vec::new(), ..net };
    workspace.feed("state", trigger(3));
    workspace.create_net(&net).unwrap();
    workspace.create_net(&NetDef::new("other").op(mix(60, &["c4"], "z"))).unwrap();
    workspace.run_net("net").unwrap();
    workspace.run_net("other").unwrap();
    let report = workspace.memory_report("net").unwrap();
    let why = |name| *place(&report, name);
    assert_eq!(why("y"), Err(KeptBlob::Wanted));
    assert_eq!(why("state"), Err(KeptBlob::ReadFirst));
    assert_eq!(why("maybe"), Err(KeptBlob::Nested));
    assert_eq!(why("c4"), Err(KeptBlob::OtherNet));
    assert!(why("c1").is_ok() && why("unread").is_ok());
    // Without outputs, what nobody reads is the result.
    workspace.create_or_replace_net(&NetDef { external_output: Vec::new(), ..net.clone() }).unwrap();
    workspace.run_net("net").unwrap();
    let report = workspace.memory_report("net").unwrap();
    assert_eq!((*place(&report, "unread"), place(&report, "c1").is_ok()), (Err(KeptBlob::Result), true));
    assert_eq!(workspace.fetch("unread").unwrap().numel(), 1 + (21 * 7) % 23);
    // A blob is shared again once the other net is gone, and no longer once there is one.
    let shares = |workspace: &mut Workspace, name: &str| {
        workspace.run_net("net").unwrap();
        place(&workspace.memory_report("net").unwrap(), name).is_ok()
    };
    assert!(!shares(&mut workspace, "c4"));
    workspace.delete_net("other");
    assert!(shares(&mut workspace, "c4"));
    workspace.create_net(&NetDef::new("third").op(mix(61, &["c3"], "z"))).unwrap();
    assert!(workspace.run_net("third").unwrap_err().to_string().contains("shares the memory"));
    assert!(!shares(&mut workspace, "c3"));
    workspace.run_net("third").unwrap();
    assert!(workspace.memory_report("none").is_err());
}

#[test]
fn what_is_no_buffer_is_left_alone_once_it_is_known() {
    let registry = crate::OpRegistry::builder()
        .operator::<crate::testing::MixOp>()
        .operator::<ShareOp>()
        .build()
        .unwrap();
    for net_type in ["simple", "dag"] {
        let mut workspace = Workspace::with_registry(Arc::clone(&registry));
        workspace.set_threads(2);
        feed(&mut workspace);
        workspace.set_memory_sharing(true);
        let net = chain(4)
            .op(OperatorDef::new("Share").input("c3").output("same"))
            .op(mix(30, &["same"], "d1"))
            .op(mix(31, &["d1"], "d2"))
            .op(mix(32, &["d2", "c1"], "d3"))
            .external_output("d3")
            .with_type(net_type);
        workspace.create_net(&net).unwrap();
        let mut run = || {
            workspace.run_net("net").unwrap();
            let d3 = workspace.tensor("d3").unwrap().as_slice::<i64>().unwrap().to_vec();
            (d3, workspace.memory().used())
        };
        let runs: Vec<_> = (0..8).map(|_| run()).collect();
        assert!(runs.iter().all(|(d3, _)| *d3 == runs[0].0) && runs[6].1 == runs[7].1);
        let report = workspace.memory_report("net").unwrap();
        assert_eq!(place(&report, "same"), &Err(KeptBlob::NoBuffer), "{report}");
        assert!(place(&report, "d1").is_ok() && report.shared < report.total);
    }
}

/// The output is the input, in the same memory.
struct ShareOp;

impl crate::OperatorType for ShareOp {
    const TYPE: &'static str = "Share";

    fn schema() -> crate::OpSchema {
        crate::OpSchema::new(Self::TYPE).inputs(1).outputs(1)
    }

    fn from_args(_: &crate::Args<'_>) -> Result<Self, crate::ArgError> {
        Ok(ShareOp)
    }
}

impl crate::Operator for ShareOp {
    fn run(&mut self, io: &mut crate::OpIo<'_>) -> Result<(), crate::OpError> {
        let x = io.input(0)?;
        io.output(0)?.share(x);
        Ok(())
    }
}

#[test]
fn nets_with_reference_counts_empty_blobs_after_their_last_use() {
    let mut workspace = fed(1);
    let net =
        chain(4).op(mix(10, &["in1"], "unread")).op(mix(11, &["c1"], "c1")).with_type("simple_refcount");
    workspace.create_net(&net).unwrap();
    for _ in 0..2 {
        workspace.run_net("net").unwrap();
        same(&workspace, &in_order(&chain(4), 1), ["y", "in1", "trigger"]);
        for empty in ["c1", "c2", "c3"] {
            assert!(workspace.blob(empty).unwrap().is_empty());
            let error = workspace.fetch(empty).unwrap_err().to_string();
            assert!(error.contains("simple_refcount") && error.contains("external outputs"), "{error}");
        }
        assert!(workspace.fetch("unread").is_ok(), "what nobody reads is kept");
    }
    // Also what the first operator reads last.
    let first =
        NetDef::new("first").op(mix(1, &["a"], "a")).op(mix(2, &["in1"], "b")).with_type("simple_refcount");
    workspace.feed("a", trigger(1));
    workspace.run_net_once(&first).unwrap();
    assert!(workspace.blob("a").unwrap().is_empty() && !workspace.blob("b").unwrap().is_empty());
    // Sharing is for other nets.
    workspace.set_memory_sharing(true);
    workspace.create_or_replace_net(&net).unwrap();
    workspace.run_net("net").unwrap();
    assert!(!workspace.memory_report("net").unwrap().shares);
}
