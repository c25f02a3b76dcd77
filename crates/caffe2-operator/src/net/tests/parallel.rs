//! Nets that run as graphs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::net::Operators;
use crate::testing::add;
use crate::{ErrorKind, NetInfo, Observer, OpInfo};

fn plan(most: usize) -> impl Strategy<Value = Plan> {
    let names = prop_oneof![3usize..12, 12usize..100, 100usize..2000];
    (any::<u64>(), 1..most, names, 0usize..8, prop_oneof![Just(0), Just(90), 0usize..100])
        .prop_map(|(seed, ops, names, nested, recent)| Plan { seed, ops, names, nested, recent })
}

const TYPES: [&str; 6] = ["dag", "prof_dag", "async_dag", "async_polling", "async_scheduling", "parallel"];

fn parallel(net: &NetDef, seed: u64, workers: i32) -> NetDef {
    let net_type = TYPES[seed as usize % TYPES.len()];
    NetDef { num_workers: Some(workers), ..net.clone().with_type(net_type) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn nets_give_the_same_in_parallel_as_in_order(plan in plan(2500), threads in 1usize..5) {
        let net = made_up(&plan);
        let want = in_order(&net, 2);
        let mut got = fed(threads);
        got.create_net(&parallel(&net, plan.seed, 4)).unwrap();
        got.run_net("net").unwrap();
        got.run_net("net").unwrap();
        same(&got, &want, names(&want));
    }

    #[test]
    fn a_failure_names_its_operator_and_the_next_run_is_whole(plan in plan(4000), at in any::<prop::sample::Index>()) {
        let net = made_up(&plan);
        let mut got = fed(3);
        got.create_net(&parallel(&net, plan.seed, 3)).unwrap();
        got.run_net("net").unwrap();
        let salt = at.index(plan.ops) as i64;
        got.feed("trigger", trigger(salt));
        let mut want = in_order(&net, 1);
        want.feed("trigger", trigger(salt));
        let (error, wanted) = (got.run_net("net").unwrap_err(), want.run_net("net").unwrap_err());
        prop_assert_eq!(error.to_string(), wanted.to_string());
        prop_assert_eq!(error.operator(), wanted.operator());
        feed(&mut got);
        got.run_net("net").unwrap();
        // A net within an operator that did not run leaves what a run before wrote: only one that never fails knows.
        if plan.nested == 0 {
            same(&got, &in_order(&net, 1), names(&want));
        }
    }
}

/// Nodes that wait for each other are kept apart by sleeping: what goes first by mistake is caught in the act.
#[test]
fn operators_that_sleep_keep_their_order() {
    for seed in 0..5 {
        let plan = Plan { seed, ops: 60, names: 12, nested: 5, recent: 20 };
        let mut net = made_up(&plan);
        let mut random = Random(seed);
        for op in net.op.iter_mut().filter(|op| op.r#type() == "Mix") {
            *op = op.clone().arg("sleep_us", random.below(300) as i64);
        }
        let want = in_order(&net, 1);
        let mut got = fed(4);
        got.run_net_once(&parallel(&net, seed, 0)).unwrap();
        same(&got, &want, names(&want));
    }
}

/// Keeps who ran what, and how many at once. Waits until as many run as there should.
#[derive(Default)]
struct Log {
    wanted: usize,
    running: AtomicUsize,
    most: AtomicUsize,
    by: Mutex<Vec<(usize, usize, ThreadId)>>,
    nets: AtomicUsize,
}

impl Observer for Log {
    fn net_start(&self, _: &NetInfo) {
        assert_eq!(self.running.load(Ordering::SeqCst), 0);
        self.nets.fetch_add(1, Ordering::SeqCst);
    }
    fn net_stop(&self, _: &NetInfo, ok: bool) {
        assert_eq!(self.running.load(Ordering::SeqCst), 0);
        self.nets.fetch_add(if ok { 10 } else { 1000 }, Ordering::SeqCst);
    }
    fn op_start_by(&self, worker: usize, _: &NetInfo, op: &OpInfo) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.by.lock().unwrap().push((op.position(), worker, thread::current().id()));
        let begin = Instant::now();
        while self.most.load(Ordering::SeqCst) < self.wanted && begin.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn op_stop_by(&self, _: usize, _: &NetInfo, _: &OpInfo, _: bool) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// So many operators that do not depend on each other, each of which takes a while.
fn sleepers(count: usize) -> NetDef {
    let op = |i: usize| {
        let op = OperatorDef::new("Mix").inputs(["trigger", "in1"]).output(format!("b{i}"));
        op.arg("salt", i as i64).arg("sleep_us", 2000)
    };
    NetDef::new("net").ops((0..count).map(op).collect::<Vec<_>>()).with_type("dag")
}

#[test]
fn independent_operators_run_at_once_on_as_many_workers_as_there_are() {
    for (threads, workers, most) in [(4, 2, 2), (2, 4, 2), (3, 0, 3), (1, 4, 1), (4, 1, 1)] {
        let log = Arc::new(Log { wanted: most, ..Log::default() });
        let mut workspace = fed(threads);
        let net = NetDef { num_workers: Some(workers), ..sleepers(24) };
        workspace.create_net(&net).unwrap().attach(log.clone());
        for _ in 0..3 {
            workspace.run_net("net").unwrap();
        }
        assert_eq!(log.most.load(Ordering::SeqCst), most, "{threads} threads, {workers} workers");
        assert_eq!(log.nets.load(Ordering::SeqCst), 33);
        let by = log.by.lock().unwrap();
        assert_eq!(by.len(), 3 * 24);
        // Each worker is one thread, the first the one that runs the net.
        let own = thread::current().id();
        assert!(by.iter().all(|(_, worker, thread)| (*worker == 0) == (*thread == own)));
        assert_eq!(workspace.net("net").unwrap().info().workers(), workers as usize);
    }
}

#[test]
fn nothing_begins_after_a_failure_and_observers_are_stopped() {
    let log = Arc::new(Log::default());
    let mut workspace = fed(2);
    workspace.create_net(&sleepers(50)).unwrap().attach(log.clone());
    workspace.feed("trigger", trigger(0));
    let error = workspace.run_net("net").unwrap_err();
    assert_eq!(error.operator().unwrap().position, Some(0));
    assert_eq!(log.nets.load(Ordering::SeqCst), 1001);
    assert!(log.by.lock().unwrap().len() <= 3, "the failed one, and what ran or began meanwhile");
}

#[test]
fn runs_are_cancelled_and_limited_between_operators() {
    for net_type in ["simple", "dag"] {
        let stopped = |error: crate::Error, why: &str| {
            assert_eq!(error.kind(), ErrorKind::Stopped);
            assert!(error.to_string().contains(why), "{error}");
            // It says where.
            let position = error.operator().unwrap().position.unwrap();
            assert!((1..400).contains(&position), "{error}");
        };
        let mut workspace = fed(2);
        workspace.create_net(&sleepers(400).with_type(net_type)).unwrap();
        workspace.set_time_limit(Some(Duration::from_millis(20)));
        stopped(workspace.run_net("net").unwrap_err(), "the time limit has passed");
        workspace.set_time_limit(None);
        let token = workspace.cancel_token();
        let canceller = token.clone();
        let ender = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            canceller.cancel();
        });
        stopped(workspace.run_net("net").unwrap_err(), "the run was cancelled");
        ender.join().unwrap();
        token.reset();
        workspace.create_or_replace_net(&sleepers(4).with_type(net_type)).unwrap();
        workspace.run_net("net").unwrap();
    }
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_the_net_usable() {
    struct Panics(Mutex<usize>);
    impl Observer for Panics {
        fn op_start(&self, _: &NetInfo, op: &OpInfo) {
            let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if op.position() == 5 && *left > 0 {
                *left -= 1;
                panic!("at operator 5");
            }
        }
    }
    let mut workspace = fed(2);
    let log = Arc::new(Log::default());
    let net = workspace.create_net(&sleepers(10)).unwrap();
    net.attach(log.clone());
    net.attach(Arc::new(Panics(Mutex::new(3))));
    for _ in 0..3 {
        let run = std::panic::AssertUnwindSafe(|| workspace.run_net("net"));
        let panic = std::panic::catch_unwind(run).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "at operator 5");
        assert_eq!(log.running.load(Ordering::SeqCst), 0);
    }
    workspace.run_net("net").unwrap();
    assert_eq!(log.nets.load(Ordering::SeqCst), 3003 + 11);
}

