//! Plans.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use caffe2_proto::{ExecutionStep, NetDef, OperatorDef, PlanDef};
use caffe2_tensor::Tensor;

use crate::testing::{add, number, registry, value, workspace};
use crate::{ErrorKind, NetInfo, Observer, OpInfo, Workspace};

fn nets<S: AsRef<str>>(names: &[S]) -> ExecutionStep {
    let network = names.iter().map(|name| name.as_ref().to_owned()).collect();
    ExecutionStep { network, ..ExecutionStep::default() }
}

fn steps(substep: Vec<ExecutionStep>) -> ExecutionStep {
    ExecutionStep { substep, ..ExecutionStep::default() }
}

fn at_once(substep: Vec<ExecutionStep>) -> ExecutionStep {
    ExecutionStep { concurrent_substeps: Some(true), ..steps(substep) }
}

fn times(num_iter: i64, step: ExecutionStep) -> ExecutionStep {
    ExecutionStep { num_iter: Some(num_iter), ..step }
}

fn until(stop: &str, step: ExecutionStep) -> ExecutionStep {
    ExecutionStep { should_stop_blob: Some(stop.to_owned()), ..step }
}

fn own(step: ExecutionStep) -> ExecutionStep {
    ExecutionStep { create_workspace: Some(true), ..step }
}

fn above(input: &str, limit: f32, output: &str) -> OperatorDef {
    OperatorDef::new("Above").input(input).output(output).arg("limit", limit)
}

