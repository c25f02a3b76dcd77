use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use caffe2_proto::{Caffe2Message as _, DeviceOption, NetDef, OperatorDef, WireLimits};
use caffe2_tensor::Tensor;

use super::*;
use crate::testing::{add, number, registry, value, workspace};
use crate::{ArgError, Args, Observer, OpIo, OpSchema, Operator, OperatorType};

/// Writes the list `values`, read in one way or the other.
struct ListOp(Vec<f32>);

static DECODED: AtomicUsize = AtomicUsize::new(0);

impl OperatorType for ListOp {
    const TYPE: &'static str = "List";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .inputs(0)
            .outputs(1)
            .arg_repeated_required::<f32>("values", "")
            .arg_repeated::<i64>("more", "")
            .reads_long_list("values")
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let mut values = match args.long_list::<f32>("values")? {
            None => args.list("values")?,
            Some(list) => {
                DECODED.fetch_add(list.len(), Ordering::Relaxed);
                assert!(args.has("values") && args.raw("values").is_err());
                assert!(args.elements::<f32>("values").is_err());
                let (mut values, mut few) = (vec![0.0; list.len()], [0.0; 5000]);
                list.read_into(&mut values)?;
                list.read_into(&mut few)?;
                assert_eq!(few, values[..5000]);
                values
            }
        };
        values.extend(args.list::<i64>("more")?.iter().map(|&more| more as f32));
        Ok(ListOp(values))
    }
}

impl Operator for ListOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), crate::OpError> {
        io.output_slice(0, [self.0.len()])?.copy_from_slice(&self.0);
        Ok(())
    }
}

fn encoded(net: &NetDef) -> EncodedNet {
    EncodedNet::from_bytes(net.to_binary(), &WireLimits::default()).unwrap()
}

/// What all blobs of a workspace hold, as far as they are tensors.
fn content(workspace: &Workspace) -> Vec<(String, Option<Tensor>)> {
    let blob = |name: &str| workspace.blob(name).and_then(|blob| blob.as_tensor()).cloned();
    workspace.local_blobs().into_iter().map(|name| (name.to_owned(), blob(name))).collect()
}

/// Runs a net both ways in equal workspaces; blobs and errors must be the same.
fn both(make: impl Fn() -> Workspace, net: &NetDef) -> (Workspace, Result<(), Error>) {
    let (mut whole, mut streamed) = (make(), make());
    let (want, got) = (whole.run_net_once(net), streamed.run_init_net(encoded(net)));
    assert_eq!(got, want);
    assert_eq!(content(&streamed), content(&whole));
    // Nothing is held that a further run could not use.
    assert_eq!(whole.run_net_once(net), streamed.run_init_net(encoded(net)));
    (streamed, got)
}

fn fed() -> Workspace {
    let mut workspace = workspace();
    workspace.feed("x", number(1.0));
    workspace
}

#[test]
fn results_are_those_of_the_whole_net() {
    let net = NetDef::new("init")
        .external_input("x")
        .op(add("x", "y", 1.0))
        .op(add("y", "y", 10.0))
        .op(OperatorDef::new("Spread").input("y").outputs(["a", "a", "b"]))
        .external_output("b");
    let (streamed, result) = both(fed, &net);
    result.unwrap();
    assert_eq!((value(&streamed, "y"), value(&streamed, "b")), (12.0, 36.0));
    // A child writes blobs of its own, from the first operator on.
    let (child, result) =
        both(|| Workspace::child(Arc::new(fed())), &NetDef::new("init").op(add("x", "x", 1.0)));
    result.unwrap();
    assert_eq!((value(child.parent().unwrap(), "x"), child.local_blobs()), (1.0, vec!["x"]));
}

