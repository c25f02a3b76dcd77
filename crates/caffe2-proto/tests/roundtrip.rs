//! Any message is the same after a trip through either form.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use caffe2_proto::{
    Argument, BlobProto, Caffe2Message, DeviceOption, NetDef, OperatorDef, QTensorProto, TensorProto,
    TensorProtos, WireLimits, tensor_proto::Segment,
};
use proptest::{collection::vec, option::of, prelude::*};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z_/.0-9]{0,8}", 1 => ".{0,6}", 1 => any::<String>()]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

/// Every bit pattern but those of NaNs, of which text has one.
fn float() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), any::<i16>().prop_map(f32::from), Just(-0.0)]
        .prop_map(|x| if x.is_nan() { f32::NAN } else { x })
}

fn double() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_map(|x| if x.is_nan() { f64::NAN } else { x })
}

fn device() -> impl Strategy<Value = DeviceOption> {
    (of(any::<i32>()), of(any::<u32>()), of(name()), vec(name(), 0..2)).prop_map(
        |(device_type, random_seed, node_name, extra_info)| DeviceOption {
            device_type,
            random_seed,
            node_name,
            extra_info,
            ..DeviceOption::default()
        },
    )
}

prop_compose! {
    fn tensor()(
        dims in vec(any::<i64>(), 0..3),
        data_type in of(-1..20),
        float_data in vec(float(), 0..4),
        int32_data in vec(any::<i32>(), 0..4),
        double_data in vec(double(), 0..4),
        int64_data in vec(any::<i64>(), 0..4),
        byte_data in of(bytes()),
        string_data in vec(bytes(), 0..3),
        name in of(name()),
        device_detail in of(device()),
        segment in of((any::<i64>(), any::<i64>())),
    ) -> TensorProto {
        let segment = segment.map(|(begin, end)| Segment { begin, end });
        TensorProto {
            dims, data_type, float_data, int32_data, double_data, int64_data, byte_data, string_data, name,
            device_detail, segment, ..TensorProto::default()
        }
    }
}

prop_compose! {
    fn quantised()(
        precision in any::<i32>(), scale in double(), bias in double(), is_signed in any::<bool>(),
        data in vec(any::<i32>(), 0..3), scales in vec(double(), 0..2), is_multiparam in of(any::<bool>()),
    ) -> QTensorProto {
        QTensorProto { precision, scale, bias, is_signed, data, scales, is_multiparam, ..QTensorProto::default() }
    }
}

fn argument(net: impl Strategy<Value = NetDef> + Clone) -> impl Strategy<Value = Argument> {
    let single = (of(float()), of(any::<i64>()), of(bytes()), of(tensor()), of(net.clone()));
    let lists = (
        vec(float(), 0..4),
        vec(any::<i64>(), 0..4),
        vec(bytes(), 0..3),
        vec(tensor(), 0..2),
        vec(quantised(), 0..2),
        vec(net, 0..2),
    );
    (name(), single, lists).prop_map(
        |(name, (f, i, s, t, n), (floats, ints, strings, tensors, qtensors, nets))| Argument {
            name: Some(name),
            f,
            i,
            s,
            t: t.map(Box::new),
            n: n.map(Box::new),
            floats,
            ints,
            strings,
            tensors,
            qtensors,
            nets,
        },
    )
}

fn net_of(net: impl Strategy<Value = NetDef> + Clone + 'static) -> impl Strategy<Value = NetDef> {
    let operator = (
        vec(name(), 0..3),
        vec(name(), 0..3),
        of(name()),
        vec(argument(net.clone()), 0..3),
        of(device()),
        of(any::<bool>()),
        of(any::<i64>()),
    )
        .prop_map(|(input, output, name, arg, device_option, is_gradient_op, op_version)| OperatorDef {
            input,
            output,
            name,
            arg,
            device_option,
            is_gradient_op,
            op_version,
            ..OperatorDef::new("T")
        });
    (of(name()), vec(operator, 0..3), of(any::<i32>()), vec(argument(net), 0..2), vec(name(), 0..2)).prop_map(
        |(name, op, num_workers, arg, external_input)| NetDef {
            name,
            op,
            num_workers,
            arg,
            external_input,
            ..NetDef::default()
        },
    )
}

fn net() -> impl Strategy<Value = NetDef> {
    let leaf = Just(NetDef::new("leaf")).boxed();
    leaf.prop_recursive(2, 8, 2, |inner| net_of(inner).boxed())
}

/// Compared by their bytes, which unlike `==` tell 0 from -0 and find NaN equal to itself.
fn assert_round_trips<M: Caffe2Message>(message: &M) {
    let limits = WireLimits::default();
    let binary = message.to_binary();
    assert_eq!(M::from_binary(binary.clone(), &limits).unwrap().to_binary(), binary);
    let text = message.to_text();
    assert_eq!(M::from_text(&text, &limits).unwrap().to_binary(), binary, "{text}");
    let json = message.to_json();
    assert_eq!(M::from_json(&json, &limits).unwrap().to_binary(), binary, "{json}");
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nets(net in net()) {
        assert_round_trips(&net);
    }

    #[test]
    fn tensors(protos in vec(tensor(), 0..4)) {
        assert_round_trips(&TensorProtos { protos });
    }

    #[test]
    fn blobs(tensor in of(tensor()), qtensor in of(quantised()), content in of(bytes()), name in of(name())) {
        assert_round_trips(&BlobProto { name, tensor, qtensor, content, ..BlobProto::default() });
    }

    #[test]
    fn floats(floats in vec(float(), 0..200), doubles in vec(double(), 0..200)) {
        assert_round_trips(&TensorProto { float_data: floats, double_data: doubles, ..TensorProto::default() });
    }

    #[test]
    fn noise_never_panics(noise in vec(any::<u8>(), 0..200)) {
        let _ = NetDef::from_bytes(noise.clone(), &WireLimits::default());
        let _ = NetDef::from_binary(noise.clone(), &WireLimits::default());
        let _ = NetDef::from_text(&noise, &WireLimits::default());
        let _ = NetDef::from_json(&noise, &WireLimits::default());
    }

    #[test]
    fn noise_as_json_never_panics(noise in "(\\{|\\}|\\[|\\]|:|,|\"op\"|\"arg\"|\"n\"|\"i\"|\"s\"|\"name\"|null|true|1|-|1e9|\"NaN\"|\"AA==\"| ){0,60}") {
        let _ = NetDef::from_json(&noise, &WireLimits::default());
        let _ = NetDef::from_bytes(noise.into_bytes(), &WireLimits::default());
    }

    #[test]
    fn noise_in_words_never_panics(noise in "(op|arg|n|name|type|i|f|\\{|\\}|<|>|:|\\[|\\]|\"|'|\\\\|-|1|0x|.5e|inf|,|;|#|\n| ){0,60}") {
        let _ = NetDef::from_text(&noise, &WireLimits::default());
        let _ = NetDef::from_bytes(noise.into_bytes(), &WireLimits::default());
    }
}
