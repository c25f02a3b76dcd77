use std::sync::atomic::{AtomicUsize, Ordering};

use caffe2_proto::{DeviceOption, OperatorDef};

use super::*;
use crate::testing::{add, net, number, registry, value, workspace};
use crate::{NetInfo, OpInfo, OpRegistry, TimeObserver};

#[test]
fn blobs_are_made_found_renamed_and_removed() {
    let mut ws = workspace();
    assert!(ws.create_blob("a").is_empty());
    ws.feed("a", number(1.0));
    assert!(!ws.create_blob("a").is_empty(), "an existing blob is kept");
    ws.feed("text", Blob::new(String::from("any type")));
    assert_eq!(ws.blob("text").unwrap().with(|s: &String| s.len()), Ok(8));
    ws.rename_blob("a", "b").unwrap();
    assert!(!ws.has_blob("a") && ws.has_blob("b"));
    assert!(ws.rename_blob("b", "text").unwrap_err().to_string().contains("`text`"));
    assert!(ws.rename_blob("none", "c").is_err());
    assert_eq!(ws.blobs(), ["b", "text"]);
    assert!(ws.remove_blob("b") && !ws.remove_blob("b"));
    assert_eq!(ws.fetch("texd").unwrap_err().to_string(), "there is no blob `texd`; there is `text`");
    assert!(ws.fetch("text").unwrap_err().to_string().contains("not a tensor"));
}

#[test]
fn nets_are_made_run_replaced_and_deleted() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    ws.create_net(&net("n")).unwrap();
    assert_eq!(ws.create_net(&net("n")).unwrap_err().kind(), ErrorKind::Net);
    ws.run_net("n").unwrap();
    ws.run_net("n").unwrap();
    assert_eq!((value(&ws, "x"), value(&ws, "y")), (2.0, 12.0));
    ws.create_or_replace_net(&NetDef::new("n").op(add("x", "y", 100.0))).unwrap();
    ws.run_net("n").unwrap();
    assert_eq!((value(&ws, "y"), ws.nets()), (102.0, vec!["n"]));
    assert!(ws.delete_net("n") && !ws.delete_net("n"));
    assert_eq!(ws.run_net("n").unwrap_err().kind(), ErrorKind::Net);
    ws.run_net_once(&NetDef::default().op(add("y", "z", 1.0))).unwrap();
    assert_eq!(value(&ws, "z"), 103.0);
    assert!(ws.create_net(&NetDef::default()).unwrap_err().to_string().contains("needs a name"));
}

#[test]
fn a_net_keeps_the_blobs_it_was_built_on() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    ws.create_net(&net("n")).unwrap();
    ws.rename_blob("y", "kept").unwrap();
    ws.remove_blob("x");
    ws.feed("x", number(50.0));
    ws.run_net("n").unwrap();
    assert_eq!((value(&ws, "kept"), value(&ws, "x")), (11.0, 50.0));
    assert!(!ws.has_blob("y"));
    ws.delete_net("n");
    // The slot of the removed blob is free again, and no name leads to it.
    ws.feed("new", number(7.0));
    assert_eq!((value(&ws, "x"), value(&ws, "kept"), value(&ws, "new")), (50.0, 11.0, 7.0));
}

#[test]
fn a_failed_creation_leaves_nothing_behind_and_the_former_net_in_place() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    ws.create_net(&net("n")).unwrap();
    let before: Vec<String> = ws.blobs().into_iter().map(str::to_owned).collect();
    let broken = [
        NetDef::new("n").op(add("x", "new", 1.0)).op(OperatorDef::new("Above").input("x").output("b")),
        NetDef::new("n")
            .op(add("x", "new", 1.0))
            .op(OperatorDef::new("AddValue").input("x").output("b").arg("value", 1)),
        NetDef::new("n").op(add("missing", "new", 1.0)),
        NetDef::new("n")
            .op(OperatorDef::new("Spread").input("x").outputs(["p", "p", "q"]).arg("a", 1))
            .op(add("x", "b", 1.0).arg("value", 2.0f32)),
    ];
    for def in &broken {
        let error = ws.create_or_replace_net(def).unwrap_err();
        assert_eq!(error.net(), Some("n"), "{error}");
        assert_eq!(ws.blobs(), before, "{error}");
    }
    assert!(ws.run_operator_once(&OperatorDef::new("Above").input("x").output("b")).is_err());
    assert_eq!(ws.blobs(), before);
    ws.run_net("n").unwrap();
    assert_eq!(value(&ws, "y"), 11.0);
}