#[test]
fn what_a_whole_net_empties_is_empty() {
    let net = NetDef::new("init")
        .op(add("x", "y", 1.0))
        .op(add("y", "z", 1.0))
        .op(add("z", "w", 1.0))
        .op(add("w", "v", 1.0))
        .external_output("w")
        .with_type("simple_refcount");
    let (mut streamed, result) = both(fed, &net);
    result.unwrap();
    for (name, emptied) in [("x", false), ("y", true), ("z", true), ("w", false), ("v", false)] {
        assert_eq!(streamed.blob(name).unwrap().is_empty(), emptied, "{name}");
    }
    let explained = |error: Error| {
        assert!(error.to_string().contains("the net `init` is of type simple_refcount"), "{error}");
    };
    explained(streamed.fetch("y").unwrap_err());
    explained(streamed.run_init_net(encoded(&NetDef::new("next").op(add("z", "u", 1.0)))).unwrap_err());
}

#[test]
fn errors_are_those_of_the_whole_net() {
    let op = OperatorDef::new;
    let bad_argument = || op("AddValue").input("x").output("b").arg("value", 1);
    let fails = || op("Spread").input("x").output("p");
    for (net, kind) in [
        (NetDef::new("n").op(op("No")).op(add("x", "y", 1.0)).op(op("Nor")), ErrorKind::NotRegistered),
        (NetDef::new("n").with_type("odd").op(op("No")), ErrorKind::Definition),
        (NetDef::new("n").external_input("x").op(add("z", "y", 1.0)), ErrorKind::Definition),
        (NetDef::new("n").op(add("x", "y", 1.0)).op(add("u", "y", 1.0)), ErrorKind::MissingInput),
        (NetDef::new("n").op(add("x", "y", 1.0)).op(bad_argument()), ErrorKind::Argument),
        (NetDef::new("n").op(add("x", "y", 1.0)).op(op("Above").input("x").output("z")), ErrorKind::Schema),
        // It would fail first, but is never run.
        (NetDef::new("n").op(add("x", "x", 12.0)).op(fails()).op(bad_argument()), ErrorKind::Argument),
        (NetDef::new("n").op(add("x", "x", 12.0)).op(fails()).op(add("x", "q", 1.0)), ErrorKind::Run),
        (
            NetDef::new("n")
                .with_device(DeviceOption { device_type: Some(1), ..DeviceOption::default() })
                .op(fails()),
            ErrorKind::Device,
        ),
    ] {
        let (_, result) = both(fed, &net);
        assert_eq!(result.unwrap_err().kind(), kind);
    }
    let unwritten = || {
        let mut workspace = fed();
        for name in ["u", "v"] {
            workspace.create_blob(name);
        }
        workspace
    };
    let net = NetDef::new("n").op(add("x", "w", 1.0)).op(add("u", "y", 1.0)).op(add("v", "z", 1.0));
    let error = both(unwritten, &net).1.unwrap_err();
    assert!(error.to_string().ends_with("nobody has written: `u`, `v`"), "{error}");
}

#[test]
fn time_limits_and_cancellation_hold() {
    let stopped = || {
        let mut workspace = fed();
        workspace.set_time_limit(Some(Duration::ZERO));
        workspace
    };
    let net = NetDef::new("n").op(add("x", "y", 1.0));
    assert_eq!(both(stopped, &net).1.unwrap_err().kind(), ErrorKind::Stopped);
    let cancelled = || {
        let workspace = fed();
        workspace.cancel_token().cancel();
        workspace
    };
    assert_eq!(both(cancelled, &net).1.unwrap_err().kind(), ErrorKind::Stopped);
}

