use crate::{
    Caffe2Message, NetDef, NetsMap, OperatorDef, Position, ProtoError, ProtoErrorKind as Kind, QTensorProto,
    TensorProto, WireLimits,
};

fn limits() -> WireLimits {
    WireLimits::default()
}

fn error(text: &str) -> ProtoError {
    NetDef::from_text(text, &limits()).unwrap_err()
}

fn at(line: usize, column: usize) -> Option<Position> {
    Some(Position::LineColumn { line, column })
}

#[test]
fn the_forms_of_published_nets() {
    let net = NetDef::from_text(
        r#"# a comment with { and "
        name: "a" op < input: 'x' output: "y" "z" type: "Conv", arg: { name: "k" i: 3 };
        device_option { } engine: "" >
        op: [{ type: "A" }, { type: "B" arg { name: "s" s: "\x41\102\n\"" floats: [1, 2e0, -inf] } }]
        external_input: ["p", "q"]"#,
        &limits(),
    )
    .unwrap();
    let conv = OperatorDef::new("Conv")
        .input("x")
        .output("yz")
        .arg("k", 3)
        .with_device(crate::DeviceOption::default())
        .with_engine("");
    let mut b = OperatorDef::new("B").arg("s", "AB\n\"");
    b.arg[0].floats = vec![1.0, 2.0, f32::NEG_INFINITY];
    let want = NetDef::new("a").op(conv).op(OperatorDef::new("A")).op(b).external_inputs(["p", "q"]);
    assert_eq!(net, want);
}

#[test]
fn a_misspelt_field_is_placed_and_the_near_name_given() {
    let error =
        error("name: \"n\"\nop {\n  type: \"A\"\n}\nop {\n  arg { name: \"a\" }\n  arg { nme: \"b\" }\n}");
    assert_eq!(error.kind(), Kind::UnknownField);
    assert_eq!(error.position(), at(7, 9));
    assert_eq!((error.message_type(), error.message_path()), (Some("NetDef"), "op[1].arg[1]"));
    assert_eq!(error.found_text(), Some("`nme`"));
    assert_eq!(error.expected_text(), Some("a field of Argument"));
    assert_eq!(error.help_text(), Some("did you mean `name`?"));
}

#[test]
fn a_field_without_near_name_lists_what_there_is() {
    let error = error("op { xyzzyxyzzy: 1 }");
    assert!(error.help_text().unwrap().starts_with("it has input, output, name, type, arg"), "{error}");
}

#[test]
fn values_of_another_type() {
    for (text, kind, path, found, expected) in [
        (
            "op { arg { i: 1.5 } }",
            Kind::WrongValue,
            "op[0].arg[0].i",
            "1.5",
            "a signed 64-bit integer for `i`",
        ),
        (
            "op { arg { i: \"1\" } }",
            Kind::WrongValue,
            "op[0].arg[0].i",
            "\"1\"",
            "a signed 64-bit integer for `i`",
        ),
        ("op { arg { f: x } }", Kind::WrongValue, "op[0].arg[0].f", "x", "a number for `f`"),
        ("op {} op { type: Relu }", Kind::WrongValue, "op[1].type", "Relu", "a string in quotes for `type`"),
        (
            "op { input: [\"a\", 3] }",
            Kind::WrongValue,
            "op[0].input[1]",
            "3",
            "a string in quotes for `input`",
        ),
        (
            "op { is_gradient_op: 2 }",
            Kind::WrongValue,
            "op[0].is_gradient_op",
            "2",
            "true or false for `is_gradient_op`",
        ),
        ("op: 5", Kind::WrongValue, "op[0]", "5", "`{` and the fields of OperatorDef"),
        ("name { }", Kind::WrongValue, "name", "{", "a string in quotes for `name`"),
        (
            "num_workers: 3000000000",
            Kind::OutOfRange,
            "num_workers",
            "3000000000",
            "a signed 32-bit integer for `num_workers`",
        ),
        (
            "device_option { random_seed: -1 }",
            Kind::OutOfRange,
            "device_option.random_seed",
            "-1",
            "an unsigned 32-bit integer for `random_seed`",
        ),
        (
            "device_option { device_type: CUDA }",
            Kind::WrongValue,
            "device_option.device_type",
            "CUDA",
            "a signed 32-bit integer for `device_type`",
        ),
    ] {
        let error = error(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.message_path(), path, "{error}");
        assert_eq!((error.found_text(), error.expected_text()), (Some(found), Some(expected)));
        let column = 1 + text.rfind(found).unwrap();
        assert_eq!(error.position(), at(1, column), "{error}");
    }
}

