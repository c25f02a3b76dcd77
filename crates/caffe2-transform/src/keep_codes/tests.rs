use super::*;

fn dequant(output: &str) -> OperatorDef {
    OperatorDef::new("ByteWeightDequant").input(format!("{output}_codes")).output(output)
}

fn op(kind: &str, inputs: &[&str], output: &str) -> OperatorDef {
    OperatorDef::new(kind).inputs(inputs.iter().copied()).output(output)
}

/// The outputs of the operators that the pass marks.
fn marked(
    init: impl IntoIterator<Item = OperatorDef>,
    predict: impl IntoIterator<Item = OperatorDef>,
) -> Vec<String> {
    let (mut init, mut predict) = (NetDef::new("init").ops(init), NetDef::new("net").ops(predict));
    let count = keep_codes(&mut init, &mut predict);
    let outputs: Vec<_> = init
        .op
        .iter()
        .chain(&predict.op)
        .filter(|op| op.argument(ARGUMENT).is_some_and(|arg| arg.i == Some(1)))
        .map(|op| op.output[0].clone())
        .collect();
    assert_eq!(outputs.len(), count);
    outputs
}

#[test]
fn weights_of_products_are_kept_and_nothing_else() {
    for kind in ["FC", "FCTransposed", "MatMul", "Conv", "Conv1D", "Conv2D", "Conv3D", "ConvFused"] {
        let net = op(kind, &["x", "w", "b"], "y");
        let init = [dequant("w"), dequant("b"), dequant("x"), dequant("unused")];
        assert_eq!(marked(init, [net]), ["w"], "{kind}");
    }
    assert!(marked([dequant("w")], [op("Add", &["x", "w"], "y")]).is_empty());
    let fill = op("GivenTensorFill", &[], "w");
    assert!(marked([fill], [op("FC", &["x", "w", "b"], "y")]).is_empty());
}

#[test]
fn a_weight_that_others_read_too_is_kept() {
    let fc = op("FC", &["x", "w", "b"], "y");
    assert_eq!(marked([dequant("w")], [fc.clone(), op("Relu", &["w"], "z")]), ["w"]);
    assert_eq!(marked([dequant("w")], [op("Relu", &["w"], "z"), fc]), ["w"]);
}

#[test]
fn copies_and_other_shapes_are_followed_in_both_nets() {
    let fc = || op("FC", &["x", "v", "b"], "y");
    for kind in PASSING_ON {
        assert_eq!(marked([dequant("w")], [op(kind, &["w"], "v"), fc()]), ["w"], "{kind}");
        assert_eq!(marked([dequant("w"), op(kind, &["w"], "v")], [fc()]), ["w"], "{kind}");
        assert_eq!(marked([dequant("v"), op(kind, &["v"], "v")], [fc()]), ["v"], "{kind} in place");
    }
    // The former shape is no weight.
    let reshape = op("Reshape", &["w"], "v").output("old");
    let uses_old = op("FC", &["x", "old", "b"], "y");
    assert!(marked([dequant("w")], [reshape, uses_old]).is_empty());
    assert!(marked([dequant("w"), op("Transpose", &["w"], "v")], [fc()]).is_empty());
}

#[test]
fn a_weight_that_is_written_before_its_use_is_another() {
    let fc = || op("FC", &["x", "w", "b"], "y");
    assert!(marked([dequant("w")], [op("Relu", &["v"], "w"), fc()]).is_empty());
    assert!(marked([dequant("w"), op("Relu", &["w"], "w")], [fc()]).is_empty());
    // Written after its use it was the weight.
    assert_eq!(marked([dequant("w")], [fc(), op("Relu", &["w"], "w")]), ["w"]);
    // The second of two.
    let mut init = NetDef::new("init").ops([dequant("w"), dequant("w").arg("min", 0.0f32)]);
    assert_eq!(keep_codes(&mut init, &mut NetDef::new("net").op(fc())), 1);
    assert!(init.op[0].argument(ARGUMENT).is_none() && init.op[1].argument(ARGUMENT).is_some());
}

#[test]
fn operators_of_the_net_itself_are_marked() {
    let ops = [dequant("w"), op("FC", &["x", "w", "b"], "y"), dequant("v"), op("Relu", &["v"], "z")];
    assert_eq!(marked([], ops), ["w"]);
}

#[test]
fn what_an_operator_says_of_itself_stays() {
    for says in [0, 1] {
        let mut weight = dequant("w").arg(ARGUMENT, says);
        let before = weight.clone();
        assert!(!KeepCodes::of(&NetDef::new("n").op(op("FC", &["x", "w", "b"], "y"))).mark(&mut weight));
        assert_eq!(weight, before);
    }
}

#[test]
fn filters_of_single_channels_are_not_kept() {
    let conv = |group: i64| op("Conv", &["x", "w"], "y").arg("group", group);
    let weight = |shape: [i64; 4]| dequant("w").arg("shape", shape);
    assert!(marked([weight([8, 1, 3, 3])], [conv(8)]).is_empty());
    assert!(marked([weight([8, 3, 3, 1])], [conv(8)]).is_empty());
    assert_eq!(marked([weight([8, 4, 3, 3])], [conv(2)]), ["w"]);
    assert_eq!(marked([weight([8, 1, 3, 3])], [conv(1)]), ["w"]);
    assert_eq!(marked([weight([8, 1, 3, 3])], [conv(8), op("MatMul", &["x", "w"], "z")]), ["w"]);
}

#[test]
fn nets_within_operators_use_weights_too() {
    let inner = || NetDef::new("inner").op(op("FC", &["x", "w", "b"], "y"));
    let branch = |net: NetDef| op("If", &["c"], "y").arg("then_net", net);
    assert_eq!(marked([dequant("w")], [branch(inner())]), ["w"]);
    let nested = NetDef::new("outer").op(branch(inner()));
    assert_eq!(marked([dequant("w")], [op("While", &["c"], "y").arg("loop_net", nested)]), ["w"]);
    // Names within a Do are its own.
    assert!(marked([dequant("w")], [op("Do", &["c"], "y").arg("net", inner())]).is_empty());
}

#[test]
fn operators_without_blobs_are_passed_over() {
    assert!(
        marked([OperatorDef::new("ByteWeightDequant")], [OperatorDef::new("FC"), OperatorDef::new("Copy")])
            .is_empty()
    );
}

#[test]
fn rows_with_a_scale_each_are_kept_for_products_and_convolutions() {
    for kind in ROWWISE {
        let weight = || op(kind, &["rows"], "w");
        assert_eq!(marked([weight()], [op("FC", &["x", "w", "b"], "y")]), ["w"], "{kind}");
        assert_eq!(marked([weight()], [op("Conv", &["x", "w", "b"], "y")]), ["w"], "{kind}");
        let shaped = op("Reshape", &["w"], "v").output("old");
        assert_eq!(marked([weight(), shaped], [op("Conv", &["x", "v", "b"], "y")]), ["w"], "{kind}");
        let grouped = op("Conv", &["x", "w", "b"], "y").arg("group", 2);
        assert!(marked([weight()], [grouped]).is_empty(), "{kind}");
    }
    let four = op("Fused4BitRowwiseQuantizedToFloat", &["rows"], "w");
    assert!(marked([four], [op("FC", &["x", "w", "b"], "y")]).is_empty());
}