#[test]
fn long_lists_are_read_by_the_operators_that_say_so() {
    let registry = OpRegistry::builder().operator::<ListOp>().build().unwrap();
    let values: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
    let list = || OperatorDef::new("List").output("y").arg("values", values.clone());
    let make = || Workspace::with_registry(Arc::clone(&registry));
    let (streamed, result) = both(make, &NetDef::new("n").op(list().arg("more", vec![7i64])));
    result.unwrap();
    assert_eq!(streamed.tensor("y").unwrap().numel(), 100_001);
    // Made twice, for each of two runs.
    assert_eq!(DECODED.load(Ordering::Relaxed), 4 * 100_000);
    // `more` is long too, and not said to be read so: all is in the definition then.
    let (streamed, result) = both(make, &NetDef::new("n").op(list().arg("more", vec![7i64; 50_000])));
    result.unwrap();
    assert_eq!(streamed.tensor("y").unwrap().numel(), 150_000);
    assert_eq!(DECODED.load(Ordering::Relaxed), 4 * 100_000);
    // In the wrong field.
    let wrong = OperatorDef::new("List").output("y").arg("values", vec![1i64; 50_000]);
    let error = both(make, &NetDef::new("n").op(wrong)).1.unwrap_err();
    assert!(
        error.to_string().ends_with("`values`: expected a value in field `floats`, found `ints`"),
        "{error}"
    );
}

#[derive(Default)]
struct Log(std::sync::Mutex<Vec<String>>);

impl Observer for Log {
    fn net_start(&self, net: &NetInfo) {
        self.0.lock().unwrap().push(format!("start {} of {}", net.name(), net.ops().len()));
    }

    fn net_stop(&self, _: &NetInfo, ok: bool) {
        self.0.lock().unwrap().push(format!("stop {ok}"));
    }

    fn op_start(&self, net: &NetInfo, op: &OpInfo) {
        assert_eq!(net.ops()[op.position()].outputs(), op.outputs());
        self.0.lock().unwrap().push(format!("op {} {}", op.position(), op.op_type()));
    }

    fn op_stop(&self, _: &NetInfo, op: &OpInfo, ok: bool) {
        self.0.lock().unwrap().push(format!("op {} {ok}", op.position()));
    }
}

#[test]
fn observers_see_what_they_see_of_a_whole_net() {
    let net = NetDef::new("n").op(add("x", "y", 12.0)).op(OperatorDef::new("Spread").input("y").output("z"));
    let (whole, streamed) = (Arc::new(Log::default()), Arc::new(Log::default()));
    for (log, encode) in [(&whole, false), (&streamed, true)] {
        let mut workspace = fed();
        workspace.observe_new_nets(Arc::clone(log) as Arc<dyn Observer>);
        let result =
            if encode { workspace.run_init_net(encoded(&net)) } else { workspace.run_net_once(&net) };
        assert!(result.is_err());
    }
    let seen = streamed.0.lock().unwrap();
    assert_eq!(*seen, *whole.0.lock().unwrap());
    assert_eq!((seen.len(), seen[0].as_str(), seen[5].as_str()), (6, "start n of 2", "stop false"));
}

#[test]
fn an_operator_that_was_taken_is_an_error_and_leaves_nothing() {
    let mut net = encoded(&NetDef::new("n").op(add("x", "y", 1.0)).op(add("y", "z", 1.0)));
    drop(net.take(1).unwrap());
    let mut workspace = fed();
    let error = workspace.run_init_net(net).unwrap_err();
    assert!(
        error.to_string().contains("operator #1 AddValue: in op[1] of NetDef: there is no such"),
        "{error}"
    );
    assert_eq!(workspace.local_blobs(), ["x"]);
}

#[test]
fn operators_are_changed_before_they_are_made() {
    let mut net = encoded(&NetDef::new("n").op(add("x", "y", 1.0)).op(OperatorDef::new("No")));
    net.retain_mut(|_, operator| {
        if operator.def().r#type() == "No" {
            return Ok::<bool, ProtoError>(false);
        }
        operator.def_mut()?.arg[0].f = Some(5.0);
        Ok(true)
    })
    .unwrap();
    let mut workspace = Workspace::with_registry(registry());
    workspace.feed("x", number(1.0));
    workspace.run_init_net(net).unwrap();
    assert_eq!(value(&workspace, "y"), 6.0);
}
