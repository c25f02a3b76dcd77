use super::*;
use crate::{
    BlobProto, BlobsMap, Caffe2Message, MetaNetDef, NetDef, OperatorDef, PlanDef, ProtoErrorKind as Kind,
    QTensorProto, TensorProto, TensorProtos,
};

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 132735\n";

fn limits() -> WireLimits {
    WireLimits::default()
}

fn net() -> NetDef {
    NetDef::new("n").op(OperatorDef::new("Relu").input("x").output("y")).external_input("x")
}

fn tensor() -> TensorProto {
    TensorProto { dims: vec![2], data_type: Some(1), float_data: vec![1.0, 2.0], ..TensorProto::default() }
}

/// A length-delimited field of a message.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let key = u32::from(number) << 3 | 2;
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(u64::from(key), &mut bytes);
    prost::encoding::encode_varint(value.len() as u64, &mut bytes);
    bytes.extend(value);
    bytes
}

fn minidb() -> Vec<u8> {
    let blob =
        BlobProto { name: Some("ab".into()), tensor: Some(tensor()), ..BlobProto::default() }.to_binary();
    let mut file = 5i32.to_le_bytes().to_vec();
    file.extend((blob.len() as i32).to_le_bytes());
    file.extend(b"ab#%0");
    file.extend(blob);
    file
}

fn onnx() -> Vec<u8> {
    [&[0x08, 7][..], &field(2, b"pytorch"), &field(7, &field(2, b"graph")), &field(8, &[0x10, 9])].concat()
}

fn caffe_model() -> Vec<u8> {
    [field(1, b"AlexNet"), field(100, &[field(1, b"conv1"), field(2, b"Convolution")].concat())].concat()
}

fn old_caffe_model() -> Vec<u8> {
    let layer = [field(2, b"data"), field(3, b"conv1"), field(4, b"conv1"), vec![0x28, 4]].concat();
    [field(1, b"AlexNet"), field(2, &layer)].concat()
}

#[test]
fn messages_are_told_apart() {
    let blob = BlobProto {
        name: Some("b".into()),
        r#type: Some("Tensor".into()),
        tensor: Some(tensor()),
        ..BlobProto::default()
    };
    let quantised = BlobProto {
        name: Some("b".into()),
        r#type: Some("Int8TensorCPU".into()),
        qtensor: Some(QTensorProto { precision: 8, ..QTensorProto::default() }),
        ..BlobProto::default()
    };
    let tensors = TensorProtos { protos: vec![tensor(), TensorProto { name: Some("w".into()), ..tensor() }] };
    let plan = PlanDef { name: Some("p".into()), network: vec![net()], ..PlanDef::default() };
    let meta = MetaNetDef {
        blobs: vec![BlobsMap { key: "INPUTS_BLOB_TYPE".into(), value: vec!["data".into()] }],
        ..MetaNetDef::default()
    };
    let messages = [
        (MessageKind::Net, net().to_binary(), net().to_text()),
        (MessageKind::Blob, blob.to_binary(), blob.to_text()),
        (MessageKind::Blob, quantised.to_binary(), quantised.to_text()),
        (MessageKind::Tensors, tensors.to_binary(), tensors.to_text()),
        (MessageKind::Tensor, tensor().to_binary(), tensor().to_text()),
        (MessageKind::Plan, plan.to_binary(), plan.to_text()),
        (MessageKind::MetaNet, meta.to_binary(), meta.to_text()),
    ];
    for (kind, binary, text) in messages {
        assert_eq!(sniff(&binary), FileKind::Binary(kind));
        assert_eq!(sniff(text.as_bytes()), FileKind::Text(Some(kind)), "{text}");
        let read = NetDef::from_bytes(binary, &limits());
        if kind == MessageKind::Net {
            assert_eq!(read.unwrap(), net());
        } else {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), Kind::WrongContent);
            assert!(error.to_string().contains(kind.name()), "{error}");
        }
    }
}

