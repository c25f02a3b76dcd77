use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::{EncodedNet, EncodedOperator, NumberField, operator, parts};
use crate::{
    Argument, Caffe2Message as _, DeviceOption, NetDef, OperatorDef, Position, ProtoError,
    ProtoErrorKind as Kind, WireLimits,
};

fn limits() -> WireLimits {
    WireLimits::default()
}

fn floats(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 * 0.5 - 3.0).collect()
}

fn fill(output: &str, count: usize) -> OperatorDef {
    OperatorDef::new("GivenTensorFill")
        .output(output)
        .arg("shape", vec![count as i64])
        .arg("values", floats(count))
}

fn net() -> NetDef {
    let bytes = OperatorDef::new("Bytes").output("codes").arg("values", vec![vec![7u8; 1000]]);
    let inner = NetDef::new("inner").op(fill("z", 40));
    NetDef::new("init")
        .with_type("simple")
        .external_input("x")
        .op(fill("w", 1000))
        .op(bytes)
        .op(fill("b", 2))
        .op(OperatorDef::new("If").input("x").arg("then_net", inner).arg("long", floats(40)))
        .external_outputs(["w", "b"])
        .arg("a", 1)
}

/// The net as it comes back operator by operator.
fn decoded(mut encoded: EncodedNet) -> Result<NetDef, ProtoError> {
    let mut net = encoded.outline().clone();
    for position in 0..encoded.len() {
        let looked_at = encoded.operator(position)?;
        let taken = encoded.take(position)?;
        // As text: a NaN, which flipped bits may make, is not equal to itself.
        assert_eq!(format!("{looked_at:?}"), format!("{taken:?}"));
        assert!(encoded.take(position).is_err() && encoded.operator(position).is_err());
        net.op[position] = taken.into_def()?;
    }
    assert!(encoded.operator(encoded.len()).is_err());
    Ok(net)
}

fn in_parts(bytes: &[u8]) -> Vec<Bytes> {
    parts::split(bytes, bytes.len()).unwrap()
}

fn without_arguments(mut net: NetDef) -> NetDef {
    net.op.iter_mut().filter(|op| op.r#type() != "If").for_each(|op| op.arg.clear());
    net
}

#[test]
fn the_operators_are_those_of_the_whole() {
    let net = net();
    let bytes = net.to_binary();
    let whole = || EncodedNet::from_bytes(bytes.clone(), &limits()).unwrap();
    assert_eq!(*whole().outline(), without_arguments(net.clone()));
    assert_eq!(whole().operator(3).unwrap().numbers("long").map(|n| n.len()), Some(40));
    assert_eq!(decoded(whole()).unwrap(), net);
    assert_eq!(decoded(EncodedNet::from(net.clone())).unwrap(), net);
    assert_eq!(decoded(EncodedNet::from_bytes(net.to_text(), &limits()).unwrap()).unwrap(), net);
    let parts = in_parts(&bytes);
    assert!(parts.len() > 3, "{}", parts.len());
    assert_eq!(parts.concat(), bytes);
    assert_eq!(decoded(EncodedNet::from_parts(parts, &limits()).unwrap()).unwrap(), net);
    let sizes: Vec<_> = (0..4).map(|position| whole().operator_bytes(position)).collect();
    assert_eq!(sizes, net.op.iter().map(|op| op.encoded_len()).collect::<Vec<_>>());
}

#[test]
fn fields_stand_in_any_order_and_merge() {
    let first =
        NetDef::new("n").with_device(DeviceOption { device_type: Some(0), ..DeviceOption::default() });
    let pieces = [
        NetDef { external_output: vec!["w".into()], ..NetDef::default() },
        NetDef { op: vec![fill("w", 100)], ..NetDef::default() },
        first,
        NetDef { op: vec![fill("v", 1)], external_input: vec!["x".into()], ..NetDef::default() },
        NetDef {
            device_option: Some(DeviceOption { random_seed: Some(7), ..DeviceOption::default() }),
            ..NetDef::default()
        },
        NetDef { op: vec![fill("u", 300)], name: Some("m".into()), ..NetDef::default() },
    ];
    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_binary()).collect();
    let want = NetDef::from_binary(bytes.clone(), &limits()).unwrap();
    assert_eq!((want.name(), want.device_option.as_ref().and_then(|d| d.random_seed)), ("m", Some(7)));
    assert_eq!(decoded(EncodedNet::from_bytes(bytes.clone(), &limits()).unwrap()).unwrap(), want);
    assert_eq!(decoded(EncodedNet::from_parts(in_parts(&bytes), &limits()).unwrap()).unwrap(), want);
    // A group, which only unknown fields can be, between the operators.
    let at = pieces.iter().take(3).map(|piece| piece.encoded_len()).sum();
    let mut grouped = bytes[..at].to_vec();
    grouped.extend([0x7b, 0x08, 1, 0x7c]);
    grouped.extend(&bytes[at..]);
    assert_eq!(decoded(EncodedNet::from_bytes(grouped.clone(), &limits()).unwrap()).unwrap(), want);
    assert_eq!(decoded(EncodedNet::from_parts(in_parts(&grouped), &limits()).unwrap()).unwrap(), want);
}

