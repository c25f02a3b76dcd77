//! `caffe2 quantize` and `caffe2 dequantize`.

use caffe2::{NetDef, OperatorDef, Tensor};
use serde_json::{Value, json};

use super::{Desk, Outcome, model};

impl Desk {
    /// Runs `caffe2 quantize` with arguments separated by blanks.
    fn quantize(&self, args: &str) -> Outcome {
        self.caffe2(&format!("quantize {args}"))
    }

    fn dequantize(&self, args: &str) -> Outcome {
        self.caffe2(&format!("dequantize {args}"))
    }

    fn net(&self, name: &str) -> NetDef {
        caffe2::files::read_net(self.path(name)).unwrap()
    }
}

/// The digit classifier as arguments.
fn digits(rest: &str) -> String {
    let at = |name: &str| model("digits").join(name).display().to_string();
    format!("--init {} --net {} {rest}", at("init_net.pb"), at("predict_net.pb"))
}

fn digits_file(name: &str) -> String {
    model("digits").join(name).display().to_string()
}

/// A desk with a net of one weight of 40 values, and an input for it.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put_net("init.pbtxt", &init(&(0..40).map(|i| i as f32 * 0.3 - 2.0).collect::<Vec<_>>()));
    let fc = OperatorDef::new("FC").inputs(["x", "fc_w", "fc_b"]).output("y");
    desk.put_net("net.pbtxt", &NetDef::new("net").op(fc));
    desk.put_tensors("x.npz", &[("x", Tensor::from_slice([2, 10], &[0.5f32; 20]).unwrap())]);
    desk
}

fn init(weights: &[f32]) -> NetDef {
    let fill = |blob: &str, shape: Vec<i64>, values: &[f32]| {
        OperatorDef::new("GivenTensorFill").output(blob).arg("shape", shape).arg("values", values)
    };
    let weights = fill("fc_w", vec![4, weights.len() as i64 / 4], weights);
    NetDef::new("init").op(weights).op(fill("fc_b", vec![4], &[0.0; 4]))
}

const ALL: &str = "--init init.pbtxt --net net.pbtxt --output-init out.pb --min-elements 1";

#[test]
fn the_table_tells_of_each_weight_and_each_output() {
    let desk = Desk::new();
    let args = digits("--output-init out.pb --min-elements 100 --feed ") + &digits_file("test_images.npz");
    let want = "\
weight   shape          bytes before  after  range               largest error  rms error  signal to noise
conv2_w  [16, 8, 3, 3]         5,819  1,321  -1.098 to 1.38718         0.00584    0.00279          40.8 dB
fc_w     [10, 64]              3,252    792  -1.12188 to 1.4443        0.00503    0.00286          42.6 dB

as before:
blob     bytes  because
conv1_w    419  72 elements, fewer than 100
conv1_b     91  one dimension, such as a bias
conv2_b    132  one dimension, such as a bias
fc_b        98  one dimension, such as a bias

output   shape      largest change  rms change  signal to noise
softmax  [360, 10]          0.0212     0.00173          44.9 dB  same top class: 360 of 360

init net: 9.6 KiB before, 2.8 KiB after (30 %)
";
    assert_eq!(desk.quantize(&args).succeeded(), want);
}

#[test]
fn what_is_written_runs_and_comes_back() {
    let desk = Desk::new();
    let (net, images) = (digits_file("predict_net.pb"), digits_file("test_images.npz"));
    for scheme in ["byte", "fused8", "half"] {
        desk.quantize(&digits(&format!("--output-init bytes.pbtxt --scheme {scheme}"))).succeeded();
        let table = desk.dequantize("--init bytes.pbtxt --output-init floats.pb").succeeded();
        assert!(
            table.starts_with("weight   shape          bytes before  after  was made by\nconv2_w"),
            "{table}"
        );
        for (init, output) in [("bytes.pbtxt", "bytes.npz"), ("floats.pb", "floats.npz")] {
            desk.run(&format!("--net {net} --init {init} --feed {images} --output {output}")).succeeded();
        }
        assert!(desk.bytes("bytes.npz") == desk.bytes("floats.npz"), "{scheme}");
        let types: Vec<_> = desk.net("floats.pb").op.iter().map(|op| op.r#type().to_owned()).collect();
        assert_eq!(types, ["GivenTensorFill"; 6]);
        assert!(desk.bytes("bytes.pbtxt").starts_with(b"name: \"digits_init\"\nop {\n"));
    }
}

#[test]
fn json_tells_the_same() {
    let desk = desk();
    let text = desk.quantize(&format!("{ALL} --feed x.npz --json")).succeeded();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["scheme"], "byte");
    assert_eq!(report["bytes_after"], desk.bytes("out.pb").len());
    let weight = &report["weights"][0];
    assert_eq!((&weight["blob"], &weight["shape"]), (&json!("fc_w"), &json!([4, 10])));
    // Forty evenly spaced values are exact, but for rounding.
    assert!(weight["largest_error"].as_f64().unwrap() < 1e-6 && weight["min"] == -2.0, "{text}");
    let reason = json!({ "blob": "fc_b", "bytes": 66, "reason": "one dimension, such as a bias" });
    assert_eq!(report["kept"], json!([reason]));
    let output = &report["outputs"][0];
    assert_eq!((&output["blob"], &output["rows"], &output["same_top"]), (&json!("y"), &json!(2), &json!(2)));
}