#[test]
fn other_files_are_named_with_a_remedy() {
    for (content, kind, error_kind, words) in [
        (vec![], FileKind::Empty, Kind::Empty, "the file is empty"),
        (LFS.into(), FileKind::GitLfsPointer, Kind::GitLfsPointer, "git lfs pull"),
        (b"PK\x03\x04\x14".to_vec(), FileKind::Zip, Kind::WrongContent, ".npz"),
        (b"PK\x05\x06".to_vec(), FileKind::Zip, Kind::WrongContent, ".npz"),
        (b"\x93NUMPY\x01\x00".to_vec(), FileKind::Npy, Kind::WrongContent, ".npy"),
        (vec![0x1f, 0x8b, 8, 0], FileKind::Gzip, Kind::WrongContent, "gunzip"),
        (b"\n<!DOCTYPE html><html>".to_vec(), FileKind::Html, Kind::WrongContent, "web page"),
        (b"<HTML>".to_vec(), FileKind::Html, Kind::WrongContent, "web page"),
        (minidb(), FileKind::MiniDb, Kind::WrongContent, "minidb"),
        (onnx(), FileKind::Onnx, Kind::WrongContent, "ONNX"),
        (caffe_model(), FileKind::CaffeModel, Kind::WrongContent, "caffe_translator"),
        (old_caffe_model(), FileKind::CaffeModel, Kind::WrongContent, "caffe_translator"),
        (b"name: 'a' layer { name: 'b' }".to_vec(), FileKind::CaffePrototxt, Kind::UnknownField, "layer"),
        (b"layers { name: 'b' }".to_vec(), FileKind::CaffePrototxt, Kind::WrongContent, "caffe_translator"),
    ] {
        assert_eq!(sniff(&content), kind);
        let error = NetDef::from_bytes(content, &limits()).unwrap_err();
        assert_eq!(error.kind(), error_kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let pointer = NetDef::from_bytes(LFS, &limits()).unwrap_err();
    assert_eq!(pointer.found_text(), Some("it stands for 132735 bytes"));
}

#[test]
fn a_file_is_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pb");
    std::fs::write(&path, LFS).unwrap();
    let error = NetDef::from_file(&path, &limits()).unwrap_err();
    assert_eq!((error.kind(), error.file()), (Kind::GitLfsPointer, Some(path.as_path())));
    std::fs::write(&path, "op {\n nme: 'a' }").unwrap();
    let error = NetDef::from_file(&path, &limits()).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("{}:2:2: in op[0] of NetDef: ", path.display())),
        "{error}"
    );
    std::fs::write(&path, [&net().to_binary()[..], &[0x0a]].concat()).unwrap();
    let error = NetDef::from_file(&path, &limits()).unwrap_err();
    let start = format!("{}: byte {}: in name of NetDef: ", path.display(), net().to_binary().len() + 1);
    assert!(error.to_string().starts_with(&start), "{error}");
    std::fs::write(&path, net().to_binary()).unwrap();
    assert_eq!(NetDef::from_file(&path, &limits()).unwrap(), net());
    let small = WireLimits { max_bytes: 3, ..limits() };
    assert_eq!(NetDef::from_file(&path, &small).unwrap_err().kind(), Kind::LimitExceeded);
}

#[test]
fn what_is_not_known_is_left_to_the_decoder() {
    for content in [&b"\xff\xff\xff\xff"[..], b"just some words"] {
        assert_eq!(sniff(content), FileKind::Unknown);
        let error = NetDef::from_bytes(content.to_vec(), &limits()).unwrap_err();
        assert!(error.position().is_some(), "{error}");
    }
    // A newer net with a field that we do not know.
    let newer = [net().to_binary(), field(15, b"new")].concat();
    assert_eq!(sniff(&newer), FileKind::Unknown);
    assert_eq!(NetDef::from_bytes(newer, &limits()).unwrap(), net());
}

#[test]
fn text_without_a_name_of_ours() {
    assert_eq!(sniff(b"# only a comment\n"), FileKind::Text(None));
    assert_eq!(NetDef::from_bytes(&b"# only a comment\n"[..], &limits()).unwrap(), NetDef::default());
    assert_eq!(sniff(b"foo: 1"), FileKind::Text(None));
    assert_eq!(NetDef::from_bytes(&b"foo: 1"[..], &limits()).unwrap_err().kind(), Kind::UnknownField);
    assert_eq!(
        TensorProtos::from_bytes(net().to_text().into_bytes(), &limits()).unwrap_err().kind(),
        Kind::WrongContent
    );
}

#[test]
fn every_message_can_be_read_from_its_own_bytes() {
    // A shape fits a tensor's fields; what was asked for decides.
    let shape = crate::TensorShape { dims: vec![1], data_type: Some(1), ..Default::default() };
    assert_eq!(crate::TensorShape::from_bytes(shape.to_binary(), &limits()).unwrap(), shape);
    assert_eq!(crate::TensorShape::from_bytes(shape.to_text().into_bytes(), &limits()).unwrap(), shape);
}