#[test]
fn a_cut_is_told_as_for_the_whole() {
    let bytes = net().to_binary();
    for end in 0..bytes.len() {
        let cut = &bytes[..end];
        let want = NetDef::from_bytes(cut.to_vec(), &limits());
        for got in [
            EncodedNet::from_bytes(cut.to_vec(), &limits()),
            EncodedNet::from_parts(in_parts(cut), &limits()),
        ] {
            match (&want, got.and_then(decoded)) {
                (Ok(want), Ok(got)) => assert_eq!(got, *want),
                (Err(want), Err(got)) => assert_eq!(got.to_string(), want.to_string()),
                (want, got) => panic!("{end}: {want:?} {got:?}"),
            }
        }
    }
    let error = EncodedNet::from_parts(in_parts(&bytes[..bytes.len() - 60]), &limits()).unwrap_err();
    assert!(
        matches!(error.position(), Some(Position::Offset(_))) && error.kind() == Kind::Truncated,
        "{error}"
    );
}

#[test]
fn limits_hold_over_all_parts() {
    let bytes = net().to_binary();
    let refused = |limits: WireLimits| {
        let whole = EncodedNet::from_bytes(bytes.clone(), &limits).unwrap_err();
        let parts = EncodedNet::from_parts(in_parts(&bytes), &limits).unwrap_err();
        assert_eq!((whole.kind(), whole.to_string()), (Kind::LimitExceeded, parts.to_string()));
        whole.found_text().map(str::to_owned).unwrap_or_default()
    };
    let all = limits();
    assert_eq!(refused(WireLimits { max_operators: 4, ..all }), "5 operators");
    assert_eq!(refused(WireLimits { max_bytes: bytes.len() - 1, ..all }), format!("{} bytes", bytes.len()));
    assert!(refused(WireLimits { max_elements: 1040, ..all }).ends_with(" repeated numbers"));
    let exact = WireLimits { max_operators: 5, max_bytes: bytes.len(), ..all };
    assert!(EncodedNet::from_parts(in_parts(&bytes), &exact).is_ok());
}

#[test]
fn files_are_read_in_parts_and_named_in_errors() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), net().to_binary()).unwrap();
    let read = EncodedNet::from_file(file.path(), &limits()).unwrap();
    assert!(read.held_parts().len() > 3);
    assert_eq!(decoded(read).unwrap(), net());
    let small = WireLimits { max_bytes: 100, ..limits() };
    for (content, limits, words) in [
        (net().to_binary(), small, "at most 100"),
        (b"PK\x03\x04".to_vec(), limits(), "a Zip archive"),
        (Vec::new(), limits(), "the file is empty"),
    ] {
        std::fs::write(file.path(), content).unwrap();
        let error = EncodedNet::from_file(file.path(), &limits).unwrap_err();
        assert_eq!(error.file(), Some(file.path()));
        assert!(error.to_string().contains(words), "{error}");
    }
    std::fs::write(file.path(), net().to_text()).unwrap();
    assert_eq!(decoded(EncodedNet::from_file(file.path(), &limits()).unwrap()).unwrap(), net());
    assert_eq!(EncodedNet::from_file("no/such.pb", &limits()).unwrap_err().kind(), Kind::Io);
}

#[test]
fn the_bytes_of_operators_are_shared_and_go_with_them() {
    let bytes = Bytes::from(net().to_binary());
    let range = bytes.as_ptr_range();
    let encoded = EncodedNet::from_bytes(bytes.clone(), &limits()).unwrap();
    assert!(range.contains(&encoded.operator(1).unwrap().def().arg[0].strings[0].as_ptr()));

    let mut encoded = EncodedNet::from_parts(in_parts(&bytes), &limits()).unwrap();
    let held = |encoded: &EncodedNet| encoded.held_parts().iter().sum::<usize>();
    let before = held(&encoded);
    assert!(before > 1000 && before < 2000, "{before}: the floats of `w` are with their operator");
    drop(encoded.take(1).unwrap());
    assert!(held(&encoded) < before - 1000);
    drop(encoded.take(2).unwrap());
    assert_eq!(held(&encoded), 0);
}

