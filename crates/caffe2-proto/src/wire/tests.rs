use prost::Message as _;

use crate::{
    Caffe2Message, NetDef, NetsMap, OperatorDef, Position, ProtoError, ProtoErrorKind as Kind, QTensorProto,
    TensorProto, TensorShape, WireLimits, limits::MAX_DEPTH, tensor_proto::Segment,
};

fn limits() -> WireLimits {
    WireLimits::default()
}

fn net_error(bytes: &[u8]) -> ProtoError {
    NetDef::from_binary(bytes.to_vec(), &limits()).unwrap_err()
}

fn small_net() -> NetDef {
    let inner = NetDef::new("inner").op(OperatorDef::new("T").input("z"));
    NetDef::new("net")
        .op(OperatorDef::new("Conv")
            .inputs(["x", "w"])
            .output("y")
            .arg("kernel", 3)
            .arg("scales", [1.0, 2.0]))
        .op(OperatorDef::new("If").input("y").arg("then_net", inner))
        .external_input("x")
}

/// Nets inside of one another: each is an operator, an argument and a net deep.
fn nested(nets: usize) -> Vec<u8> {
    let mut net = Vec::new();
    for _ in 0..nets {
        let mut wrap = |tag: u8| {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(net.len() as u64, &mut outer);
            outer.append(&mut net);
            net = outer;
        };
        wrap(0x42);
        wrap(0x2a);
        wrap(0x12);
    }
    net
}

#[test]
fn cut_at_every_byte() {
    let bytes = small_net().to_binary();
    for end in 0..bytes.len() {
        match NetDef::from_binary(bytes[..end].to_vec(), &limits()) {
            Ok(part) => assert_eq!(part.to_binary(), &bytes[..end], "a cut between two fields"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Truncated, "{end}: {error}");
                let Some(Position::Offset(offset)) = error.position() else { panic!("no offset: {error}") };
                assert!(offset <= end, "{end}: {error}");
            }
        }
    }
}

#[test]
fn any_byte_changed() {
    let bytes = small_net().to_binary();
    for at in 0..bytes.len() {
        for value in [0, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(net) = NetDef::from_binary(changed, &limits()) {
                let _ = net.to_text();
            }
        }
    }
}

/// What the scan lets pass, the decoder does too: no error of its own is ever seen.
#[test]
fn the_decoder_agrees_with_the_scan() {
    let mut seed = 1u64;
    let mut passed = 0;
    for _ in 0..200_000 {
        let mut bytes = Vec::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let choices = [0x0a, 0x12, 0x1a, 0x20, 0x2a, 0, 1, 2, 3, 4, 0x3a, 0x55, 0x0b, 0x0c, 0x80, 0xff];
            bytes.push(choices[(seed >> 60) as usize]);
        }
        let scanned = NetDef::from_binary(bytes.clone(), &limits());
        assert_eq!(scanned.is_ok(), NetDef::decode(&*bytes).is_ok(), "{bytes:x?} {scanned:?}");
        passed += usize::from(scanned.is_ok());
    }
    assert!(passed > 100, "{passed}");
}

