use super::*;
use crate::{
    Argument, Caffe2Message as _, FileKind, MessageKind, NetDef, OperatorDef, ProtoErrorKind as Kind,
    TensorProto, TensorProtos, WireLimits, sniff,
};

fn limits() -> WireLimits {
    WireLimits::default()
}

#[test]
fn the_layout_is_a_field_a_line() {
    let net = NetDef::new("n")
        .external_inputs(["x", "y"])
        .op(OperatorDef::new("Clip").input("x").output("y").arg("min", -0.5f32).arg("shape", vec![2i64, -1]))
        .op(OperatorDef::new("Relu").named("\"é\n").input("y").output("y"));
    let net = NetDef { num_workers: Some(4), ..net };
    assert_eq!(
        net.to_json(),
        r#"{
  "name": "n",
  "op": [
    {
      "input": ["x"],
      "output": ["y"],
      "type": "Clip",
      "arg": [
        {
          "name": "min",
          "f": -0.5
        },
        {
          "name": "shape",
          "ints": ["2", "-1"]
        }
      ]
    },
    {
      "input": ["y"],
      "output": ["y"],
      "name": "\"é\n",
      "type": "Relu"
    }
  ],
  "num_workers": 4,
  "external_input": ["x", "y"]
}
"#
        .replace("é\n", "é\\n")
    );
    assert_eq!(NetDef::default().to_json(), "{}\n");
}

#[test]
fn every_form_of_a_value_is_read() {
    let json = r#" {"externalInput": ["x"], "num_workers": "3", "arg": [
        {"name": "a", "f": 1, "i": 7, "s": "AP8"}, {"name": "b", "f": "-Infinity", "i": "-9", "s": "_-8="},
        {"name": "c", "i": 3.0, "floats": ["1.5", 2e0], "n": {}, "t": {"data_type": "FLOAT16", "dims": ["5"]}},
        {"name": "d", "t": {"dataType": 2}, "n": null}
    ], "op": null}"#;
    let net = NetDef::from_json(json, &limits()).unwrap();
    let (a, b, c, d) = (&net.arg[0], &net.arg[1], &net.arg[2], &net.arg[3]);
    assert_eq!((net.num_workers, &net.external_input[..]), (Some(3), &["x".to_owned()][..]));
    assert_eq!((a.f, a.i, a.s.as_deref()), (Some(1.0), Some(7), Some(&b"\0\xff"[..])));
    assert_eq!((b.f, b.i, b.s.as_deref()), (Some(f32::NEG_INFINITY), Some(-9), Some(&b"\xff\xef"[..])));
    assert_eq!((c.i, &c.floats[..]), (Some(3), &[1.5, 2.0][..]));
    assert_eq!((c.n.as_deref(), c.t.as_ref().unwrap().data_type), (Some(&NetDef::default()), Some(12)));
    assert_eq!((d.t.as_ref().unwrap().data_type, &d.n), (Some(2), &None));
}

#[test]
fn errors_say_where_and_what() {
    for (json, kind, words) in [
        ("{", Kind::Truncated, "line 1, column 1: in NetDef: "),
        (
            "{\"op\": [{\n \"inputs\": []}]}",
            Kind::UnknownField,
            "line 2, column 9: in op[0] of NetDef: unknown field: found `inputs`, expected a field of OperatorDef; did you mean `input`?",
        ),
        (
            "{\"op\": {}}",
            Kind::WrongValue,
            "in op of NetDef: a value of another type: found an object, expected a list, each element an object, for `op`",
        ),
        ("{\"op\": [{\"input\": [1]}]}", Kind::WrongValue, "in op[0].input[0] of NetDef"),
        ("{\"op\": [null]}", Kind::WrongValue, "found null"),
        ("{\"name\": [\"a\"]}", Kind::WrongValue, "found a list, expected a string"),
        ("{\"num_workers\": 2147483648}", Kind::OutOfRange, "expected a signed 32-bit integer"),
        ("{\"num_workers\": 1.5}", Kind::WrongValue, "found 1.5"),
        ("{\"arg\": [{\"s\": \"?\"}]}", Kind::WrongValue, "expected a string with base64"),
        ("{\"arg\": [{\"t\": {\"data_type\": \"FLAOT\"}}]}", Kind::UnknownEnumValue, "did you mean `FLOAT`?"),
        ("{\"name\": \"a\", \"name\": \"b\"}", Kind::DuplicateField, "another `name`"),
        ("{\"name\": true}", Kind::WrongValue, "found true"),
        ("{} {}", Kind::Syntax, "trailing characters"),
        ("{\"partition_info\": [{}]}", Kind::MissingRequired, "in partition_info[0]"),
    ] {
        let error = NetDef::from_json(json, &limits()).unwrap_err();
        assert_eq!(error.kind(), kind, "{json}: {error}");
        assert!(error.to_string().contains(words), "{json}: {error}");
    }
}

#[test]
fn limits_hold() {
    let deep =
        |levels| (0..levels).fold("{}".to_owned(), |net, _| format!("{{\"arg\": [{{\"n\": {net}}}]}}"));
    assert!(NetDef::from_json(deep(30), &limits()).is_ok());
    for levels in [60, 5000] {
        assert!(NetDef::from_json(deep(levels), &limits()).is_err());
    }
    let shallow = WireLimits { max_depth: 3, ..limits() };
    assert_eq!(NetDef::from_json(deep(2), &shallow).unwrap_err().kind(), Kind::LimitExceeded);
    let few = WireLimits { max_operators: 2, ..limits() };
    assert_eq!(NetDef::from_json("{\"op\": [{}, {}, {}]}", &few).unwrap_err().kind(), Kind::LimitExceeded);
    let short = WireLimits { max_text_bytes: 5, ..limits() };
    assert_eq!(NetDef::from_json("{     }", &short).unwrap_err().kind(), Kind::LimitExceeded);
}

#[test]
fn json_is_recognised_and_told_apart() {
    let net = NetDef::new("n").op(OperatorDef::new("Relu").input("x").output("y"));
    let tensors = TensorProtos { protos: vec![TensorProto { dims: vec![1], ..TensorProto::default() }] };
    assert_eq!(sniff(net.to_json().as_bytes()), FileKind::Json(Some(MessageKind::Net)));
    assert_eq!(sniff(tensors.to_json().as_bytes()), FileKind::Json(Some(MessageKind::Tensors)));
    assert_eq!(sniff(b"{\"a\": 1}"), FileKind::Json(None));
    assert_eq!(NetDef::from_bytes(net.to_json().into_bytes(), &limits()).unwrap(), net);
    let error = NetDef::from_bytes(tensors.to_json().into_bytes(), &limits()).unwrap_err();
    assert!(
        error.kind() == Kind::WrongContent && error.to_string().contains("a TensorProtos as JSON"),
        "{error}"
    );
}

#[test]
fn names_in_camel_case() {
    for (field, camel) in
        [("external_input", "externalInput"), ("op", "op"), ("is_gradient_op", "isGradientOp")]
    {
        assert!(is_camel_case(field, camel) && !is_camel_case(field, "other"));
    }
    let extra = Argument { name: Some("a".into()), ..Argument::default() };
    assert!(Argument::from_json("{\"name\": \"a\"}", &limits()).unwrap() == extra);
}