/// A desk with an embedding table, and ids to look up.
fn table_desk() -> Desk {
    let desk = Desk::new();
    let values: Vec<f32> = (0..2000).map(|i| (i as f32 * 0.7).sin()).collect();
    let fill =
        OperatorDef::new("GivenTensorFill").output("table").arg("shape", [100, 20]).arg("values", values);
    desk.put_net("init.pbtxt", &NetDef::new("init").op(fill));
    let sum = OperatorDef::new("SparseLengthsSum").inputs(["table", "ids", "lengths"]).output("sum");
    let gather = OperatorDef::new("Gather").inputs(["table", "ids"]).output("rows");
    desk.put_net("sum.pbtxt", &NetDef::new("net").op(sum.clone()));
    desk.put_net("both.pbtxt", &NetDef::new("net").op(sum).op(gather));
    let ids = Tensor::from_slice([3], &[99i64, 0, 5]).unwrap();
    desk.put_tensors("ids.npz", &[("ids", ids), ("lengths", Tensor::from_slice([2], &[1i32, 2]).unwrap())]);
    desk
}

#[test]
fn tables_stay_rows_when_the_net_may_change() {
    let desk = table_desk();
    let args = |net: &str| format!("--init init.pbtxt --net {net} --output-init rows.pb --scheme fused8");
    let hint = "\nwith --output-net the net could look up in the rows, and never make floats, of `table`\n";
    let table = desk.quantize(&args("sum.pbtxt")).succeeded();
    assert!(table.contains(hint) && table.contains(", 100 rows  "), "{table}");
    let table = desk.quantize(&(args("both.pbtxt") + " --feed ids.npz --output-net net.pb")).succeeded();
    assert!(table.contains("\nthe net looks up in the rows of `table`\n"), "{table}");
    let types: Vec<_> = desk.net("net.pb").op.iter().map(|op| op.r#type().to_owned()).collect();
    assert_eq!(types, ["SparseLengthsSumFused8BitRowwise", "GatherFused8BitRowwise"]);
    desk.run("--net net.pb --init rows.pb --feed ids.npz --output out.npz").succeeded();
    // Without a feed nobody knows that the indices are a vector.
    let outcome = desk.quantize(&(args("both.pbtxt") + " --output-net net.pb"));
    assert_eq!(outcome.status, 0);
    assert!(
        outcome.stderr.contains("warning: no table is read by lookups alone; net.pb is the net as it was")
    );
    assert_eq!(desk.net("net.pb"), desk.net("both.pbtxt"));
    desk.quantize(&(args("sum.pbtxt") + " --output-net rows.pb")).failed(&["name the same file, rows.pb"]);
    desk.quantize(&(args("sum.pbtxt").replace("fused8", "byte") + " --output-net net.pb"))
        .failed(&["--scheme fused8"]);
}

#[test]
fn patterns_choose() {
    let desk = Desk::new();
    let args = digits("--output-init out.pb --min-elements 1 --only conv?_w --only fc_* --skip *2*");
    let table = desk.quantize(&args).succeeded();
    for line in [
        "conv1_w  [8, 1, 3, 3]",
        "fc_w     [10, 64]",
        "conv2_w  5,819  skipped by `*2*`",
        "conv1_b     91  not selected",
    ] {
        assert!(table.contains(line), "no `{line}` in {table}");
    }
    for option in ["--only", "--skip"] {
        desk.quantize(&digits(&format!("--output-init out.pb {option} convv*"))).failed(&[
            "init_net.pb: no blob that the init net makes is called `convv*`; it makes `conv1_b`, `conv1_w`, `conv2_b`",
        ]);
    }
}

#[test]
fn what_cannot_be_stored_is_told_with_a_remedy() {
    let desk = desk();
    desk.put("out.pb", "old");
    let refused = |weights: &[f32], scheme: &str, words: &[&str]| {
        desk.put_net("init.pbtxt", &init(weights));
        desk.quantize(&format!("{ALL} --scheme {scheme}")).failed(words);
        assert_eq!(desk.bytes("out.pb"), b"old");
    };
    let mut weights = [1.0; 40];
    weights[7] = f32::NAN;
    refused(&weights, "byte", &["init.pbtxt: `fc_w`", "element 7 is NaN", "--skip 'fc_w'"]);
    weights[7] = f32::INFINITY;
    refused(&weights, "half", &["element 7 is inf", "--skip 'fc_w'"]);
    weights[7] = 1e6;
    refused(&weights, "half", &["65504: element 7 is 1000000", "--scheme byte has no such limit"]);
    (weights[7], weights[8]) = (3e38, -3e38);
    refused(&weights, "byte", &["more than a float can tell", "--skip 'fc_w'"]);
    desk.put_net("init.pbtxt", &init(&[0.5; 40]));
    desk.quantize("--init init.pbtxt --net net.pbtxt --output-init out.pb").failed(&[
        "there is no weight to quantize:\n  `fc_w`: 40 elements, fewer than 1024\n  `fc_b`: one dimension",
        "--min-elements",
        "--only 'PATTERN'",
    ]);
    assert_eq!(desk.bytes("out.pb"), b"old");
}

#[test]
fn weights_that_are_bytes_already_are_pointed_to_the_way_back() {
    let desk = Desk::new();
    let args = format!("--init {} --net {}", digits_file("init_net_byte.pb"), digits_file("predict_net.pb"));
    desk.quantize(&format!("{args} --output-init out.pb"))
        .failed(&["`conv2_w`: made by ByteWeightDequant, not by GivenTensorFill", "`caffe2 dequantize`"]);
    desk.dequantize(&digits("--output-init out.pb"))
        .failed(&["init_net.pb: the init net stores no weight as bytes", "there is nothing to do"]);
}

#[test]
fn files_are_checked_before_work_is_done() {
    let desk = desk();
    desk.quantize("--init absent.pb --net net.pbtxt --output-init out.pb")
        .failed(&["absent.pb: the file cannot be read"]);
    desk.quantize("--init init.pbtxt --net absent.pb --output-init out.pb").failed(&["absent.pb"]);
    desk.quantize("--init init.pbtxt --net net.pbtxt --output-init no/out.pb")
        .failed(&["there is no folder `no`"]);
    desk.quantize(&format!("{ALL} --feed absent.npz")).failed(&["absent.npz"]);
    desk.put_tensors("z.npz", &[("z", Tensor::scalar(1.0f32).unwrap())]);
    desk.quantize(&format!("{ALL} --feed z.npz")).failed(&["`x`, first read by operator #0 FC", "--feed"]);
    desk.dequantize("--init absent.pb --output-init out.pb").failed(&["absent.pb: the file cannot be read"]);
    desk.dequantize("--init init.pbtxt --output-init no/out.pb").failed(&["there is no folder `no`"]);
    assert!(!desk.path("out.pb").exists());
}

#[test]
fn the_file_that_is_read_may_be_written() {
    let desk = desk();
    desk.quantize(&ALL.replace("out.pb", "init.pbtxt")).succeeded();
    assert_eq!(desk.net("init.pbtxt").op[1].r#type(), "ByteWeightDequant");
    desk.dequantize("--init init.pbtxt --output-init init.pbtxt").succeeded();
    assert_eq!(desk.net("init.pbtxt").op[0].r#type(), "GivenTensorFill");
}

#[test]
fn the_command_line_is_checked_and_helps() {
    let desk = Desk::new();
    let output = |args: &[&str]| {
        let output = desk.command().args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout) + &text(output.stderr))
    };
    for (args, words) in [
        (&["quantize"][..], "--output-init <OUT>"),
        (
            &["quantize", "--init", "a", "--net", "b", "--output-init", "out.npz"],
            "use .pb (binary) or .pbtxt (text)",
        ),
        (
            &["quantize", "--init", "a", "--net", "b", "--output-init", "o.pb", "--scheme", "int4"],
            "[possible values: byte",
        ),
        (&["dequantize", "--init", "a", "--output-init", "out"], "use .pb (binary) or .pbtxt (text)"),
    ] {
        let (status, text) = output(args);
        assert!(status == Some(2) && text.contains(words), "{text}");
    }
    for (command, words) in [("quantize", "--skip 'fc_*'"), ("dequantize", "--scheme half")] {
        let (status, text) = output(&[command, "--help"]);
        assert!(status == Some(0) && text.contains("Examples:") && text.contains(words), "{text}");
    }
}
