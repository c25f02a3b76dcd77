//! Running an init net as it is decoded gives what running the whole net gives, blobs and errors alike; and takes little
//! more memory than what stays.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use caffe2::files::{Limits, Mapping};
use caffe2_operator::proto::{Argument, Caffe2Message, EncodedNet, NetDef, OperatorDef, WireLimits};
use caffe2_operator::{Error, Tensor, Workspace};
use caffe2_tests::content::Content;
use caffe2_tests::golden::{self, Blobs, Case, Failures, feed};
use proptest::prelude::*;

/// Blobs and their tensors, or the error.
type Outcome = (Vec<(String, Option<Tensor>)>, Result<(), Error>);

fn outcome(
    parent: &Arc<Workspace>,
    inputs: &Blobs,
    run: impl FnOnce(&mut Workspace) -> Result<(), Error>,
) -> Outcome {
    let mut workspace = Workspace::child(Arc::clone(parent));
    feed(&mut workspace, inputs);
    let result = run(&mut workspace);
    let tensor = |name: &str| workspace.blob(name).and_then(|blob| blob.as_tensor()).cloned();
    let blobs = workspace.local_blobs().into_iter().map(|name| (name.to_owned(), tensor(name))).collect();
    (blobs, result)
}

/// The net as it comes from bytes, and, if it is long enough to be mapped, from a file, mapped and read.
fn encoded(net: &NetDef) -> Vec<EncodedNet> {
    let bytes = net.to_binary();
    let mut nets = Vec::new();
    if bytes.len() >= 64 << 10 {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let open = |mapping| Limits::default().open_net(file.path(), mapping).unwrap();
        nets.extend([Mapping::LocalFiles, Mapping::Never].map(open));
    }
    nets.push(EncodedNet::from_bytes(bytes, &WireLimits::default()).unwrap());
    nets
}

fn compare(parent: &Arc<Workspace>, net: &NetDef, inputs: &Blobs) -> Result<(), String> {
    let want = outcome(parent, inputs, |workspace| workspace.run_net_once(net));
    for encoded in encoded(net) {
        let got = outcome(parent, inputs, |workspace| workspace.run_init_net(encoded));
        if got != want {
            return Err(format!("{got:?}\ninstead of {want:?}"));
        }
    }
    Ok(())
}

fn parent() -> Arc<Workspace> {
    let mut parent = Workspace::new();
    parent.set_threads(1);
    parent.feed("p", Tensor::from_slice([2], &[1.0f32, 2.0]).unwrap());
    Arc::new(parent)
}

#[test]
fn every_operator_gives_the_same() {
    let parent = parent();
    let mut failures = Failures::default();
    for case in golden::cases() {
        let Case { name, net, inputs, .. } = &case;
        failures.check(name, compare(&parent, net, inputs));
    }
    failures.finish();
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 * 0.25).collect()
}

/// A name of a blob; `p` is one of the parent's.
fn blob() -> impl Strategy<Value = String> {
    "[a-dp]"
}

fn long() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..5, 1 => Just(20_000), 1 => Just(50_000)]
}

fn operator() -> impl Strategy<Value = OperatorDef> {
    let fill = |op_type: &'static str| OperatorDef::new(op_type);
    let one_in_ten_wrong = || prop_oneof![9 => Just(0i64), 1 => Just(1i64)];
    prop_oneof![
        4 => (blob(), long(), one_in_ten_wrong()).prop_map(move |(y, count, off)| {
            fill("GivenTensorFill").output(y).arg("shape", vec![count as i64 + off]).arg("values", values(count))
        }),
        // Integers that may not fit, and are in the wrong field for the first type.
        2 => (blob(), long(), any::<i32>(), prop::sample::select(vec![
            "GivenTensorFill", "GivenTensorIntFill", "GivenTensorInt16Fill", "GivenTensorBoolFill",
        ]))
        .prop_map(move |(y, count, value, op_type)| {
            let values = vec![i64::from(value) >> (value as u32 % 30); count];
            fill(op_type).output(y).arg("shape", vec![count as i64]).arg("values", values)
        }),
        1 => (blob(), long(), prop::sample::select(vec!["DOUBLE", "STRING", "INT64"])).prop_map(
            move |(y, count, dtype)| {
                let def = fill("GivenTensorFill").output(y).arg("shape", vec![count as i64]);
                def.arg("dtype", dtype).arg("values", values(count))
            }
        ),
        3 => (blob(), long(), one_in_ten_wrong()).prop_map(move |(y, count, off)| {
            let def = fill("GivenTensorByteStringToUInt8Fill").output(y).arg("shape", vec![count as i64 + off]);
            def.arg("values", vec![vec![7u8; count]])
        }),
        3 => (blob(), blob()).prop_map(|(x, y)| OperatorDef::new("ByteWeightDequant").input(x).output(y)),
        2 => (blob(), blob()).prop_map(|(x, y)| OperatorDef::new("Relu").input(x).output(y)),
        1 => (blob(), blob(), blob()).prop_map(|(a, b, y)| OperatorDef::new("Add").inputs([a, b]).output(y)),
        1 => blob().prop_map(|y| OperatorDef::new("XavierFill").output(y).arg("shape", vec![3i64, 2])),
        1 => (blob(), one_in_ten_wrong()).prop_map(|(y, value)| {
            OperatorDef::new("ConstantFill").output(y).arg("dtype", 1).arg("value", if value == 0 { 1.0f32 } else { f32::NAN })
        }),
        1 => (blob(), blob()).prop_map(|(x, y)| OperatorDef::new("Relu").input(x).output(y).arg("order", 1)),
        1 => blob().prop_map(|y| OperatorDef::new("NoSuchOperator").output(y)),
        1 => (blob(), blob()).prop_map(|(c, y)| {
            let inner = NetDef::new("then").op(OperatorDef::new("XavierFill").output(y).arg("shape", vec![2i64, 2]));
            OperatorDef::new("If").input(c).arg("then_net", inner)
        }),
    ]
}

