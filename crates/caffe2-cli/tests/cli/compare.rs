//! `caffe2 compare`.

use caffe2::{NetDef, OperatorDef, Tensor};

use crate::{Desk, Outcome, file};

fn op(op_type: &str, input: &str, output: &str) -> OperatorDef {
    OperatorDef::new(op_type).input(input).output(output)
}

/// `x` to `a` to `b` to `c`, where `b` is `a` times `factor`.
fn net(factor: f32) -> NetDef {
    NetDef::new("n")
        .op(op("Sigmoid", "x", "a"))
        .op(op("Scale", "a", "b").arg("scale", factor))
        .op(op("Negative", "b", "c").named("last"))
}

/// Blobs differ: the status says so, and the report is there.
#[track_caller]
fn differs(outcome: Outcome) -> String {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""), "{}", outcome.stdout);
    outcome.stdout
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.put_net("one.pbtxt", &net(2.0));
    desk.put_net("other.pbtxt", &net(2.5));
    desk
}

#[test]
fn the_first_blob_that_differs_is_named() {
    let desk = desk();
    let text = differs(desk.caffe2("compare one.pbtxt other.pbtxt --shape x=3,4"));
    assert!(text.contains("first to differ: `b`, written by operator #1 Scale; 2 of 3 blobs do"), "{text}");
    assert!(text.contains("  x  float [3, 4]  made up, seed 1\n"), "{text}");
    let row = text.lines().find(|line| line.trim_start().starts_with("a ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["a", "float", "[3,", "4]", "0", "0", "0"]);
    let row = text.lines().find(|line| line.trim_start().starts_with("! ")).unwrap();
    assert!(row.contains(" b ") && row.contains(" 0.2 "), "{row}");
    let text = desk.caffe2("compare one.pbtxt other.pbtxt --shape x=3,4 --tolerance 0.25").succeeded();
    assert!(text.contains("agree: 3 blobs, within 0.25"), "{text}");
    let text = desk.caffe2("compare one.pbtxt other.pbtxt --shape x=3,4 --blobs a").succeeded();
    assert!(text.contains("agree: 1 blob,"), "{text}");
}

#[test]
fn a_net_is_compared_with_tensors() {
    let desk = desk();
    let x = Tensor::from_slice([2], &[0.0f32, 0.0]).unwrap();
    desk.put_tensors("x.npz", &[("x", x)]);
    let floats = |values: &[f32]| Tensor::from_slice([values.len()], values).unwrap();
    desk.put_tensors(
        "good.npz",
        &[("a", floats(&[0.5, 0.5])), ("c", floats(&[-1.0, -1.0])), ("q", floats(&[7.0]))],
    );
    let text = desk.caffe2("compare one.pbtxt good.npz --feed x.npz").succeeded();
    assert!(text.contains("agree: 2 blobs"), "{text}");
    let off = f32::from_bits((-1.0f32).to_bits() + 3);
    desk.put_tensors(
        "off.npz",
        &[("a", floats(&[0.5, 0.5])), ("c", floats(&[-1.0, off])), ("b", floats(&[1.0]))],
    );
    let outcome = desk.caffe2("compare one.pbtxt off.npz --feed x.npz --tolerance 0 --json");
    let json: serde_json::Value = serde_json::from_str(&differs(outcome)).unwrap();
    assert_eq!((json["agree"].as_bool(), json["first_to_differ"].as_str()), (Some(false), Some("b")));
    let blobs = json["blobs"].as_array().unwrap();
    assert_eq!((&blobs[0]["blob"], &blobs[0]["agrees"]), (&"a".into(), &true.into()));
    assert_eq!(blobs[1]["second_holds"]["shape"], serde_json::json!([1]));
    assert_eq!((blobs[2]["ulps"].as_u64(), blobs[2]["at"].as_u64()), (Some(3), Some(1)));
    assert_eq!(blobs[2]["writer"], "operator #2 Negative `last`");
}

#[test]
fn weights_as_bytes_are_compared_by_their_init_nets() {
    let desk = Desk::new();
    let [net, init, bytes, images] = ["predict_net.pb", "init_net.pb", "init_net_byte.pb", "test_images.npz"]
        .map(|name| file("digits", name));
    let both = format!("compare {net} {net} --init {init}");
    let text = desk.caffe2(&format!("{both} --feed {images}")).succeeded();
    assert!(text.contains("agree: "), "{text}");
    differs(desk.caffe2(&format!("{both} --second-init {bytes} --feed {images} --tolerance 1e-6")));
    let text =
        desk.caffe2(&format!("{both} --second-init {bytes} --feed {images} --tolerance 1")).succeeded();
    assert!(text.contains("agree: ") && text.contains(" fed\n"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let desk = desk();
    desk.put_tensors("t.npz", &[("q", Tensor::scalar(1.0f32).unwrap())]);
    desk.caffe2("compare one.pbtxt t.npz --shape x=1")
        .failed(&["one.pbtxt and t.npz have no tensor in common"]);
    desk.caffe2("compare one.pbtxt t.npz --shape x=1 --blobs b").failed(&["t.npz: there is no tensor `b`"]);
    desk.caffe2("compare one.pbtxt other.pbtxt --shape x=1 --blobs z")
        .failed(&["one.pbtxt: the net computes no tensor `z`"]);
    desk.caffe2("compare one.pbtxt t.npz --shape x=1 --second-init one.pbtxt")
        .failed(&["need no --second-init"]);
    desk.caffe2("compare one.pbtxt other.pbtxt").failed(&["`x`, first read by operator #0 Sigmoid"]);
    desk.caffe2("compare t.npz one.pbtxt --shape x=1").failed(&["t.npz"]);
}
