//! `caffe2 bench` and `caffe2 profile`.

use caffe2::files::read_net;
use caffe2::{NetDef, OperatorDef, Tensor};
use serde_json::Value;

use crate::{Desk, file, two_files};

/// The options that name a model of the repository.
fn net_of(model: &str) -> String {
    format!("--net {}", two_files(model))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn bench_tells_times_of_runs_and_operators() {
    let model = net_of("tiny_face_detector");
    let feed = file("tiny_face_detector", "input.npz");
    let desk = Desk::new();
    let json = desk
        .caffe2(&format!("bench {model} --feed {feed} --no-fuse --threads 1 --warmup 1 --iter 3 --json"))
        .json();
    assert_eq!((json["iterations"].as_u64(), json["warmup"].as_u64()), (Some(3), Some(1)));
    let [min, median, max] = ["min_ms", "median_ms", "max_ms"].map(|key| number(&json[key]));
    assert!(0.0 < min && min <= median && median <= max, "{min} {median} {max}");
    assert_eq!(number(&json["percentiles_ms"]["50"]), median);
    assert_eq!(number(&json["percentiles_ms"]["99"]), max);
    assert_eq!(json["inputs"][0]["seed"], Value::Null);
    let ops = json["per_op"].as_array().unwrap();
    let net = read_net(file("tiny_face_detector", "predict_net.pb")).unwrap();
    let types: Vec<_> = ops.iter().map(|op| op["type"].as_str().unwrap()).collect();
    assert_eq!(types, net.op.iter().map(|op| op.r#type()).collect::<Vec<_>>());
    let shares: f64 = ops.iter().map(|op| number(&op["share"])).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    let conv = ops.iter().find(|op| op["type"] == "Conv").unwrap();
    assert!(number(&conv["macs"]) > 0.0 && number(&conv["bytes"]) > 0.0 && number(&conv["median_us"]) > 0.0);
    assert!(number(&conv["gflops"]) > 0.0);

    // Operators are merged unless told otherwise, and Winograd's algorithm is asked for.
    let merged = desk.caffe2(&format!("bench {model} --feed {feed} --winograd --iter 1 --json")).json();
    let merged = merged["per_op"].as_array().unwrap();
    assert!(merged.len() < ops.len() && merged.iter().any(|op| op["type"] == "ConvFused"), "{merged:?}");
}

#[test]
fn inputs_that_are_not_fed_are_made_up_and_said_to_be() {
    let desk = Desk::new();
    let text = desk.caffe2(&format!("bench {} --iter 1 --seed 7 --top 2", net_of("digits"))).succeeded();
    assert!(text.starts_with("net `") && text.contains("made up, seed 7"), "{text}");
    assert!(text.contains("1 run, after 3 to warm up") && text.contains("median  "), "{text}");
    assert!(text.contains(" more; --top "), "{text}");
    let json = desk
        .caffe2(&format!("bench {} --iter 1 --warmup 0 --shape data=5,1,8,8 --json", net_of("digits")))
        .json();
    assert_eq!(json["inputs"][0]["shape"], serde_json::json!([5, 1, 8, 8]));
    assert_eq!(json["inputs"][0]["seed"], 1);
}

#[test]
fn what_cannot_be_made_up_is_refused_by_name() {
    let desk = Desk::new();
    let gather = OperatorDef::new("Gather").input("table").input("rows").output("y");
    let net = NetDef::new("n").op(gather).op(OperatorDef::new("Relu").input("y").output("z"));
    desk.put_net("net.pbtxt", &net);
    desk.put_tensors("table.npz", &[("table", Tensor::zeros::<f32>([4, 2]).unwrap())]);
    for command in ["bench", "profile"] {
        desk.caffe2(&format!("{command} --net net.pbtxt --feed table.npz")).failed(&[
            "`rows`, first read by operator #0 Gather",
            "--feed NAME=FILE",
            "--shape NAME=N,N,...",
        ]);
    }
    desk.caffe2("bench --net net.pbtxt --shape tabel=4,2")
        .failed(&["--shape tabel: the net does not read it"]);
    desk.caffe2("bench --net net.pbtxt --feed table.npz --shape table=4,2").failed(&["it is fed"]);
    let rows = Tensor::from_slice([2], &[9i32, 0]).unwrap();
    desk.put_tensors("rows.npz", &[("rows", rows)]);
    desk.caffe2("bench --net net.pbtxt --feed table.npz --feed rows.npz").failed(&["operator #0 Gather"]);
    let wrong = format!("bench {} --shape data=1,2,8,8", net_of("digits"));
    desk.caffe2(&wrong).failed(&["operator #1 Conv"]);
}

#[test]
fn time_limits_hold_over_all_runs() {
    let command = format!("bench {} --iter 4000000000 --time-limit 0.5", net_of("digits"));
    Desk::new().caffe2(&command).failed(&["the time limit has passed"]);
}

#[test]
fn profile_tells_where_the_time_goes() {
    let desk = Desk::new();
    let model = net_of("tiny_face_detector");
    let text = desk.caffe2(&format!("profile {model} --threads 1 --iter 2 --top 3")).succeeded();
    for part in [
        "By type\n",
        "By shape\n",
        "By operator\n",
        "GFLOP/s",
        "GB/s",
        "allocated nothing",
        "at most at once",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    let json = desk.caffe2(&format!("profile {model} --threads 1 --iter 2 --json")).json();
    let sum = |groups: &Value, key: &str| -> f64 {
        groups.as_array().unwrap().iter().map(|group| number(&group[key])).sum()
    };
    for groups in ["by_type", "by_shape"] {
        assert_eq!(sum(&json[groups], "count") as usize, json["per_op"].as_array().unwrap().len());
        assert!((sum(&json[groups], "share") - 1.0).abs() < 1e-6);
        assert_eq!(sum(&json[groups], "macs"), sum(&json["per_op"], "macs"));
    }
    assert!(number(&json["peak_tensor_bytes"]) > 0.0);
    assert_eq!(json["allocations_of_last_run"], serde_json::json!([]));
}

#[test]
fn traces_have_an_event_for_each_operator_of_each_run() {
    let desk = Desk::new();
    let model = net_of("digits");
    desk.caffe2(&format!("profile {model} --no-fuse --iter 2 --trace trace.json --json")).json();
    let trace: Value = serde_json::from_slice(&desk.bytes("trace.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |category: &str| events.iter().filter(|event| event["cat"] == category).collect::<Vec<_>>();
    let (nets, operators) = (of("net"), of("operator"));
    let net = read_net(file("digits", "predict_net.pb")).unwrap();
    assert_eq!((nets.len(), operators.len()), (2, 2 * net.op.len()));
    let end = |event: &Value| number(&event["ts"]) + number(&event["dur"]);
    for (index, operator) in operators.iter().enumerate() {
        let run = nets[index / net.op.len()];
        assert!(number(&run["ts"]) <= number(&operator["ts"]) && end(operator) <= end(run) + 1e-3);
        assert_eq!(
            (&operator["ph"], &operator["pid"], &operator["tid"]),
            (&"X".into(), &1.into(), &0.into())
        );
        assert_eq!(operator["args"]["position"], index % net.op.len());
    }
    assert!(operators[0]["args"]["inputs"][0].as_str().unwrap().starts_with("data: float ["));
    assert_eq!((&events[0]["ph"], &events[0]["name"]), (&"M".into(), &"thread_name".into()));
    desk.caffe2(&format!("profile {model} --iter 1 --trace no/such/trace.json")).failed(&["no folder"]);
}