#[test]
fn a_memory_limit_holds_in_parallel() {
    let mut workspace = fed(2);
    workspace.set_memory_limit(1 << 20);
    let large = |i: usize, size: i64| {
        OperatorDef::new("Large").named(format!("l{i}")).output(format!("y{i}")).arg("size", size)
    };
    let net =
        |size| NetDef::new("net").ops((0..8).map(|i| large(i, size)).collect::<Vec<_>>()).with_type("dag");
    workspace.create_net(&net(1 << 14)).unwrap();
    workspace.run_net("net").unwrap();
    assert_eq!(workspace.memory().used(), 8 << 16);
    workspace.create_or_replace_net(&net(1 << 16)).unwrap();
    let error = workspace.run_net("net").unwrap_err();
    let name = &error.operator().unwrap().name;
    assert!(name.starts_with('l') && error.to_string().contains("Large"), "{error}");
    assert!(workspace.memory().used() <= 1 << 20);
    workspace.create_or_replace_net(&net(1 << 10)).unwrap();
    workspace.run_net("net").unwrap();
}

#[test]
fn control_inputs_are_waited_for() {
    let op = |salt: i64, output: &str| {
        OperatorDef::new("Mix").inputs(["trigger", "in1"]).output(output).arg("salt", salt)
    };
    let tasks = |second: OperatorDef| {
        let mut workspace = fed(2);
        let net = NetDef::new("net").with_type("dag").op(op(1, "x")).op(second);
        let net = workspace.create_net(&net).unwrap();
        let Operators::Graph(graph) = &net.operators else { panic!("a graph") };
        graph.task_count()
    };
    assert_eq!(tasks(op(2, "y")), 2);
    assert_eq!(tasks(op(2, "y").control_input("x")), 1);
    // Nobody writes these before.
    assert_eq!(tasks(op(2, "y").control_input("in2").control_input("nowhere").control_input("y")), 2);
}

