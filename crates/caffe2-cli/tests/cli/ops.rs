//! `caffe2 ops`, and the reference page that it makes.

use std::path::Path;

use super::Desk;

fn ops(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Desk::new().command().arg("ops").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let (_, page, _) = ops(&["--markdown"]);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    assert!(stored == page, "docs/operators.md is not what `caffe2 ops --markdown` prints: make it again");
}

#[test]
fn every_operator_is_documented() {
    let (_, json, _) = ops(&["--json"]);
    let all: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(all.len() > 50);
    for op in &all {
        let op_type = op["type"].as_str().unwrap();
        assert!(!op["doc"].as_str().unwrap().is_empty(), "{op_type}");
        for (counts, docs) in [("input_count", "inputs"), ("output_count", "outputs")] {
            let none = op[counts] == "0" || op[docs].as_array().is_some_and(|docs| !docs.is_empty());
            assert!(none, "{op_type}: {docs} without a word about them");
        }
        for argument in op["arguments"].as_array().unwrap() {
            assert!(!argument["doc"].as_str().unwrap().is_empty(), "{op_type}: {argument}");
        }
    }
}

#[test]
fn types_are_listed_described_and_searched() {
    let (status, list, _) = ops(&[]);
    assert!(status == Some(0) && list.lines().any(|line| line.starts_with("Relu ")), "{list}");
    let (_, conv, _) = ops(&["Conv"]);
    assert!(conv.contains("| `group` | int | 1 |"), "{conv}");
    let (status, _, error) = ops(&["conv"]);
    assert_eq!((status, error.as_str()), (Some(1), "error: no operator `conv`; there is `Conv`\n"));
    let (status, _, error) = ops(&["Zzz"]);
    assert!(status == Some(1) && error.contains("`caffe2 ops` lists all"), "{error}");
}