/// `one`, `two` … add 1 to blobs of these names; `step` adds 1 to `x`, and `check` stops when it is above 4.5.
fn plan(steps: Vec<ExecutionStep>) -> PlanDef {
    let mut network = vec![
        NetDef::new("step").op(add("x", "x", 1.0)),
        NetDef::new("check").op(above("x", 4.5, "stop")),
        // Never built, since no step names it.
        NetDef::new("unused").op(OperatorDef::new("NoSuchOperator")),
        NetDef::new("fails").op(OperatorDef::new("Spread").input("unlucky").output("none")),
    ];
    network.extend(NAMES.map(|name| NetDef::new(name).op(add(name, name, 1.0))));
    PlanDef { network, execution_step: steps, ..PlanDef::default() }
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn fed(threads: usize) -> Workspace {
    let mut ws = workspace();
    ws.set_threads(threads);
    ws.feed("x", number(0.0));
    ws.feed("unlucky", number(13.0));
    ws.create_blob("stop");
    NAMES.iter().for_each(|name| ws.feed(name, number(0.0)));
    ws
}

/// What `x` and the other blobs hold after the steps.
fn run_all(threads: usize, steps: Vec<ExecutionStep>) -> Result<[f32; 5], String> {
    let mut ws = fed(threads);
    ws.run_plan(&plan(steps)).map_err(|e| e.to_string())?;
    Ok(["x", "one", "two", "three", "four"].map(|name| value(&ws, name)))
}

/// What `x` holds after the steps, on any number of threads.
fn run(steps: Vec<ExecutionStep>) -> Result<f32, String> {
    let result = run_all(1, steps.clone());
    assert_eq!(run_all(3, steps), result);
    result.map(|values| values[0])
}

#[test]
fn steps_iterate_over_nets_and_substeps() {
    assert_eq!(run(vec![]), Ok(0.0));
    assert_eq!(run(vec![nets(&["step"]), nets(&["step", "step"])]), Ok(3.0));
    let inner = times(3, nets(&["step"]));
    assert_eq!(run(vec![times(2, steps(vec![inner.clone(), inner]))]), Ok(12.0));
    assert_eq!(run(vec![times(0, nets(&["step"]))]), Ok(0.0));
    assert_eq!(run(vec![times(-3, nets(&["step"]))]), Ok(0.0));
    assert_eq!(run(vec![times(9, ExecutionStep::default())]), Ok(0.0));
}

#[test]
fn a_stop_blob_ends_the_loop_after_the_run_that_sets_it() {
    let stop = until("stop", nets(&["step", "check"]));
    assert_eq!(run(vec![stop.clone()]), Ok(5.0));
    assert_eq!(run(vec![ExecutionStep { only_once: Some(true), ..stop.clone() }]), Ok(1.0));
    assert_eq!(run(vec![until("stop", steps(vec![nets(&["step"]), nets(&["check", "step"])]))]), Ok(6.0));
    let at_once =
        until("stop", at_once(vec![steps(vec![nets(&["step"]), nets(&["check"])]), nets(&["one"])]));
    assert_eq!(run_all(1, vec![at_once.clone()]), Ok([5.0, 5.0, 0.0, 0.0, 0.0]));
    assert_eq!(run_all(3, vec![at_once]), Ok([5.0, 5.0, 0.0, 0.0, 0.0]));
}

#[test]
fn nets_of_a_plan_stay_and_replace_those_of_the_same_name() {
    let mut ws = fed(2);
    ws.create_net(&NetDef::new("step").op(add("x", "x", 100.0))).unwrap();
    ws.create_net(&NetDef::new("mine").op(add("x", "x", 1000.0))).unwrap();
    ws.run_plan(&plan(vec![nets(&["step"]), nets(&["step"])])).unwrap();
    ws.run_net("step").unwrap();
    assert_eq!((value(&ws, "x"), ws.nets()), (3.0, vec!["mine", "step"]));
    // A plan that fails leaves them too, also when a net cannot be built.
    ws.run_plan(&plan(vec![nets(&["check", "fails"])])).unwrap_err();
    ws.run_plan(&plan(vec![nets(&["one", "unused"])])).unwrap_err();
    assert_eq!(ws.nets(), ["check", "fails", "mine", "one", "step"]);
    ws.run_net("step").unwrap();
    assert_eq!(value(&ws, "x"), 4.0);
}

#[test]
fn checks_come_in_the_order_of_caffe2() {
    // What a step wants, what is said of it, and the nets that were built before.
    let refused = |step: ExecutionStep, words: &str, built: &[&str]| {
        let mut ws = fed(2);
        let step = ExecutionStep { name: Some("s".into()), ..step };
        let error = ws.run_plan(&plan(vec![step])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Definition, "{error}");
        let text = error.to_string();
        assert!(text.contains("step `s`") && text.contains(words), "{text}");
        assert_eq!(ws.nets(), built, "{text}");
    };
    let step = || nets(&["step"]);
    refused(ExecutionStep { substep: vec![step()], ..step() }, "both nets and substeps", &[]);
    refused(nets(&["step", "other"]), "no net `other`", &["step"]);
    refused(until("none", step()), "no blob `none` to stop by", &["step"]);
    refused(
        ExecutionStep { report_net: Some("one".into()), ..step() },
        "without `report_interval`",
        &["step"],
    );
    let reports =
        |net: &str| ExecutionStep { report_net: Some(net.into()), report_interval: Some(1), ..step() };
    refused(reports("other"), "no net `other`", &["step"]);
    refused(times(1, until("stop", step())), "both `num_iter` and `should_stop_blob`", &["step"]);
    refused(
        ExecutionStep { only_once: Some(false), ..reports("one") },
        "`only_once` without",
        &["one", "step"],
    );
    for instances in [-1, i32::MAX] {
        let many = ExecutionStep {
            concurrent_substeps: Some(true),
            num_concurrent_instances: Some(instances),
            ..steps(vec![step(), step()])
        };
        refused(many, "expected 0 to 65536 together", &["step"]);
    }
    let mut twice = plan(vec![step()]);
    twice.network.push(NetDef::new("step"));
    assert!(fed(1).run_plan(&twice).unwrap_err().to_string().contains("two nets `step`"));
    assert!(
        run(vec![until("x", step())])
            .unwrap_err()
            .contains("stop blob `x`: expected one bool, found float [1]")
    );
    let mut nameless = plan(vec![nets(&[""])]);
    nameless.network.push(NetDef::default());
    assert!(fed(1).run_plan(&nameless).unwrap_err().to_string().contains("needs a name"));
}

#[test]
fn concurrent_substeps_all_run_as_often_as_they_are_to() {
    let many = at_once(NAMES.iter().map(|name| times(20, nets(&[name]))).collect());
    for threads in [1, 2, 4] {
        assert_eq!(run_all(threads, vec![times(3, many.clone())]), Ok([0.0, 60.0, 60.0, 60.0, 60.0]));
        // All of them on one blob: each waits for the others.
        let one = at_once(vec![times(50, nets(&["step"])); 8]);
        assert_eq!(run_all(threads, vec![one]).map(|v| v[0]), Ok(400.0));
        let instances = |count, step| ExecutionStep { num_concurrent_instances: Some(count), ..step };
        let copies = instances(3, steps(vec![nets(&["step"]), nets(&["one", "one"])]));
        assert_eq!(run_all(threads, vec![copies.clone()]), Ok([3.0, 6.0, 0.0, 0.0, 0.0]));
        let nested =
            at_once(vec![copies, at_once(vec![nets(&["two"]), nets(&["two", "three"])]), nets(&["four"])]);
        assert_eq!(run_all(threads, vec![times(5, nested)]), Ok([15.0, 30.0, 10.0, 5.0, 5.0]));
        let none = instances(0, at_once(vec![nets(&["step"]), nets(&["one"])]));
        assert_eq!(run_all(threads, vec![none]), Ok([0.0; 5]));
        assert_eq!(run_all(threads, vec![instances(0, steps(vec![nets(&["step"])]))]).map(|v| v[0]), Ok(1.0));
    }
}

/// Notes when nets run, and lets each take a while, and wait until as many run as there should.
#[derive(Default)]
struct Log {
    wanted: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

impl Observer for Log {
    fn net_start(&self, net: &NetInfo) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.seen.lock().unwrap().push(net.name().to_owned());
        let (begin, wanted) = (Instant::now(), self.wanted.load(Ordering::SeqCst));
        while self.most.load(Ordering::SeqCst) < wanted && begin.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn op_start(&self, _: &NetInfo, _: &OpInfo) {
        thread::sleep(Duration::from_millis(2));
    }
    fn net_stop(&self, _: &NetInfo, _: bool) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Log {
    fn count(&self, net: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|name| *name == net).count()
    }
}

fn watched(threads: usize) -> (Workspace, Arc<Log>) {
    let (mut ws, log) = (fed(threads), Arc::new(Log::default()));
    ws.observe_new_nets(log.clone());
    (ws, log)
}

#[test]
fn disjoint_nets_run_at_once_and_others_do_not() {
    for (threads, names, most) in [
        (4, ["one", "two", "three"], 3),
        (2, ["one", "two", "three"], 2),
        (1, ["one", "two", "three"], 1),
        (4, ["one"; 3], 1),
    ] {
        let (mut ws, log) = watched(threads);
        log.wanted.store(most, Ordering::SeqCst);
        let plan = plan(vec![at_once(names.iter().map(|name| times(10, nets(&[name]))).collect())]);
        ws.run_plan(&plan).unwrap();
        assert_eq!(log.most.load(Ordering::SeqCst), most, "{threads} {names:?}");
    }
}

#[test]
fn steps_that_wait_for_each_other_end_on_any_number_of_threads() {
    // The first ends only when the second has run often enough.
    let waits = until("stop", nets(&["one", "check"]));
    for threads in 1..4 {
        let values = run_all(threads, vec![at_once(vec![waits.clone(), times(9, nets(&["step"]))])]).unwrap();
        assert_eq!(values[0], 9.0);
        let many = vec![waits.clone(); 6].into_iter().chain([times(9, nets(&["step"]))]).collect();
        assert_eq!(run_all(threads, vec![at_once(many)]).unwrap()[0], 9.0);
    }
}

#[test]
fn a_failure_ends_the_siblings_and_is_the_one_that_is_told() {
    let endless = || until("stop", nets(&["one"]));
    for threads in 1..4 {
        let mut ws = fed(threads);
        let fails =
            at_once(vec![endless(), endless(), steps(vec![times(3, nets(&["step"])), nets(&["fails"])])]);
        let error = ws.run_plan(&plan(vec![fails.clone(), nets(&["two"])])).unwrap_err();
        assert_eq!((error.kind(), error.net()), (ErrorKind::Run, Some("fails")));
        assert!(error.to_string().contains("operator #0 Spread: input 0 `unlucky`"), "{error}");
        assert_eq!((value(&ws, "x"), value(&ws, "two")), (3.0, 0.0));
        // All is as usable as before.
        ws.feed("unlucky", number(1.0));
        ws.run_plan(&plan(vec![at_once(vec![nets(&["fails"]), nets(&["two"])])])).unwrap();
        assert_eq!(value(&ws, "two"), 1.0);
    }
}

#[test]
fn plans_are_cancelled_and_limited() {
    let endless = vec![at_once(vec![until("stop", nets(&["one"])), until("stop", nets(&["two"]))])];
    for threads in [1, 2] {
        let mut ws = fed(threads);
        ws.set_time_limit(Some(Duration::from_millis(20)));
        let error = ws.run_plan(&plan(endless.clone())).unwrap_err();
        assert!(error.kind() == ErrorKind::Stopped && error.to_string().contains("time limit"), "{error}");
        ws.set_time_limit(None);
        let token = ws.cancel_token();
        let ender = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            token.cancel();
        });
        assert_eq!(ws.run_plan(&plan(endless.clone())).unwrap_err().kind(), ErrorKind::Stopped);
        ender.join().unwrap();
        ws.cancel_token().reset();
        ws.run_plan(&plan(vec![nets(&["one"])])).unwrap();
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_nets_come_back() {
    struct Panics;
    impl Observer for Panics {
        fn net_start(&self, net: &NetInfo) {
            assert!(net.name() != "two", "at two");
        }
    }
    let mut ws = fed(2);
    ws.observe_new_nets(Arc::new(Panics));
    let plan = plan(vec![at_once(vec![until("stop", nets(&["one"])), steps(vec![nets(&["two"])])])]);
    let run = std::panic::AssertUnwindSafe(|| ws.run_plan(&plan));
    assert!(std::panic::catch_unwind(run).is_err());
    assert_eq!(ws.nets(), ["one", "two"]);
    ws.run_net("one").unwrap();
}

#[test]
fn reporters_run_every_so_often_and_at_the_end() {
    for threads in [1, 2] {
        // Far from due: once, at the end.
        let report = ExecutionStep {
            report_net: Some("one".into()),
            report_interval: Some(1000),
            ..times(5, nets(&["step"]))
        };
        assert_eq!(run_all(threads, vec![report.clone(), report]), Ok([10.0, 2.0, 0.0, 0.0, 0.0]));
        let every = |ms, step| ExecutionStep { run_every_ms: Some(ms), ..step };
        let reported =
            steps(vec![every(100_000, times(2, nets(&["two"]))), times(3, nets(&["step"])), nets(&["step"])]);
        assert_eq!(run_all(threads, vec![times(2, reported)]), Ok([8.0, 0.0, 2.0, 0.0, 0.0]));
        // Only reporters: they run once. As a step by itself, the interval means nothing.
        let only = vec![steps(vec![every(100_000, nets(&["two"]))]), every(100_000, nets(&["three"]))];
        assert_eq!(run_all(threads, only), Ok([0.0, 0.0, 1.0, 1.0, 0.0]));
        // Soon due: several times.
        let (mut ws, log) = watched(threads);
        let often =
            steps(vec![every(5, nets(&["one"])), every(-3, nets(&["two"])), times(40, nets(&["step"]))]);
        ws.run_plan(&plan(vec![often])).unwrap();
        assert!(
            log.count("one") > 3 && log.count("two") > log.count("one"),
            "{} {}",
            log.count("one"),
            log.count("two")
        );
        let seen = log.seen.lock().unwrap();
        let last = seen.iter().rposition(|name| name == "step").unwrap();
        assert!(seen[last..].iter().any(|name| name == "one"), "once more at the end");
        drop(seen);
        // A reporter that fails is a failure.
        let fails = steps(vec![every(1, nets(&["fails"])), until("stop", nets(&["one"]))]);
        assert!(run_all(threads, vec![fails]).unwrap_err().contains("`unlucky`"));
    }
}

#[test]
fn steps_with_workspaces_of_their_own_see_all_and_keep_nothing() {
    for threads in [1, 2] {
        let mut ws = fed(threads);
        let before: Vec<String> = ws.blobs().into_iter().map(str::to_owned).collect();
        // `fresh` is made, counted up and added to `x`, which is outside.
        let network = vec![
            NetDef::new("make").op(OperatorDef::new("Spread").input("one").output("fresh")),
            NetDef::new("count").op(add("fresh", "fresh", 1.0)),
            NetDef::new("take").op(add("fresh", "x", 0.0)),
            NetDef::new("adds").op(OperatorDef::new("Spread").input("x").outputs(["two", "three"])),
        ];
        let step = |substeps| PlanDef {
            network: network.clone(),
            execution_step: vec![substeps],
            ..PlanDef::default()
        };
        let inner = times(3, nets(&["count"]));
        let counts = own(steps(vec![nets(&["make"]), inner, nets(&["take", "adds"])]));
        ws.feed("one", number(5.0));
        ws.run_plan(&step(times(4, steps(vec![counts.clone()])))).unwrap();
        assert_eq!(["x", "two", "three"].map(|name| value(&ws, name)), [8.0, 8.0, 16.0]);
        assert_eq!(
            (ws.blobs().into_iter().map(str::to_owned).collect::<Vec<_>>(), ws.nets().len()),
            (before, 0)
        );
        // A workspace within another sees what that has; what is made within is not seen around it.
        let within = own(steps(vec![nets(&["make"]), own(nets(&["count", "count"])), nets(&["take"])]));
        ws.run_plan(&step(within)).unwrap();
        assert_eq!(value(&ws, "x"), 7.0);
        let hidden = own(steps(vec![own(nets(&["make"])), own(nets(&["count"]))]));
        let error = ws.run_plan(&step(hidden)).unwrap_err();
        assert!(error.to_string().contains("`fresh`"), "{error}");
        // At once each has its own.
        let many = ExecutionStep { num_concurrent_instances: Some(20), ..steps(vec![counts]) };
        ws.run_plan(&step(many)).unwrap();
        assert_eq!(value(&ws, "x"), 8.0);
        // Nothing is left of any of them.
        assert!(!ws.has_blob("fresh") && ws.nets().is_empty());
        let slots = ws.table().blobs().len();
        ws.run_plan(&step(own(nets(&["make"])))).unwrap();
        assert_eq!(ws.table().blobs().len(), slots, "slots are used again");
    }
}

#[test]
fn workspaces_are_numbered_where_the_machine_is() {
    let network = vec![
        NetDef::new("number").op(OperatorDef::new("Collect").input("GLOBAL_WORKSPACE_ID").output("seen")),
    ];
    let step = ExecutionStep { num_concurrent_instances: Some(5), ..steps(vec![own(nets(&["number"]))]) };
    let plan = PlanDef { network, execution_step: vec![step], ..PlanDef::default() };
    let builder = crate::OpRegistry::builder().operator::<CollectOp>().build().unwrap();
    let mut ws = Workspace::with_registry(builder);
    ws.feed("seen", crate::Blob::new(BTreeSet::<i32>::new()));
    assert!(ws.run_plan(&plan).unwrap_err().to_string().contains("`GLOBAL_WORKSPACE_ID`"));
    ws.feed("NODE_ID", Tensor::scalar(3i32).unwrap());
    ws.run_plan(&plan).unwrap();
    let seen = ws.blob("seen").unwrap().with(|seen: &BTreeSet<i32>| seen.clone()).unwrap();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (0..5).map(|i| 3 << 16 | i).collect::<Vec<_>>());
    assert!(!ws.has_blob("GLOBAL_WORKSPACE_ID"));
    ws.feed("NODE_ID", Tensor::scalar(3i64).unwrap());
    assert!(ws.run_plan(&plan).unwrap_err().to_string().contains("`NODE_ID` is not an int32"));
}

/// Puts the numbers that it sees into a set.
struct CollectOp;

impl crate::OperatorType for CollectOp {
    const TYPE: &'static str = "Collect";

    fn schema() -> crate::OpSchema {
        crate::OpSchema::new(Self::TYPE).inputs(1).outputs(1)
    }

    fn from_args(_: &crate::Args<'_>) -> Result<Self, crate::ArgError> {
        Ok(CollectOp)
    }
}

impl crate::Operator for CollectOp {
    fn run(&mut self, io: &mut crate::OpIo<'_>) -> Result<(), crate::OpError> {
        let seen = io.input_slice::<i32>(0)?[0];
        let set = io.output_blob(0)?.get_mut::<BTreeSet<i32>>();
        set.map_err(|e| crate::OpError::Other(e.to_string()))?.insert(seen);
        Ok(())
    }
}

#[test]
fn plans_run_in_children_and_share_memory() {
    let parent = Arc::new(fed(2));
    thread::scope(|scope| {
        for i in 0..8 {
            let mut child = Workspace::child(Arc::clone(&parent));
            scope.spawn(move || {
                child.set_memory_sharing(i % 2 == 0);
                let ops = |name: &str| {
                    let first = add("x", &format!("{name}0"), 1.0);
                    let more = (0..10).map(|i| add(&format!("{name}{i}"), &format!("{name}{}", i + 1), 1.0));
                    NetDef::new(name)
                        .op(first)
                        .ops(more.collect::<Vec<_>>())
                        .external_output(format!("{name}10"))
                };
                // `b` reads what `a` would otherwise let go of; `c`, built when `a` has run, too.
                let b = ops("b").op(add("a5", "from_a", 0.0)).external_output("from_a");
                let c = ops("c").op(add("a7", "c_from_a", 0.0)).op(add("c_from_a", "y", 0.0));
                let plan = PlanDef {
                    network: vec![ops("a").with_type("dag"), b, c],
                    execution_step: vec![
                        at_once(vec![nets(&["a"]), nets(&["one"])]),
                        times(3, steps(vec![nets(&["a", "b"]), own(nets(&["c"]))])),
                    ],
                    ..plan(vec![])
                };
                let plan = PlanDef {
                    network: plan
                        .network
                        .into_iter()
                        .chain([NetDef::new("one").op(add("one", "one", 1.0))])
                        .collect(),
                    ..plan
                };
                child.feed("y", number(0.0));
                child.run_plan(&plan).unwrap();
                assert_eq!(
                    ["from_a", "y", "b10", "one"].map(|name| value(&child, name)),
                    [6.0, 8.0, 11.0, 1.0]
                );
            });
        }
    });
    assert_eq!(value(&parent, "one"), 0.0);
    assert!(registry().schema("Spread").is_some());
}

/// A net would otherwise give the memory of a blob that nobody but its step looks at to a later one.
#[test]
fn what_stops_a_step_shares_no_memory() {
    let net = NetDef::new("count")
        .op(add("x", "x", 1.0))
        .op(above("x", 4.5, "stop"))
        .op(OperatorDef::new("Above").input("stop_source").output("later").arg("limit", 9.0f32))
        .external_output("later");
    let step = ExecutionStep { network: vec!["count".to_owned()], ..ExecutionStep::default() };
    let plan =
        PlanDef { network: vec![net], execution_step: vec![until("stop", step)], ..PlanDef::default() };
    let mut ws = fed(1);
    ws.feed("stop_source", number(0.0));
    ws.set_memory_sharing(true);
    ws.set_time_limit(Some(std::time::Duration::from_secs(20)));
    ws.run_plan(&plan).unwrap();
    assert_eq!(value(&ws, "x"), 5.0);
}