#[test]
fn types_of_caffe2_are_known_and_others_are_not() {
    let mut workspace = fed(2);
    let net =
        NetDef::new("net").op(OperatorDef::new("Mix").inputs(["trigger", "in1"]).output("y").arg("salt", 1));
    for known in TYPES.into_iter().chain(["", "simple", "async_simple", "rnn", "simple_refcount"]) {
        let net = NetDef { num_workers: Some(2), ..net.clone().with_type(known) };
        workspace.create_or_replace_net(&net).unwrap();
        let workers = if TYPES.contains(&known) { 2 } else { 1 };
        assert_eq!(workspace.net("net").unwrap().info().workers(), workers, "{known}");
        workspace.run_net("net").unwrap();
    }
    let error = workspace.create_or_replace_net(&net.clone().with_type("parallel")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Definition);
    assert!(error.to_string().contains("`num_workers` above 0"), "{error}");
    assert!(workspace.create_or_replace_net(&net.with_type("tbb")).is_err());
}

/// Runs `work` for each of so many workspaces at the same time.
fn at_once(workspaces: Vec<Workspace>, work: impl Fn(usize, &mut Workspace) + Sync) {
    thread::scope(|scope| {
        for (i, mut workspace) in workspaces.into_iter().enumerate() {
            let work = &work;
            scope.spawn(move || work(i, &mut workspace));
        }
    });
}

#[test]
fn many_threads_run_nets_at_once() {
    let plan = Plan { seed: 7, ops: 300, names: 60, nested: 4, recent: 30 };
    let net = made_up(&plan);
    let want = in_order(&net, 10);
    let wanted = names(&want);
    let own: Vec<_> = (0..8).map(|_| fed(2)).collect();
    for workspaces in [own, children(2, 24)] {
        at_once(workspaces, |i, workspace| {
            feed(workspace);
            workspace.create_net(&parallel(&net, i as u64, 2)).unwrap();
            (0..10).for_each(|_| workspace.run_net("net").unwrap());
            same(workspace, &want, &wanted);
        });
    }
}

#[test]
fn nets_run_within_pools_of_others() {
    use rayon::prelude::*;
    let plan = Plan { seed: 9, ops: 100, names: 30, nested: 4, recent: 30 };
    let net = made_up(&plan);
    let want = in_order(&net, 1);
    let wanted = names(&want);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (mut own, mut shared) = ((0..20).map(|_| fed(2)).collect::<Vec<_>>(), children(2, 200));
    pool.install(|| {
        own.par_iter_mut().chain(&mut shared).enumerate().for_each(|(i, workspace)| {
            workspace.run_net_once(&parallel(&net, i as u64, 2)).unwrap();
            same(workspace, &want, &wanted);
        });
    });
}

#[test]
fn nets_lie_within_each_other_in_parallel() {
    let leaf = |name: &str, depth: usize| {
        let op = |i: usize| {
            let op = OperatorDef::new("Mix").inputs(["trigger", "in1"]).output(format!("{name}{depth}_{i}"));
            op.arg("salt", (100 * depth + i) as i64).arg("sleep_us", 50)
        };
        (0..4).map(op).collect::<Vec<_>>()
    };
    let mut net = NetDef::new("net").ops(leaf("b", 0)).with_type("dag");
    for depth in 1..20 {
        let within = |name: &str| {
            let nested = NetDef::new(name).ops(leaf(name, depth)).with_type("async_scheduling");
            OperatorDef::new("IfOdd").input("in1").arg("net", nested)
        };
        let around = OperatorDef::new("IfOdd").input("in1").arg("net", net);
        net = NetDef::new("net")
            .ops(leaf("b", depth))
            .op(around)
            .op(within("l"))
            .op(within("r"))
            .with_type("dag");
    }
    let want = in_order(&net, 1);
    let mut got = fed(3);
    got.create_net(&net).unwrap();
    for _ in 0..5 {
        got.run_net("net").unwrap();
        same(&got, &want, names(&want));
    }
}

#[test]
fn a_chain_runs_on_the_thread_that_runs_the_net() {
    let log = Arc::new(Log::default());
    let mut workspace = crate::testing::workspace();
    workspace.feed("x", crate::testing::number(0.0));
    let chain = (0..1000)
        .map(|i| add(&if i == 0 { "x".to_owned() } else { format!("y{i}") }, &format!("y{}", i + 1), 1.0));
    let net = NetDef::new("net").with_type("dag").ops(chain.collect::<Vec<_>>());
    workspace.create_net(&net).unwrap().attach(log.clone());
    workspace.run_net("net").unwrap();
    let by = log.by.lock().unwrap();
    assert!(by.iter().enumerate().all(|(i, (position, worker, _))| (i, 0) == (*position, *worker)));
    assert_eq!(crate::testing::value(&workspace, "y1000"), 1000.0);
}
