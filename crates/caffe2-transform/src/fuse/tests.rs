use caffe2_proto::{DeviceOption, OperatorDef};

use super::*;

fn op(kind: &str, inputs: &[&str], output: &str) -> OperatorDef {
    OperatorDef::new(kind).inputs(inputs.iter().copied()).output(output)
}

fn conv(x: &str, y: &str) -> OperatorDef {
    op("Conv", &[x, "w"], y).arg("kernel", 1)
}

fn bn(x: &str, y: &str) -> OperatorDef {
    op("SpatialBN", &[x, "s", "t", "m", "v"], y).arg("is_test", 1).arg("epsilon", 0.5f32)
}

fn net(ops: impl IntoIterator<Item = OperatorDef>) -> NetDef {
    NetDef::new("n").ops(ops).external_output("out")
}

/// What is left, as `Type inputs > output`, where all vectors are called v….
fn after(ops: impl IntoIterator<Item = OperatorDef>) -> Vec<String> {
    let mut net = net(ops);
    fuse(&mut net, &FuseOptions { keep: &[], is_vector: &|name| name.starts_with('v') });
    let line = |op: &OperatorDef| format!("{} {} > {}", op.r#type(), op.input.join(" "), op.output.join(" "));
    net.op.iter().map(line).collect()
}

#[test]
fn all_parts_in_their_order() {
    let ops = [
        conv("x", "a"),
        bn("a", "b"),
        op("Mul", &["b", "v1"], "c").arg("broadcast", 1).arg("axis", 1),
        op("Add", &["c", "v2"], "d").arg("broadcast", 1).arg("axis", 1),
        op("Sum", &["z", "d"], "e"),
        op("LeakyRelu", &["e"], "out").arg("alpha", 0.3f32),
    ];
    let mut merged = net(ops);
    let options = FuseOptions { keep: &[], is_vector: &|_| true };
    let fused = fuse(&mut merged, &options);
    assert_eq!((fused.merged, fused.gone.join(" ")), (5, "a b c d e".to_owned()));
    let op = &merged.op[0];
    assert_eq!(op.input.join(" "), "x w s t m v v1 v2 z");
    assert_eq!((op.output.join(" "), merged.op.len()), ("out".to_owned(), 1));
    let text = |name| op.argument(name).and_then(|arg| arg.s.clone()).unwrap();
    assert_eq!(text("activation"), "LeakyRelu");
    let steps: Vec<_> = op.argument("normalization").unwrap().strings.iter().map(|s| s.to_vec()).collect();
    assert_eq!(steps, [b"SpatialBN".to_vec(), b"Mul".to_vec(), b"Add".to_vec()]);
    assert_eq!(op.argument("epsilon").unwrap().f, Some(0.5));
    assert_eq!(op.argument("alpha").unwrap().f, Some(0.3));
    assert!(op.argument("sum").is_some() && op.argument("kernel").is_some());
}

#[test]
fn in_place_chains_keep_their_name() {
    let ops = [conv("x", "out"), bn("out", "out"), op("Relu", &["out"], "out")];
    let mut merged = net(ops.clone());
    assert_eq!(fuse(&mut merged, &FuseOptions::default()), Fused { merged: 2, gone: vec![] });
    assert_eq!(after(ops), ["ConvFused x w s t m v > out"]);
}

#[test]
fn what_others_read_or_want_is_computed() {
    let read_twice = [conv("x", "a"), op("Relu", &["a"], "out"), op("Exp", &["a"], "b")];
    assert_eq!(after(read_twice), ["Conv x w > a", "Relu a > out", "Exp a > b"]);
    assert_eq!(after([conv("x", "out"), op("Relu", &["out"], "b")]), ["Conv x w > out", "Relu out > b"]);
    let mut kept = net([conv("x", "a"), bn("a", "b"), op("Relu", &["b"], "out")]);
    let fused = fuse(&mut kept, &FuseOptions { keep: &["b".to_owned()], ..FuseOptions::default() });
    assert_eq!((fused.merged, kept.op.len()), (1, 2));
    // The next run finds what this one left.
    let carried = [op("Exp", &["a"], "e"), conv("x", "a"), op("Relu", &["a"], "out")];
    assert_eq!(after(carried).len(), 3);
    let inner = NetDef::new("inner").op(op("Exp", &["a"], "c"));
    let branch = OperatorDef::new("If").input("c").arg("then_net", inner);
    assert_eq!(after([conv("x", "a"), op("Relu", &["a"], "out"), branch]).len(), 3);
}

#[test]
fn an_operator_is_taken_once() {
    let ops = [conv("x", "a"), conv("y", "b"), op("Sum", &["a", "b"], "c"), op("Relu", &["c"], "out")];
    assert_eq!(after(ops), ["Conv y w > b", "ConvFused x w b > out"]);
    assert_eq!(after([conv("x", "a"), op("Sum", &["a", "a"], "out")]), ["Conv x w > a", "Sum a a > out"]);
}

#[test]
fn nothing_moves_behind_a_write_of_what_it_reads() {
    // The input is overwritten before the chain ends; the filter likewise.
    for written in ["x", "w"] {
        let ops = [conv("x", "a"), op("Exp", &["q"], written), op("Relu", &["a"], "out")];
        assert_eq!(after(ops).len(), 3, "{written}");
    }
    // A net within an operator may write what it names.
    let inner = NetDef::new("inner").op(op("Exp", &["q"], "x"));
    let branch = OperatorDef::new("If").input("c").arg("then_net", inner);
    assert_eq!(after([conv("x", "a"), branch, op("Relu", &["a"], "out")]).len(), 3);
    // As far as it can.
    let ops = [conv("x", "a"), bn("a", "b"), op("Exp", &["q"], "x"), op("Relu", &["b"], "out")];
    assert_eq!(after(ops), ["ConvFused x w s t m v > b", "Exp q > x", "Relu b > out"]);
    // A sum in the place of the other summand.
    assert_eq!(after([conv("x", "a"), op("Sum", &["out", "a"], "out")]).len(), 2);
    // What the chain would write is read in between: the later value is not there yet.
    let ops = [conv("x", "a"), op("Exp", &["out"], "e"), op("Relu", &["a"], "out")];
    assert_eq!(after(ops), ["Exp out > e", "ConvFused x w > out"]);
}

#[test]
fn what_is_no_step_by_channel_stays() {
    for step in [
        bn("a", "out").arg("order", "NHWC"),
        op("SpatialBN", &["a", "s", "t", "m", "v"], "out").arg("is_test", 0),
        op("Mul", &["a", "v1"], "out"),
        op("Mul", &["a", "v1"], "out").arg("broadcast", 1),
        op("Mul", &["a", "matrix"], "out").arg("broadcast", 1).arg("axis", 1),
        op("Mul", &["v1", "a"], "out").arg("broadcast", 1).arg("axis", 1),
        op("Add", &["a", "z"], "out"),
        op("Sum", &["a", "b", "c"], "out"),
        op("Tanh", &["a"], "out"),
        op("Relu", &["a"], "out").control_input("c"),
        OperatorDef { device_option: Some(DeviceOption::default()), ..op("Relu", &["a"], "out") },
    ] {
        assert_eq!(after([conv("x", "a"), step.clone()]).len(), 2, "{step:?}");
    }
    // A vector that the net has written over may be anything.
    let scaled = op("Mul", &["a", "v1"], "out").arg("broadcast", 1).arg("axis", 1);
    assert_eq!(after([op("Exp", &["q"], "v1"), conv("x", "a"), scaled]).len(), 3);
    let relu_first = [conv("x", "a"), op("Relu", &["a"], "b"), bn("b", "out")];
    assert_eq!(after(relu_first), ["ConvFused x w > b", "SpatialBN b s t m v > out"]);
    assert_eq!(after([conv("x", "a"), bn("a", "b"), bn("b", "out")]).len(), 2);
}