#[test]
fn lists_are_released_when_the_last_user_goes() {
    let bytes = Bytes::from(net().to_binary());
    let released = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&released);
    let mut encoded =
        EncodedNet::from_mapped(bytes.clone(), &limits(), move |range| tell.lock().unwrap().push(range))
            .unwrap();
    let operator = encoded.take(0).unwrap();
    let numbers = operator.numbers("values").unwrap().clone();
    drop(operator);
    assert_eq!(*released.lock().unwrap(), []);
    drop(numbers);
    let range = released.lock().unwrap().pop().unwrap();
    assert_eq!(range.len(), 5 * 1000);
    assert_eq!(&bytes[range.start..range.start + 5], [0x2d, 0, 0, 0x40, 0xc0], "the key and -3");
    drop(encoded);
    assert_eq!(released.lock().unwrap().len(), 1, "that of `If`");
}

/// The binary form of an operator with one argument, whose fields after its name are these.
fn with_argument(fields: &[u8]) -> Vec<u8> {
    let mut argument = Argument { name: Some("v".into()), ..Argument::default() }.to_binary();
    argument.extend(fields);
    let mut operator = OperatorDef::new("T").output("y").to_binary();
    operator.push(0x2a);
    prost::encoding::encode_varint(argument.len() as u64, &mut operator);
    operator.extend(argument);
    operator
}

#[test]
fn what_is_no_plain_list_is_decoded() {
    let unpacked =
        |count: usize| floats(count).iter().flat_map(|f| [&[0x2d], &f.to_le_bytes()[..]].concat()).collect();
    let packed = |key: u8, bytes: Vec<u8>| {
        let mut field = vec![key];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        [field, bytes].concat()
    };
    let packed_floats = packed(0x2a, floats(100).iter().flat_map(|f| f.to_le_bytes()).collect());
    let ints: Vec<u8> = (0..100u64).flat_map(|i| [0x30, 0x80 | i as u8, 3]).collect();
    let packed_ints = packed(0x32, [0xff, 1].repeat(100));
    let name = [0x0a, 1, b'v'];
    let runs: Vec<u8> = unpacked(100);
    for (fields, encoded) in [
        (runs.clone(), Some((NumberField::Floats, 100))),
        (packed_floats.clone(), Some((NumberField::Floats, 100))),
        (ints.clone(), Some((NumberField::Ints, 100))),
        (packed_ints, Some((NumberField::Ints, 100))),
        ([runs.clone(), name.to_vec()].concat(), Some((NumberField::Floats, 100))),
        // Two runs, of which the second is packed, or of another field; a value beside; a key in two bytes.
        ([runs.clone(), packed_floats].concat(), None),
        ([runs.clone(), ints].concat(), None),
        ([runs.clone(), name.to_vec(), runs.clone()].concat(), None),
        ([runs.clone(), vec![0x18, 5]].concat(), None),
        ([&[0xad, 0, 0, 0, 0, 0][..], &runs].concat(), None),
        ([runs, vec![0x78, 5]].concat(), None),
    ] {
        let bytes = with_argument(&fields);
        assert!(bytes.len() > operator::LONG);
        let want = OperatorDef::decode(&bytes[..]).unwrap();
        let got = EncodedOperator::decode(bytes.into(), 0, None).unwrap();
        assert_eq!(got.numbers("v").map(|numbers| (numbers.field(), numbers.len())), encoded);
        assert_eq!(got.encoded_arguments().count(), usize::from(encoded.is_some()));
        assert!(
            encoded.is_none()
                || got.def().arg[0] == Argument { name: Some("v".into()), ..Argument::default() }
        );
        assert_eq!(got.into_def().unwrap(), want);
    }
    let twice = OperatorDef::new("T").arg("v", floats(100)).arg("v", floats(99));
    let got = EncodedOperator::decode(twice.to_binary().into(), 0, None).unwrap();
    assert!(got.numbers("v").is_none() && *got.def() == twice);
}

