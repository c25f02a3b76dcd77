//! The committed code and descriptors are what `proto/*.proto` give.
//!
//! To refresh them: `UPDATE_GENERATED=1 cargo test -p caffe2-proto --test generated`.
#![allow(clippy::unwrap_used)]

use std::{fmt::Write as _, fs, path::Path};

use prost::Message as _;
use protox::prost_reflect::{
    Cardinality, DescriptorPool, Kind,
    prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet},
};

const FILES: [&str; 5] =
    ["caffe2.proto", "metanet.proto", "predictor_consts.proto", "prof_dag.proto", "caffe2_legacy.proto"];

fn compile(root: &Path) -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([root.join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES).unwrap();
    compiler.file_descriptor_set()
}

fn rust_code(descriptors: FileDescriptorSet) -> String {
    let mut config = prost_build::Config::new();
    config.bytes(["."]).boxed(".caffe2.Argument.n").boxed(".caffe2.Argument.t");
    let out = tempfile::tempdir().unwrap();
    config.out_dir(out.path()).compile_fds(descriptors).unwrap();
    fs::read_to_string(out.path().join("caffe2.rs")).unwrap()
}

fn without_comments(mut descriptors: FileDescriptorSet) -> Vec<u8> {
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors.encode_to_vec()
}

/// The static tables of `src/schema.rs`.
fn schema(descriptors: &FileDescriptorSet) -> String {
    let pool = DescriptorPool::from_file_descriptor_set(descriptors.clone()).unwrap();
    let short = |name: &str| name.strip_prefix("caffe2.").unwrap().to_owned();
    let messages: Vec<_> = pool.all_messages().collect();
    let enums: Vec<_> = pool.all_enums().collect();
    let mut code = String::from("// Generated from proto/*.proto by tests/generated.rs.\n\n");
    code += "pub(crate) static MESSAGES: &[MessageType] = &[\n";
    for message in &messages {
        let required: u64 = message
            .fields()
            .filter(|f| f.cardinality() == Cardinality::Required)
            .map(|f| 1 << (f.number() - 1))
            .sum();
        let name = short(message.full_name());
        writeln!(code, "    MessageType {{ name: {name:?}, required: {required:#b}, fields: &[").unwrap();
        let last = message.fields().map(|f| f.number()).max().unwrap_or(0);
        for number in 1..=last {
            let Some(field) = message.get_field(number) else {
                code += "        None,\n";
                continue;
            };
            let label = match field.cardinality() {
                Cardinality::Optional => "Optional",
                Cardinality::Required => "Required",
                Cardinality::Repeated => "Repeated",
            };
            let ty = match field.kind() {
                Kind::Message(m) => format!("Message({})", messages.iter().position(|x| *x == m).unwrap()),
                Kind::Enum(e) => format!("Enum({})", enums.iter().position(|x| *x == e).unwrap()),
                scalar => format!("{scalar:?}"),
            };
            let mut chars = ty.chars();
            let ty = chars.next().unwrap().to_uppercase().chain(chars).collect::<String>();
            writeln!(code, "        field({number}, {:?}, Label::{label}, Type::{ty}),", field.name())
                .unwrap();
        }
        code += "    ] },\n";
    }
    code += "];\n\npub(crate) static ENUMS: &[EnumType] = &[\n";
    for e in &enums {
        let values: Vec<_> = e.values().map(|v| (v.number(), v.name().to_owned())).collect();
        writeln!(code, "    EnumType {{ name: {:?}, values: &{values:?} }},", short(e.full_name())).unwrap();
    }
    code + "];\n"
}

fn check(path: &Path, fresh: &[u8]) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(path, fresh).unwrap();
    }
    assert!(
        fs::read(path).unwrap_or_default() == fresh,
        "{} is not what proto/*.proto give; refresh it with\n    \
         UPDATE_GENERATED=1 cargo test -p caffe2-proto --test generated",
        path.display()
    );
}

#[test]
fn generated_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = compile(root);
    check(&root.join("src/generated/caffe2.rs"), rust_code(descriptors.clone()).as_bytes());
    check(&root.join("src/generated/schema.rs"), schema(&descriptors).as_bytes());
    check(&root.join("src/generated/descriptors.bin"), &without_comments(descriptors));
}

/// `original_schema.txt` lists the original's declarations, one a line. What we declare beyond them
/// is what newer versions added.
#[test]
fn declarations_are_the_originals() {
    let added = [
        "enum TensorProto.DataType 15 REBATCHING_BUFFER",
        "field AOTConfig 4 onnxifi_blacklist_ops optional string",
        "field AOTConfig 5 onnxifi_min_ops optional int32",
    ];
    let mut want: Vec<&str> = include_str!("original_schema.txt").lines().chain(added).collect();
    want.sort_unstable();
    let mut ours = Vec::new();
    for file in compile(Path::new(env!("CARGO_MANIFEST_DIR"))).file {
        assert_eq!((file.package(), file.syntax()), ("caffe2", ""), "proto2 is written as the empty string");
        file.enum_type.iter().for_each(|e| declare_enum(e, "", &mut ours));
        file.message_type.iter().for_each(|m| declare_message(m, "", &mut ours));
    }
    ours.sort_unstable();
    assert_eq!(ours, want);
}

fn declare_enum(e: &EnumDescriptorProto, prefix: &str, to: &mut Vec<String>) {
    to.extend(e.value.iter().map(|v| format!("enum {prefix}{} {} {}", e.name(), v.number(), v.name())));
}

fn declare_message(m: &DescriptorProto, prefix: &str, to: &mut Vec<String>) {
    let name = format!("{prefix}{}", m.name());
    to.push(format!("message {name}"));
    m.enum_type.iter().for_each(|e| declare_enum(e, &format!("{name}."), to));
    m.nested_type.iter().for_each(|n| declare_message(n, &format!("{name}."), to));
    for f in &m.field {
        let word = |debug: String| debug.to_lowercase();
        let ty = match f.type_name() {
            "" => word(format!("{:?}", f.r#type())),
            named => named.replace(".caffe2.", ""),
        };
        let mut line =
            format!("field {name} {} {} {} {ty}", f.number(), f.name(), word(format!("{:?}", f.label())));
        if let Some(value) = &f.default_value {
            write!(line, " default={value}").unwrap();
        }
        if let Some(options) = &f.options {
            line += if options.packed() { " packed" } else { "" };
            line += if options.deprecated() { " deprecated" } else { "" };
        }
        to.push(line);
    }
}