#[test]
fn a_failed_run_names_the_operator_and_leaves_the_net_usable() {
    let mut ws = workspace();
    ws.feed("x", number(12.0));
    let spread = OperatorDef::new("Spread").named("s").input("y").output("z");
    ws.create_net(&NetDef::new("n").op(add("x", "y", 1.0)).op(spread)).unwrap();
    let error = ws.run_net("n").unwrap_err();
    let op = error.operator().unwrap();
    assert_eq!((error.kind(), op.position, op.op_type.as_str()), (ErrorKind::Run, Some(1), "Spread"));
    assert_eq!(
        error.to_string(),
        "net `n`: operator #1 Spread `s`: input 0 `y`: expected any number but 13\n  inputs: `y` float [1]"
    );
    ws.feed("x", number(1.0));
    ws.run_net("n").unwrap();
    assert_eq!(value(&ws, "z"), 2.0);
}

#[test]
fn all_unfed_inputs_are_listed_at_once() {
    let mut ws = workspace();
    let two = NetDef::new("n").op(add("a", "y", 1.0)).op(add("b", "z", 1.0)).op(add("a", "w", 1.0));
    let error = ws.create_net(&two).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingInput);
    assert_eq!(
        error.details(),
        ["`a`, first read by operator #0 AddValue", "`b`, first read by operator #1 AddValue"]
    );
    ws.create_blob("a");
    ws.create_blob("b");
    ws.create_net(&two).unwrap();
    let error = ws.run_net("n").unwrap_err().to_string();
    assert!(error.contains("nobody has written: `a`, `b`"), "{error}");
    ws.feed("a", Tensor::new());
    assert!(ws.run_net("n").unwrap_err().to_string().contains("never written"));
}

#[test]
fn definitions_that_do_not_fit_together_say_all_that_is_wrong() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    let loose = net("n").op(add("nowhere", "w", 1.0)).external_output("never");
    let error = ws.create_net(&loose).unwrap_err();
    assert_eq!((error.kind(), error.details().len()), (ErrorKind::Definition, 2));
    let unknown =
        net("n").op(OperatorDef::new("AddValu")).op(OperatorDef::new("FC")).op(OperatorDef::new("FC"));
    let error = ws.create_net(&unknown).unwrap_err();
    assert_eq!((error.kind(), error.details().len()), (ErrorKind::NotRegistered, 2));
    let text = error.to_string();
    assert!(text.contains("`AddValu` is not registered; similar names are `AddValue`"), "{text}");
    assert!(
        text.contains("caffe2op-fullyconnected") && text.contains("used 2 times, first by operator #3"),
        "{text}"
    );
    let error = ws.create_net(&net("n").with_type("tbb")).unwrap_err();
    assert!(error.to_string().contains("net type `tbb`"), "{error}");
    for known in ["simple", "dag", "async_scheduling"] {
        ws.run_net_once(&net("n").with_type(known)).unwrap();
    }
    let error = ws.create_net(&net("n").arg("a", 1).arg("a", 1)).unwrap_err();
    assert!(error.to_string().contains("`a`"), "{error}");
}

#[test]
fn devices_other_than_the_processor_are_refused_by_name() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    let cuda = DeviceOption { device_type: Some(1), ..DeviceOption::default() };
    let on_cuda = OperatorDef { device_option: Some(cuda.clone()), ..add("x", "y", 1.0) };
    let error = ws.run_operator_once(&on_cuda).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.to_string().contains("CUDA") && error.to_string().contains("AddValue"), "{error}");
    let whole_net = NetDef { device_option: Some(cuda), ..net("n") };
    assert_eq!(ws.create_net(&whole_net).unwrap_err().kind(), ErrorKind::Device);
    let elsewhere = DeviceOption { node_name: Some("node1".into()), ..DeviceOption::default() };
    let on_node = NetDef::new("n").op(OperatorDef { device_option: Some(elsewhere), ..add("x", "y", 1.0) });
    assert!(ws.create_net(&on_node).unwrap_err().to_string().contains("node1"));
}

