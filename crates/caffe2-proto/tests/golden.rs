//! Messages that the original wrote, in both forms (`fixtures/make_fixtures.py`).
#![allow(clippy::unwrap_used)]

use caffe2_proto::{
    Argument, Caffe2Message, FileKind, MessageKind, MetaNetDef, NetDef, OperatorDef, WireLimits, sniff,
};

/// The content of fixture `name` in binary and text form.
macro_rules! fixture {
    ($name:literal) => {
        (
            &include_bytes!(concat!("fixtures/", $name, ".pb"))[..],
            include_str!(concat!("fixtures/", $name, ".pbtxt")),
        )
    };
}

/// Both forms are read and written as the original does, byte for byte.
fn check<M: Caffe2Message>((binary, text): (&'static [u8], &str), kind: MessageKind) -> M {
    let limits = WireLimits::default();
    assert_eq!(sniff(binary), FileKind::Binary(kind));
    assert_eq!(sniff(text.as_bytes()), FileKind::Text(Some(kind)));
    let message = M::from_bytes(binary, &limits).unwrap();
    assert_eq!(message.to_text(), text);
    assert_eq!(message.to_binary(), binary);
    assert_eq!(M::from_bytes(text.as_bytes().to_vec(), &limits).unwrap().to_binary(), binary);
    message
}

#[test]
fn every_kind_of_field() {
    let net: NetDef = check(fixture!("layout"), MessageKind::Net);
    let floats = &net.op[0].argument("floats").unwrap().floats;
    assert_eq!(floats[1].to_bits(), (-0.0f32).to_bits());
    assert_eq!(floats[11].to_bits(), 1);
    assert!(floats[12].is_nan());
    assert_eq!(net.op[0].argument("strings").unwrap().strings[0].len(), 256);
}

#[test]
fn a_published_net() {
    let net: NetDef = check(fixture!("predict_net"), MessageKind::Net);
    assert_eq!((net.name(), net.op.len()), ("tiny_face_detector", 26));
}

#[test]
fn a_meta_net() {
    let meta: MetaNetDef = check(fixture!("meta"), MessageKind::MetaNet);
    assert_eq!(meta.model_info.unwrap().predictor_type(), "SINGLE_PREDICTOR");
    assert_eq!(meta.plans[0].value.execution_step[0].only_once, Some(false));
}

#[test]
fn arguments_as_caffe2s_own_builder_makes_them() {
    let net: NetDef = check(fixture!("arguments"), MessageKind::Net);
    let built = OperatorDef::new("T")
        .input("x")
        .output("y")
        .named("")
        .arg("int", 3)
        .arg("bool", true)
        .arg("float", 0.5)
        .arg("str", "NCHW")
        .arg("bytes", b"\x00\xff")
        .arg("ints", [1, 2])
        .arg("bools", [true, false])
        .arg("floats", [0.5, 2.0])
        .arg("strs", ["a", "b"])
        .args([Argument::new("empty", Vec::<i64>::new())])
        .arg("net", NetDef::new("n"));
    assert_eq!(net, NetDef::new("arguments").op(built));
}