fn net() -> impl Strategy<Value = NetDef> {
    let names = || proptest::collection::vec(blob(), 0..2);
    (proptest::collection::vec(operator(), 0..6), names(), names(), any::<u8>()).prop_map(
        |(op, external_input, external_output, odd)| {
            let mut net = NetDef { op, external_output, ..NetDef::new("init") };
            // Declared inputs are held against what is read, so that few nets would pass.
            net.external_input = if odd < 40 { external_input } else { Vec::new() };
            net.r#type = (odd == 255).then(|| "odd".to_owned());
            net.arg.extend((odd > 250).then(|| Argument::new("a", 1)));
            net
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_net_gives_the_same(net in net()) {
        let parent = parent();
        let a = Content::Tensor(Tensor::from_slice([2], &[-1.0f32, 3.0]).unwrap());
        let inputs = vec![("a".to_owned(), a)];
        compare(&parent, &net, &inputs).map_err(TestCaseError::fail)?;
    }
}

/// Elements of each weight: so few that it is no large buffer, which would have spare bytes.
const COUNT: usize = 900_000;
const WEIGHTS: usize = 12;

/// The peak of the heap while an init net is loaded, by what stays of it.
fn load(net: &NetDef, mapping: Mapping) -> (usize, usize) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), net.to_binary()).unwrap();
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    let mut loaded = Ok(());
    let taken = allocation_counter::measure(|| {
        let net = Limits::default().open_net(file.path(), mapping).unwrap();
        loaded = workspace.run_init_net(net);
    });
    loaded.unwrap();
    (taken.bytes_max as usize, taken.bytes_current as usize)
}

#[test]
fn byte_weights_are_loaded_in_the_memory_that_stays() {
    let mut net = NetDef::new("init");
    for weight in 0..WEIGHTS {
        let (codes, floats) = (format!("codes{weight}"), format!("w{weight}"));
        let fill = OperatorDef::new("GivenTensorByteStringToUInt8Fill").output(&codes);
        net.op.push(fill.arg("shape", vec![COUNT as i64]).arg("values", vec![vec![weight as u8; COUNT]]));
        net.op.push(OperatorDef::new("ByteWeightDequant").input(codes).output(floats));
    }
    let (floats, codes) = (4 * WEIGHTS * COUNT, WEIGHTS * COUNT);
    let (peak, stays) = load(&net, Mapping::LocalFiles);
    assert!((floats..floats + floats / 50).contains(&stays), "{stays}: the codes are in the file");
    assert!(peak * 10 <= stays * 11, "{peak} for {stays}");
    let (peak, stays) = load(&net, Mapping::Never);
    assert!((floats + codes..(floats + codes) / 50 * 51).contains(&stays), "{stays}");
    assert!(peak * 10 <= stays * 11, "{peak} for {stays}");
}

#[test]
fn float_weights_are_decoded_into_the_tensor() {
    let fill = |weight| OperatorDef::new("GivenTensorFill").output(format!("w{weight}"));
    let fill = |weight| fill(weight).arg("shape", vec![COUNT as i64]).arg("values", values(COUNT));
    let net = NetDef::new("init").ops((0..WEIGHTS).map(fill));
    let floats = 4 * WEIGHTS * COUNT;
    for (mapping, tenths) in [(Mapping::LocalFiles, 11), (Mapping::Never, 15)] {
        let (peak, stays) = load(&net, mapping);
        assert!((floats..floats + floats / 50).contains(&stays), "{mapping:?}: {stays}");
        // The file, which is read, has five bytes for each four that stay; they go one weight after the other.
        assert!(peak * 10 <= stays * tenths, "{mapping:?}: {peak} for {stays}");
    }
}
