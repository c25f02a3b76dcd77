use super::*;
use caffe2_operator::OpRegistry;
use caffe2_tensor::Shape;

fn fill(name: &str, shape: &[i64]) -> OperatorDef {
    OperatorDef::new("XavierFill").output(name).arg("shape", shape.to_vec())
}

fn conv(x: &str, name: &str, kernel: i64, stride: i64) -> OperatorDef {
    let def = OperatorDef::new("Conv").inputs([x, &format!("{name}_w"), &format!("{name}_b")]).output(name);
    def.arg("kernel", kernel).arg("stride", stride)
}

fn summary(init: &NetDef, net: &NetDef) -> NetSummary {
    let registry = OpRegistry::linked().unwrap();
    let before = Before::init_net(&registry, init, net);
    assert!(before.problems.is_empty(), "{:?}", before.problems);
    NetSummary::new(&registry, net, &before)
}

/// Pictures of 3 channels, through a convolution and a product that wants 4 by 4 of 8 channels.
fn classifier() -> (NetDef, NetDef) {
    let init = NetDef::new("init").ops([
        fill("c_w", &[8, 3, 3, 3]),
        fill("c_b", &[8]),
        fill("f_w", &[10, 128]),
        fill("f_b", &[10]),
    ]);
    let net = NetDef::new("n")
        .op(conv("x", "c", 3, 2))
        .op(OperatorDef::new("Relu").input("c").output("c"))
        .op(OperatorDef::new("FC").inputs(["c", "f_w", "f_b"]).output("f"))
        .op(OperatorDef::new("Softmax").input("f").output("y"));
    (init, net)
}

#[test]
fn the_side_of_a_picture_is_found_by_trial() {
    let (init, net) = classifier();
    let summary = summary(&init, &net);
    let input = &summary.inputs[0];
    // 9 and 10 give 4 by 4.
    assert_eq!(input.info.shape, Shape::new(&[1, 3, 9, 9]).ok());
    assert_eq!(input.guess.as_ref().map(|guess| guess.sizes), Some(Sizes::Sides(9, 10)));
    assert!(summary.diagnosis.problems.is_empty());
    assert_eq!(summary.outputs[0].1.to_string(), "float [1, 10]");
    assert_eq!(summary.parameters.len(), 4);
    let macs: Vec<u64> = summary.diagnosis.ops.iter().map(|op| op.cost.macs).collect();
    assert_eq!((macs[0], macs[2], summary.macs), (16 * 8 * 27, 1280, macs.iter().sum()));
}

#[test]
fn a_net_that_takes_any_picture_is_guessed_a_usual_one() {
    let init = NetDef::new("init").ops([fill("c_w", &[8, 5, 5, 3]), fill("c_b", &[8])]);
    let net = NetDef::new("n").op(conv("x", "c", 5, 1).arg("order", "NHWC"));
    let guess = summary(&init, &net).inputs[0].guess.clone().unwrap();
    assert_eq!((guess.info.to_string().as_str(), guess.sizes), ("float [1, 224, 224, 3]", Sizes::Any));
}

#[test]
fn what_nothing_tells_stays_unknown() {
    let net = NetDef::new("n").op(OperatorDef::new("Sum").inputs(["a", "b"]).output("y"));
    let summary = summary(&NetDef::new("init"), &net);
    assert!(summary.inputs.iter().all(|input| input.info.shape.is_none() && input.guess.is_none()));
    assert!(!summary.memory.complete);
}

#[test]
fn memory_is_counted_from_the_first_write_to_the_last_read() {
    let (init, net) = classifier();
    let memory = summary(&init, &net).memory;
    let (x, c, f, y) = (3 * 81 * 4, 8 * 16 * 4, 40, 40);
    assert_eq!(memory, ActivationMemory { peak: x + c, peak_at: 0, total: x + c + f + y, complete: true });
}

#[test]
fn stored_values_are_told_from_computed_ones() {
    let codes = OperatorDef::new("GivenTensorByteStringToUInt8Fill").output("codes");
    let init = NetDef::new("init")
        .op(codes.arg("shape", vec![10i64, 4]).arg("values", vec![vec![7u8; 40]]))
        .op(OperatorDef::new("ByteWeightDequant").input("codes").output("w").arg("shape", vec![10i64, 4]))
        .op(OperatorDef::new("GivenTensorFill")
            .output("b")
            .arg("shape", vec![10i64])
            .arg("values", vec![0.5f32; 10]))
        .op(OperatorDef::new("ConstantFill").output("x").arg("shape", vec![1i64, 4]).arg("value", 0.0f32))
        .op(fill("unused", &[5]));
    let net = NetDef::new("n").op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"));
    let registry = OpRegistry::linked().unwrap();
    let before = Before::init_net(&registry, &init, &net);
    assert_eq!(before.placeholders, ["x"]);
    let stored = |data_type, blobs, bytes| Stored { data_type, blobs, bytes };
    assert_eq!(
        before.stored,
        [stored(None, 1, 0), stored(Some(DataType::Float), 1, 40), stored(Some(DataType::UInt8), 1, 40)]
    );
    let summary = NetSummary::new(&registry, &net, &before);
    assert_eq!(
        (summary.inputs[0].name.as_str(), summary.inputs[0].info.to_string().as_str()),
        ("x", "float [1, 4]")
    );
    assert!(summary.inputs[0].guess.is_none());
}

#[test]
fn missing_operators_are_counted() {
    let op = |op_type: &str| OperatorDef::new(op_type).input("x").output("x");
    let net = NetDef::new("n").ops([op("Relu"), op("Rleu"), op("Relu"), op("Rleu"), op("Zzz")]);
    let summary = summary(&NetDef::new("init"), &net);
    assert_eq!(summary.operators, [("Relu".to_owned(), 2), ("Rleu".to_owned(), 2), ("Zzz".to_owned(), 1)]);
    assert_eq!(summary.missing, [("Rleu".to_owned(), 2), ("Zzz".to_owned(), 1)]);
    assert_eq!(summary.diagnosis.problems.len(), 3);
}

#[test]
fn sizes_that_no_machine_has_are_told_as_the_largest_number() {
    let huge = |name: &str| {
        OperatorDef::new("ConstantFill").output(name).arg("shape", [1i64 << 60]).arg("value", 1.0f32)
    };
    let net = NetDef::new("n").ops((0..8).map(|i| huge(&format!("y{i}"))));
    let summary = summary(&NetDef::new("init"), &net);
    assert_eq!((summary.memory.peak, summary.memory.total), (u64::MAX, u64::MAX));
}