#[test]
fn enum_values_and_second_values() {
    let error = TensorProto::from_text("dims: 1\ndata_type: FLAOT", &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::UnknownEnumValue, at(2, 12)));
    assert_eq!(error.expected_text(), Some("a value of TensorProto.DataType"));
    assert!(error.help_text().unwrap().contains("`FLOAT`"), "{error}");
    assert_eq!(TensorProto::from_text("data_type: 6", &limits()).unwrap().data_type, Some(6));

    let error = NetDef::from_text("name: \"a\"\nname: \"b\"", &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::DuplicateField, at(2, 7)));
}

#[test]
fn broken_syntax() {
    for (text, kind, position) in [
        ("op }", Kind::Syntax, at(1, 4)),
        ("op {\n  type: \"A\n}", Kind::Syntax, at(2, 11)),
        ("}", Kind::Syntax, at(1, 1)),
        ("op { type \"A\" }", Kind::Syntax, at(1, 11)),
        ("name: \"\\q\"", Kind::Syntax, at(1, 8)),
        ("op { type: \"A\"\n", Kind::Truncated, at(2, 1)),
        ("op { arg {", Kind::Truncated, at(1, 11)),
        ("name: \"\\377\"", Kind::Syntax, at(1, 7)),
        ("[a.b] { }", Kind::Syntax, at(1, 1)),
        ("[type.googleapis.com/caffe2.NetDef] { name: \"x\" }", Kind::Syntax, at(1, 1)),
    ] {
        let error = error(text);
        assert_eq!(error.position(), position, "{text}: {error}");
        assert_eq!(error.kind(), kind, "{text}: {error}");
    }
    let error = NetDef::from_text(b"name: \"a\"\nop { type: \"\xff\" }", &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::InvalidUtf8, at(2, 13)));
}

#[test]
fn cut_at_every_byte() {
    let text = NetDef::new("net")
        .op(OperatorDef::new("Conv").inputs(["x", "w"]).arg("scales", [1.0, 2.5]).arg("n", NetDef::new("i")))
        .to_text();
    for end in 0..text.len() {
        if let Err(error) = NetDef::from_text(&text[..end], &limits()) {
            assert!(matches!(error.position(), Some(Position::LineColumn { .. })), "{end}: {error}");
        }
    }
}

#[test]
fn missing_required_fields_are_placed() {
    let error = TensorProto::from_text("dims: 2\nsegment {\n  begin: 0\n}", &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::MissingRequired, at(2, 9)));
    assert_eq!(error.message_path(), "segment");
    let net = "op { }\nop { arg { qtensors { precision: 8 } } }";
    let error = NetDef::from_text(net, &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::MissingRequired, at(2, 21)));
    assert_eq!(error.message_path(), "op[1].arg[0].qtensors[0]");
    let error = QTensorProto::from_text("", &limits()).unwrap_err();
    assert_eq!((error.kind(), error.position()), (Kind::MissingRequired, at(1, 1)));
    assert!(NetsMap::from_text("key: \"k\" value { }", &limits()).is_ok());
}

#[test]
fn hostile_text_is_refused_before_it_is_parsed() {
    let deep = "arg{n{".repeat(100_000);
    let refused = error(&deep);
    assert_eq!((refused.kind(), refused.position()), (Kind::LimitExceeded, at(1, 304)), "{refused}");
    // What is in a string or comment is not nesting, and `<` is.
    let quoted = format!("name: \"{}\" # {}", "{".repeat(1000), "{".repeat(1000));
    assert!(NetDef::from_text(quoted, &limits()).is_ok());
    assert_eq!(error(&"op<arg<n<".repeat(50)).kind(), Kind::LimitExceeded);

    assert_eq!(error(&"op{}".repeat(100_001)).found_text(), Some("100001 operators"));
    let few = |limits: WireLimits, text: &str| NetDef::from_text(text, &limits).unwrap_err().kind();
    let all = limits();
    assert_eq!(few(WireLimits { max_text_bytes: 3, ..all }, "op{}"), Kind::LimitExceeded);
    assert_eq!(few(WireLimits { max_bytes: 3, ..all }, "op{}"), Kind::LimitExceeded);
    assert_eq!(few(WireLimits { max_text_tokens: 2, ..all }, "op{}"), Kind::LimitExceeded);
    let none = WireLimits { max_operators: 1, max_arguments: 1, max_messages: 1, ..all };
    assert_eq!(few(none, "op{} op{} op{} op{}"), Kind::LimitExceeded);
    assert_eq!(few(WireLimits { max_strings: 1, ..all }, "external_input: ['a', 'b']"), Kind::LimitExceeded);
}

/// A hundred levels are read, by a thread with the stack of a test; so are they printed and dropped.
#[test]
fn the_deepest_text_that_is_let_pass() {
    let text = format!("{}{}", "op{arg{n{".repeat(33) + "op{", "}".repeat(100));
    let net = NetDef::from_text(&text, &limits()).unwrap();
    assert_eq!(NetDef::from_text(net.to_text(), &limits()).unwrap(), net);
    assert_eq!(NetDef::from_binary(net.to_binary(), &limits()).unwrap(), net);
}
