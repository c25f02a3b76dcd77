//! Which weights are quantized, and what is said of the others.

use caffe2::{NetDef, OperatorDef};
use caffe2_transform::quantize::{KeepReason, QuantizeError, QuantizeOptions, quantize};

use super::{all, given, reader, weight};

/// Four weights and what else an init net has.
fn init() -> NetDef {
    let constant =
        OperatorDef::new("ConstantFill").output("ones").arg("shape", [40, 40]).arg("value", 1.0f32);
    let ints = OperatorDef::new("GivenTensorFill")
        .arg("dtype", 2)
        .arg("shape", [1])
        .arg("values", [5])
        .output("ints");
    let other =
        OperatorDef::new("GivenTensorInt64Fill").arg("shape", [1]).arg("values", [5]).output("int64s");
    let like =
        OperatorDef::new("GivenTensorFill").input("ones").arg("values", vec![1.0f32; 1600]).output("like");
    NetDef::new("init")
        .op(weight("conv1/w", &[8, 3, 3, 3]))
        .op(given("conv1/b", &[8], &[0.0; 8]))
        .op(weight("conv2/w", &[16, 8, 3, 3]))
        .op(weight("fc/w", &[30, 100]))
        .op(given("fc/b", &[2000], &[0.25; 2000]))
        .op(weight("unread", &[100, 100]))
        .op(weight("twice", &[100, 100]))
        .op(OperatorDef::new("Scale").input("twice").output("twice").arg("scale", 2.0f32))
        .ops([constant, ints, other, like])
}

fn net() -> NetDef {
    let read: Vec<_> =
        init().op.iter().map(|op| op.output[0].clone()).filter(|blob| blob != "unread").collect();
    reader(&read.iter().map(String::as_str).collect::<Vec<_>>())
}

fn patterns(only: &[&str], skip: &[&str]) -> QuantizeOptions {
    let strings = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    QuantizeOptions { only: strings(only), skip: strings(skip), ..QuantizeOptions::default() }
}

/// The weights that are quantized, and the others with the reason.
fn chosen(options: &QuantizeOptions) -> (Vec<String>, Vec<(String, KeepReason)>) {
    let report = quantize(&init(), &net(), options).unwrap().report;
    let weights = report.weights.into_iter().map(|weight| weight.blob).collect();
    (weights, report.kept.into_iter().map(|kept| (kept.blob, kept.reason)).collect())
}

#[test]
fn what_is_large_and_read_is_quantized_and_the_rest_has_a_reason() {
    let (weights, kept) = chosen(&QuantizeOptions::default());
    assert_eq!(weights, ["conv2/w", "fc/w"]);
    let made_by = |op_type: &str| KeepReason::MadeBy(op_type.into());
    let want = [
        ("conv1/w", KeepReason::FewElements { elements: 216, least: 1024 }),
        ("conv1/b", KeepReason::OneDimension),
        ("fc/b", KeepReason::OneDimension),
        ("twice", KeepReason::WrittenAgain),
        ("ones", made_by("ConstantFill")),
        ("ints", KeepReason::NotFloat),
        ("int64s", made_by("GivenTensorInt64Fill")),
        ("like", KeepReason::ShapeFromInput),
    ];
    assert_eq!(kept, want.map(|(blob, reason)| (blob.to_owned(), reason)));
}

#[test]
fn patterns_choose_and_let_vectors_in() {
    let (weights, kept) = chosen(&patterns(&["fc/*", "conv?/w"], &["*v2*"]));
    assert_eq!(weights, ["fc/w", "fc/b"]);
    assert!(kept.contains(&("conv2/w".into(), KeepReason::Skipped("*v2*".into()))));
    assert!(kept.contains(&("conv1/b".into(), KeepReason::NotSelected)));
    let (weights, kept) = chosen(&patterns(&["conv2/w", "unread"], &[]));
    assert_eq!(weights, ["conv2/w"]);
    assert!(kept.contains(&("unread".into(), KeepReason::NotRead)));
}

#[test]
fn small_weights_are_taken_when_asked_for_unless_they_grow() {
    let (weights, kept) = chosen(&QuantizeOptions { only: vec!["*".into()], ..all() });
    assert_eq!(weights, ["conv1/w", "conv2/w", "fc/w", "fc/b"]);
    let growing = kept.iter().find(|(blob, _)| blob == "conv1/b").unwrap();
    assert!(matches!(growing.1, KeepReason::NotSmaller { bytes } if bytes > 80), "{growing:?}");
}

#[test]
fn a_pattern_that_fits_nothing_is_an_error() {
    for options in [patterns(&["conv3*"], &[]), patterns(&["fc/w"], &["conv3*"])] {
        let error = quantize(&init(), &net(), &options).unwrap_err();
        let QuantizeError::NoSuchBlob { pattern, known } = error else { panic!("{error:?}") };
        assert_eq!((pattern.as_str(), known.len()), ("conv3*", 12));
    }
}

#[test]
fn nothing_to_do_is_an_error_with_all_reasons() {
    let error = quantize(&init(), &net(), &patterns(&[], &["conv2*", "fc*"])).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no weight to quantize:\n  `conv1/w`: 216 elements, fewer than 1024\n"),
        "{error}"
    );
    assert!(error.contains("\n  `fc/w`: skipped by `fc*`"), "{error}");
    let error = quantize(&init(), &reader(&["elsewhere"]), &all()).unwrap_err().to_string();
    assert!(error.ends_with("the net reads no blob that the init net makes"), "{error}");
}

#[test]
fn a_net_within_an_operator_reads_too() {
    let then = reader(&["fc/w"]);
    let net = NetDef::new("n").op(OperatorDef::new("If").input("yes").output("y").arg("then_net", then));
    let report = quantize(&init(), &net, &QuantizeOptions::default()).unwrap().report;
    assert_eq!(report.weights[0].blob, "fc/w");
}

#[test]
fn other_devices_are_left_alone() {
    use caffe2::proto::DeviceOption;
    let cuda = DeviceOption { device_type: Some(1), ..DeviceOption::default() };
    let on_device = NetDef::new("init").op(weight("w", &[50, 50]).with_device(cuda.clone()));
    let of_net = NetDef::new("init").op(weight("w", &[50, 50])).with_device(cuda);
    for init in [on_device, of_net] {
        let error = quantize(&init, &reader(&["w"]), &all()).unwrap_err();
        let QuantizeError::Nothing { kept } = error else { panic!("{error:?}") };
        assert_eq!(kept[0].reason, KeepReason::OtherDevice);
    }
}