#[test]
fn engines_are_tried_in_order_and_fall_back() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    let mut sum = |engine: &str, by: f32| {
        ws.run_operator_once(&add("x", "y", by).with_engine(engine)).unwrap();
        value(&ws, "y")
    };
    assert_eq!(sum("", 3.0), 3.0);
    assert_eq!(sum("WHOLE", 3.0), 6.0);
    assert_eq!(sum("NONE,WHOLE", 3.0), 6.0);
    assert_eq!(sum("DEFAULT", 3.0), 3.0);
    assert_eq!(sum("NONE", 3.0), 3.0);
    // The engine does not serve a fraction.
    assert_eq!(sum("WHOLE", 0.5), 0.5);
}

#[test]
fn the_same_blob_as_two_outputs_keeps_the_last_write() {
    let mut ws = workspace();
    ws.feed("x", number(1.0));
    ws.run_operator_once(&OperatorDef::new("Spread").input("x").outputs(["_", "y", "_"])).unwrap();
    assert_eq!((value(&ws, "_"), value(&ws, "y")), (3.0, 2.0));
    ws.create_net(&NetDef::new("n").op(OperatorDef::new("Spread").input("x").outputs(["_", "_"]))).unwrap();
    ws.run_net("n").unwrap();
    assert_eq!((value(&ws, "_"), ws.blobs()), (2.0, vec!["_", "x", "y"]));
}

#[test]
fn a_child_sees_its_parent_and_never_writes_it() {
    let mut parent = workspace();
    parent.feed("x", number(1.0));
    parent.feed("w", number(5.0));
    let parent = Arc::new(parent);
    let mut child = Workspace::child(Arc::clone(&parent));
    assert_eq!(value(&child, "w"), 5.0);
    // In place on a name of the parent: the child gets a blob of its own that starts with the parent's value.
    child.create_net(&net("n")).unwrap();
    child.run_net("n").unwrap();
    child.run_net("n").unwrap();
    assert_eq!((value(&child, "x"), value(&parent, "x")), (3.0, 1.0));
    child.feed("w", number(6.0));
    assert_eq!((value(&child, "w"), value(&parent, "w")), (6.0, 5.0));
    assert!(child.remove_blob("w"));
    assert_eq!((value(&child, "w"), child.local_blobs()), (5.0, vec!["x", "y"]));
    assert_eq!(child.blobs(), ["w", "x", "y"]);
    let mut grandchild = Workspace::child(Arc::new(child));
    grandchild.run_operator_once(&add("w", "v", 1.0)).unwrap();
    assert_eq!((value(&grandchild, "v"), value(&grandchild, "y")), (6.0, 13.0));
}

#[test]
fn children_share_a_parent_across_threads() {
    let mut parent = workspace();
    parent.feed("w", number(5.0));
    let parent = Arc::new(parent);
    std::thread::scope(|scope| {
        for i in 0..4 {
            let mut child = Workspace::child(Arc::clone(&parent));
            scope.spawn(move || {
                for _ in 0..100 {
                    child.run_net_once(&NetDef::new("n").op(add("w", "y", i as f32))).unwrap();
                    assert_eq!(value(&child, "y"), 5.0 + i as f32);
                }
            });
        }
    });
}

#[test]
fn blobs_of_any_type_pass_through_nets() {
    let mut ws = workspace();
    ws.feed("runs", Blob::new(0u64));
    let count = OperatorDef::new("CountRuns").input("runs").output("runs");
    ws.create_net(&NetDef::new("n").op(count.clone()).op(count)).unwrap();
    ws.run_net("n").unwrap();
    assert_eq!(ws.blob("runs").unwrap().with(|n: &u64| *n), Ok(2));
    ws.feed("x", Blob::new(String::new()));
    let error = ws.run_operator_once(&add("x", "y", 1.0)).unwrap_err().to_string();
    assert!(error.contains("wanted a tensor, found alloc::string::String"), "{error}");
}