#[test]
fn a_fault_names_offset_and_path() {
    let net = small_net();
    let mut bytes = net.to_binary();
    // `kernel` of the first operator: 3 as a varint becomes a fixed32.
    let at = bytes.windows(2).position(|w| w == [0x18, 3]).unwrap();
    bytes[at] = 0x1d;
    let error = net_error(&bytes);
    assert_eq!(error.kind(), Kind::WrongWireType);
    assert_eq!(error.position(), Some(Position::Offset(at)));
    assert_eq!((error.message_type(), error.message_path()), (Some("NetDef"), "op[0].arg[0].i"));
    assert_eq!((error.found_text(), error.expected_text()), (Some("4 fixed bytes"), Some("a varint")));

    let mut bytes = net.to_binary();
    let at = bytes.iter().rposition(|&b| b == b'z').unwrap();
    bytes[at] = 0xff;
    let error = net_error(&bytes);
    assert_eq!(error.kind(), Kind::InvalidUtf8);
    assert_eq!(error.message_path(), "op[1].arg[0].n.op[0].input[0]");
    assert_eq!(error.found_text(), Some(r#""\xff""#));
}

#[test]
fn malformed_bytes() {
    for (bytes, kind, why) in [
        (&[0x00, 1][..], Kind::Malformed, "field number 0"),
        (&[0x07], Kind::Malformed, "wire type 7"),
        (&[0x0c], Kind::Malformed, "a group ends that has not begun"),
        (&[0x7b, 0x84, 0x01], Kind::Malformed, "a group ends as another"),
        (&[0x7b, 0x08, 0x01], Kind::Truncated, "a group without end"),
        (&[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Kind::Malformed, "65 bits"),
        (&[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0], Kind::Malformed, "11 bytes"),
        (&[0x20, 0x80], Kind::Truncated, "a varint without end"),
        (
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            Kind::Truncated,
            "length 2^64 - 1",
        ),
        (&[0x12, 2, 0x0a, 5], Kind::Malformed, "a name longer than its operator"),
    ] {
        let error = net_error(bytes);
        assert_eq!(error.kind(), kind, "{why}: {error}");
        assert!(NetDef::decode(bytes).is_err(), "{why}");
    }
    let cut = TensorProto::from_binary(&[0x1a, 3, 0, 0, 0][..], &limits()).unwrap_err();
    assert_eq!((cut.kind(), cut.expected_text()), (Kind::Malformed, Some("a multiple of 4")));
    let cut = TensorProto::from_binary(&[0x22, 1, 0x80][..], &limits()).unwrap_err();
    assert_eq!(cut.message_path(), "int32_data[0]");
}

#[test]
fn missing_required_fields_are_named() {
    let whole = Segment { begin: 1, end: 2 };
    assert_eq!(Segment::from_binary(whole.to_binary(), &limits()).unwrap(), whole);
    // prost itself takes the absent `end` for 0.
    let error = TensorProto::from_binary(&[0x5a, 2, 0x08, 1][..], &limits()).unwrap_err();
    assert_eq!(error.kind(), Kind::MissingRequired);
    assert_eq!(error.message_path(), "segment");
    assert_eq!(error.expected_text(), Some("`end` of TensorProto.Segment"));
    let error = QTensorProto::from_binary(&[][..], &limits()).unwrap_err();
    assert_eq!(error.expected_text(), Some("`precision`, `scale`, `bias`, `is_signed` of QTensorProto"));
    assert_eq!(NetsMap::from_binary(&[][..], &limits()).unwrap_err().kind(), Kind::MissingRequired);
}

#[test]
fn unknown_fields_are_tolerated() {
    let mut bytes = small_net().to_binary();
    // Field 15: a varint, a group that holds a group, fixed bytes and a string.
    bytes.extend([
        0x78, 5, 0x7b, 0x0b, 0x0d, 0, 0, 0, 0, 0x0c, 0x7c, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x7a, 1, 0,
    ]);
    assert_eq!(NetDef::from_binary(bytes, &limits()).unwrap(), small_net());
    let deep = [0x7bu8; 200];
    assert_eq!(net_error(&deep).kind(), Kind::LimitExceeded);
}

#[test]
fn packed_and_unpacked_are_equal() {
    let dims: &[&[u8]] = &[&[0x08, 1, 0x08, 2, 0x08, 3], &[0x0a, 3, 1, 2, 3], &[0x08, 1, 0x0a, 2, 2, 3]];
    for &bytes in dims {
        assert_eq!(TensorShape::from_binary(bytes, &limits()).unwrap().dims, [1, 2, 3]);
    }
    for bytes in [&[0x1d, 0, 0, 0x80, 0x3f][..], &[0x1a, 4, 0, 0, 0x80, 0x3f]] {
        assert_eq!(TensorProto::from_binary(bytes, &limits()).unwrap().float_data, [1.0]);
    }
}

#[test]
fn limits_bound_every_count() {
    let two_megabytes_of_operators = [0x12, 0].repeat(1 << 20);
    let error = net_error(&two_megabytes_of_operators);
    assert_eq!(error.kind(), Kind::LimitExceeded);
    assert_eq!(error.found_text(), Some("100001 operators"));
    assert_eq!(error.position(), Some(Position::Offset(200_000)));

    let bytes = small_net().to_binary();
    let refused = |limits: WireLimits| {
        let error = NetDef::from_binary(bytes.clone(), &limits).unwrap_err();
        assert_eq!(error.kind(), Kind::LimitExceeded);
        error.found_text().map(str::to_owned).unwrap_or_default()
    };
    let all = limits();
    assert_eq!(refused(WireLimits { max_bytes: bytes.len() - 1, ..all }), format!("{} bytes", bytes.len()));
    assert_eq!(refused(WireLimits { max_operators: 2, ..all }), "3 operators");
    assert_eq!(refused(WireLimits { max_arguments: 2, ..all }), "3 arguments");
    assert_eq!(refused(WireLimits { max_messages: 1, ..all }), "2 messages");
    assert_eq!(refused(WireLimits { max_elements: 1, ..all }), "2 repeated numbers");
    assert_eq!(refused(WireLimits { max_strings: 5, ..all }), "6 repeated strings");
    assert_eq!(refused(WireLimits { max_depth: 3, ..all }), "4 levels of messages");
    let exact = WireLimits {
        max_bytes: bytes.len(),
        max_operators: 3,
        max_arguments: 3,
        max_messages: 2,
        max_elements: 2,
        max_strings: 6,
        max_depth: 4,
        ..all
    };
    assert_eq!(NetDef::from_binary(bytes.clone(), &exact).unwrap(), small_net());

    let packed = TensorProto { int64_data: vec![1; 10], ..TensorProto::default() }.to_binary();
    let few = WireLimits { max_elements: 9, ..all };
    assert_eq!(TensorProto::from_binary(packed, &few).unwrap_err().found_text(), Some("10 repeated numbers"));
}

#[test]
fn depth_is_the_decoders() {
    assert_eq!(MAX_DEPTH, 100);
    assert!(NetDef::from_binary(nested(33), &limits()).is_ok());
    for limits in [limits(), WireLimits::TRUSTED, WireLimits { max_depth: 1000, ..limits() }] {
        let error = NetDef::from_binary(nested(34), &limits).unwrap_err();
        assert_eq!((error.kind(), error.found_text()), (Kind::LimitExceeded, Some("101 levels of messages")));
    }
    // The same depth to the level: a net in 33 nets, and a message in it.
    let mut at_limit = nested(33);
    assert!(NetDef::decode(&*at_limit).is_ok());
    at_limit = nested(34);
    assert!(NetDef::decode(&*at_limit).is_err());
    assert_eq!(net_error(&nested(20_000)).kind(), Kind::LimitExceeded);
}

#[test]
fn byte_fields_are_not_copied() {
    let net =
        NetDef::new("n").op(OperatorDef::new("T").arg("s", vec![7u8; 1000]).arg("l", [&[8u8; 100][..]]));
    let bytes = bytes::Bytes::from(net.to_binary());
    let range = bytes.as_ptr_range();
    let read = NetDef::from_binary(bytes.clone(), &limits()).unwrap();
    let arguments = &read.op[0].arg;
    assert!(range.contains(&arguments[0].s.as_ref().unwrap().as_ptr()));
    assert!(range.contains(&arguments[1].strings[0].as_ptr()));
}

#[test]
fn runs_of_unpacked_numbers_are_counted_each() {
    let argument = |floats: &[f32]| crate::Argument::new("a", floats);
    let floats: Vec<f32> = (0u8..50).map(f32::from).collect();
    // Another field in between, and the same field once more behind it.
    let mut bytes = argument(&floats).to_binary();
    bytes.extend([0x18, 1, 0x2d, 0, 0, 0x80, 0x3f]);
    let read = crate::Argument::from_binary(bytes.clone(), &limits()).unwrap();
    assert_eq!((read.floats.len(), read.i), (51, Some(1)));
    let few = WireLimits { max_elements: 50, ..limits() };
    let error = crate::Argument::from_binary(bytes.clone(), &few).unwrap_err();
    assert_eq!(error.found_text(), Some("51 repeated numbers"));
    bytes.pop();
    let error = crate::Argument::from_binary(bytes, &limits()).unwrap_err();
    assert_eq!((error.kind(), error.message_path()), (Kind::Truncated, "floats[50]"));
}