#[test]
fn numbers_that_changed_meanwhile_are_an_error() {
    let ints: Vec<u8> = (0..100u8).flat_map(|i| [0x30, i]).collect();
    let mut operator = EncodedOperator::decode(with_argument(&ints).into(), 0, None).unwrap();
    let cut = operator.numbers("v").unwrap().cut_short();
    assert_eq!(cut.for_each_piece(|_| Ok::<(), ProtoError>(())).unwrap_err().kind(), Kind::Malformed);
    assert_eq!(operator.def_mut().unwrap().arg[0].ints.len(), 100);
}

#[test]
fn operators_are_changed_and_left_out() {
    let bytes = net().to_binary();
    let mut encoded = EncodedNet::from_bytes(bytes.clone(), &limits()).unwrap();
    let mut seen = Vec::new();
    encoded
        .retain_mut(|position, operator| {
            seen.push((position, operator.def().output.concat()));
            if operator.def().output == ["b"] {
                operator.def_mut()?.output[0] = "c".into();
                operator.def_mut()?.arg.clear();
            }
            Ok::<bool, ProtoError>(position != 0)
        })
        .unwrap();
    assert_eq!(seen, [(0, "w".into()), (1, "codes".into()), (2, "b".into()), (3, String::new())]);
    assert_eq!((encoded.len(), &encoded.outline().op[1].output[0]), (3, &"c".to_owned()));
    // `w` was left out; that nobody writes `b` any more is a mistake of whoever changed it.
    assert_eq!(encoded.outline().external_output, ["b"]);
    let got = decoded(encoded).unwrap();
    let mut want = NetDef { external_output: vec!["b".into()], ..net() };
    want.op.remove(0);
    want.op[1] = OperatorDef::new("GivenTensorFill").output("c");
    assert_eq!(got, want);

    let mut encoded = EncodedNet::from_parts(in_parts(&bytes), &limits()).unwrap();
    let failed = encoded.retain_mut(|position, _| {
        if position == 2 { Err(ProtoError::new(Kind::Malformed, "no")) } else { Ok(true) }
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    drop(encoded.take(0).unwrap());
    encoded.retain_mut(|position, _| Ok::<bool, ProtoError>(position == 2)).unwrap();
    assert_eq!((encoded.len(), encoded.take(1).unwrap().def().output[0].as_str()), (2, "b"));
}

fn argument() -> impl Strategy<Value = Argument> {
    let name = "[ab]{0,2}";
    prop_oneof![
        (name, proptest::collection::vec(any::<f32>(), 0..80)).prop_map(|(n, v)| Argument::new(n, v)),
        (name, proptest::collection::vec(any::<i64>(), 0..80)).prop_map(|(n, v)| Argument::new(n, v)),
        (name, proptest::collection::vec(any::<u8>(), 0..400)).prop_map(|(n, v)| Argument::new(n, v)),
        (name, any::<i64>()).prop_map(|(n, v)| Argument::new(n, v)),
        (name, "[a-z]{0,3}").prop_map(|(n, v)| Argument::new(n, NetDef::new(v))),
    ]
}

fn operator() -> impl Strategy<Value = OperatorDef> {
    (proptest::collection::vec(argument(), 0..4), "[A-Z]{0,3}", proptest::collection::vec("[a-d]", 0..3))
        .prop_map(|(arg, op_type, output)| OperatorDef {
            arg,
            output,
            r#type: Some(op_type),
            ..OperatorDef::default()
        })
}

proptest! {
    #[test]
    fn any_net_comes_back(
        pieces in proptest::collection::vec((operator(), "[a-d]{0,2}", any::<bool>()), 0..8),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
    ) {
        let mut bytes = Vec::new();
        for (operator, name, output_first) in pieces {
            let output = NetDef { external_output: vec![name], ..NetDef::default() }.to_binary();
            let operator = NetDef::default().op(operator).to_binary();
            bytes.extend(if output_first { [output, operator] } else { [operator, output] }.concat());
        }
        for (at, value) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        let want = NetDef::from_bytes(bytes.clone(), &limits());
        for got in [
            EncodedNet::from_bytes(bytes.clone(), &limits()),
            EncodedNet::from_parts(in_parts(&bytes), &limits()),
        ] {
            match (&want, got.and_then(decoded)) {
                // NaNs are equal to the bit.
                (Ok(want), Ok(got)) => prop_assert_eq!(got.to_binary(), want.to_binary()),
                (Err(want), Err(got)) => prop_assert_eq!(got.to_string(), want.to_string()),
                (want, got) => prop_assert!(false, "{:?} {:?}", want, got),
            }
        }
    }
}