#[test]
fn fetched_tensors_are_not_changed_by_later_runs() {
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    ws.create_net(&net("n")).unwrap();
    ws.run_net("n").unwrap();
    let fetched = ws.fetch("y").unwrap();
    ws.run_net("n").unwrap();
    assert_eq!((fetched.as_slice::<f32>().unwrap(), value(&ws, "y")), ([11.0].as_slice(), 12.0));
}

#[test]
fn an_outsized_allocation_is_an_error_of_the_operator() {
    let mut ws = workspace();
    ws.set_memory_limit(1 << 20);
    let large = |size: i64| OperatorDef::new("Large").output("y").arg("size", size);
    ws.run_operator_once(&large(1000)).unwrap();
    assert_eq!(ws.memory().used(), 4000);
    for size in [1 << 20, 1 << 40, i64::MAX, -1] {
        let error = ws.run_operator_once(&large(size)).unwrap_err();
        assert!(error.to_string().contains("Large: output 0 `y`"), "{error}");
    }
    ws.feed("y", number(1.0));
    assert!(ws.run_operator_once(&large(1 << 20)).is_err(), "a fed blob that an operator enlarges counts");
    ws.run_operator_once(&large(10)).unwrap();
    ws.remove_blob("y");
    assert_eq!(ws.memory().used(), 0);
}

#[derive(Default)]
struct Counter([AtomicUsize; 4]);

impl Observer for Counter {
    fn net_start(&self, _: &NetInfo) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }
    fn net_stop(&self, _: &NetInfo, ok: bool) {
        self.0[1].fetch_add(1 + 100 * usize::from(!ok), Ordering::Relaxed);
    }
    fn op_start(&self, _: &NetInfo, op: &OpInfo) {
        self.0[2].fetch_add(1 + op.position(), Ordering::Relaxed);
    }
    fn op_stop(&self, _: &NetInfo, _: &OpInfo, ok: bool) {
        self.0[3].fetch_add(1 + 100 * usize::from(!ok), Ordering::Relaxed);
    }
}

#[test]
fn observers_see_starts_and_stops_on_failure_too() {
    let counter = Arc::new(Counter::default());
    let counts = |c: &Counter| c.0.each_ref().map(|n| n.load(Ordering::Relaxed));
    let mut ws = workspace();
    ws.observe_new_nets(counter.clone());
    ws.feed("x", number(0.0));
    let spread = OperatorDef::new("Spread").input("y").output("z");
    ws.create_net(&net("n").op(spread)).unwrap().attach(counter.clone());
    ws.run_net("n").unwrap();
    assert_eq!(counts(&counter), [1, 1, 6, 3]);
    ws.feed("x", number(2.0));
    ws.run_net("n").unwrap_err();
    assert_eq!(counts(&counter), [2, 102, 12, 106]);
    let watching: Arc<dyn Observer> = counter.clone();
    assert!(ws.net_mut("n").unwrap().detach(&watching));
    ws.run_net("n").unwrap();
    assert_eq!(counts(&counter)[0], 2);
}

#[test]
fn the_time_observer_averages_over_runs() {
    let timer = Arc::new(TimeObserver::new());
    let mut ws = workspace();
    ws.feed("x", number(0.0));
    ws.create_net(&net("n")).unwrap().attach(timer.clone());
    assert_eq!(timer.average(), std::time::Duration::ZERO);
    for _ in 0..3 {
        ws.run_net("n").unwrap();
    }
    let of_ops = timer.averages_of_operators();
    assert_eq!((timer.runs(), of_ops.len()), (3, 2));
    assert!(of_ops.iter().sum::<std::time::Duration>() <= timer.average());
}

#[test]
fn two_origins_of_one_operator_are_both_named() {
    let twice = OpRegistry::builder()
        .operator::<crate::testing::AddValueOp>()
        .operator::<crate::testing::AddWholeOp>()
        .build()
        .unwrap_err();
    assert!(twice.first.contains("tests.rs") && twice.second.contains("tests.rs"), "{twice}");
    assert_ne!(twice.first, twice.second);
    assert_eq!(registry().op_types(), ["Above", "AddValue", "CountRuns", "IfOdd", "Large", "Mix", "Spread"]);
}
