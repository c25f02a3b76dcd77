//! Runs that go well.

use caffe2::{Caffe2Message as _, NetDef, OperatorDef, Tensor, f16};

use super::{Desk, model};

/// Each element within 1e-4 of the larger of its own size and the root of the mean square.
#[track_caller]
fn assert_close(got: &Tensor, want: &Tensor) {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (got.as_slice::<f32>().unwrap(), want.as_slice::<f32>().unwrap());
    let rms = (want.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / want.len() as f64).sqrt() as f32;
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-4 * want.abs().max(rms), "element {index}: {got} instead of {want}");
    }
}

fn detector(net: &str, rest: &str) -> String {
    let model = model("tiny_face_detector");
    let at = |name: &str| model.join(name).display().to_string();
    format!("--net {} --init {} --feed {} {rest}", at(net), at("init_net.pb"), at("input.npz"))
}

#[test]
fn the_face_detector_gives_what_caffe2_gives() {
    let desk = Desk::new();
    assert_eq!(desk.run(&detector("predict_net.pb", "--output out.npz")).succeeded(), "");
    let want = caffe2::files::read_tensors(model("tiny_face_detector").join("expected.npz")).unwrap();
    let got = desk.tensors("out.npz");
    assert_eq!((got.len(), &got[0].0), (1, &want[0].0));
    assert_close(&got[0].1, &want[0].1);
}

#[test]
fn text_and_threads_change_no_bit() {
    let desk = Desk::new();
    desk.run(&detector("predict_net.pb", "--threads 1 --output one.npz")).succeeded();
    desk.run(&detector("predict_net.pb", "--threads 2 --output two.npz")).succeeded();
    desk.run(&detector("predict_net.pbtxt", "--threads 3 --output text.npz")).succeeded();
    let one = desk.bytes("one.npz");
    assert!(one == desk.bytes("two.npz") && one == desk.bytes("text.npz"));
    assert!(one.len() > 16_900);
}

#[test]
fn a_file_that_is_read_gives_what_a_mapped_one_gives() {
    let desk = Desk::new();
    desk.run(&detector("predict_net.pb", "--output mapped.npz")).succeeded();
    desk.run(&detector("predict_net.pb", "--no-mmap --output read.npz")).succeeded();
    assert!(desk.bytes("mapped.npz") == desk.bytes("read.npz"));
}

#[test]
fn the_summary_names_what_came_out() {
    let text = Desk::new().run(&detector("predict_net.pb", "--fetch grid,mean_rgb")).succeeded();
    assert!(
        text.starts_with("grid: float [1, 25, 13, 13], 4,225 elements, 16.5 KiB\n  range    -"),
        "{text}"
    );
    assert!(text.contains("\nmean_rgb: float [1, 3, 1, 1], 3 elements, 12 B\n"), "{text}");
    assert!(text.ends_with("  largest  #0 117.001, #1 114.697, #2 97.404\n"), "{text}");
}

#[test]
fn digits_are_read_with_byte_weights() {
    let desk = Desk::new();
    let model = model("digits");
    for (init, name) in [("init_net.pb", "softmax_float"), ("init_net_byte.pb", "softmax_byte")] {
        let at = |name: &str| model.join(name).display().to_string();
        desk.run(&format!(
            "--net {} --init {} --feed {} --output out.pb",
            at("predict_net.pb"),
            at(init),
            at("test_images.npz")
        ))
        .succeeded();
        let want = caffe2::files::read_tensors(model.join("expected.npz")).unwrap();
        let want = &want.iter().find(|(found, _)| found == name).unwrap().1;
        assert_close(&desk.tensors("out.pb")[0].1, want);
    }
}

fn copies(names: &[&str]) -> NetDef {
    let copy = |name: &&str| OperatorDef::new("Copy").input(*name).output(format!("{name}/copy"));
    NetDef::new("copies").ops(names.iter().map(copy))
}

fn one_of_each() -> Vec<(&'static str, Tensor)> {
    vec![
        ("float", Tensor::from_slice([2, 2], &[1.5f32, f32::NAN, -0.0, 1e-42]).unwrap()),
        ("double", Tensor::from_slice([2], &[f64::MAX, f64::NEG_INFINITY]).unwrap()),
        ("half", Tensor::from_slice([1, 2], &[f16::from_f32(0.1), f16::INFINITY]).unwrap()),
        ("int8", Tensor::from_slice([2], &[i8::MIN, 1]).unwrap()),
        ("int16", Tensor::from_slice([2], &[i16::MIN, 1]).unwrap()),
        ("int32", Tensor::from_slice([2], &[i32::MIN, 1]).unwrap()),
        ("int64", Tensor::scalar(i64::MIN).unwrap()),
        ("uint8", Tensor::from_slice([3], &[0u8, 1, 255]).unwrap()),
        ("uint16", Tensor::from_slice([1], &[u16::MAX]).unwrap()),
        ("bool", Tensor::from_slice([2], &[true, false]).unwrap()),
        ("layer/string", Tensor::from_strings([2], [&b"\xff\0x"[..], b""]).unwrap()),
        ("empty", Tensor::zeros::<f32>([0, 4]).unwrap()),
    ]
}

#[test]
fn every_type_goes_both_ways_in_both_formats() {
    let desk = Desk::new();
    let tensors = one_of_each();
    let names: Vec<_> = tensors.iter().map(|(name, _)| *name).collect();
    desk.put_net("copies.pbtxt", &copies(&names));
    for (from, to) in [("in.npz", "out.pb"), ("in.pb", "out.npz")] {
        desk.put_tensors(from, &tensors);
        desk.run(&format!("--net copies.pbtxt --feed {from} --output {to}")).succeeded();
        let out = desk.tensors(to);
        assert_eq!(out.len(), tensors.len());
        for ((name, want), (got_name, got)) in tensors.iter().zip(&out) {
            assert_eq!((format!("{name}/copy").as_str(), want), (got_name.as_str(), got), "{to}");
        }
    }
    let text = desk.run("--net copies.pbtxt --feed in.npz").succeeded();
    assert!(
        text.contains(r#"  values   "\xff\x00x", """#)
            && text.contains("empty/copy: float [0, 4], 0 elements, 0 B\n"),
        "{text}"
    );
}

#[test]
fn strings_that_end_with_nul_need_tensor_protos() {
    let desk = Desk::new();
    desk.put_net("copy.pbtxt", &copies(&["s"]));
    desk.put_tensors("in.pb", &[("s", Tensor::from_strings([1], [&b"\0"[..]]).unwrap())]);
    desk.put("out.npz", "old");
    desk.run("--net copy.pbtxt --feed in.pb --output out.npz").failed(&[
        "s/copy",
        "NUL",
        "TensorProtos file (.pb)",
    ]);
    assert_eq!(desk.bytes("out.npz"), b"old");
    desk.run("--net copy.pbtxt --feed in.pb --output out.pb").succeeded();
    assert_eq!(desk.tensors("out.pb")[0].1.as_strings().unwrap()[0], &b"\0"[..]);
}

#[test]
fn feeds_come_in_every_form_and_override_the_init_net() {
    let desk = Desk::new();
    let fill = |name: &str, value: f32| {
        OperatorDef::new("ConstantFill").output(name).arg("shape", vec![1i64]).arg("value", value)
    };
    desk.put_net("init.pbtxt", &NetDef::new("init").op(fill("x", 1.0)).op(fill("y", 2.0)));
    // No name, and no external outputs: `z` is what no operator reads.
    let mut sum = NetDef::new("").op(OperatorDef::new("Sum").inputs(["x", "y"]).output("sum"));
    sum.op.push(OperatorDef::new("Copy").input("sum").output("z"));
    sum.name = None;
    desk.put("sum.pb", sum.to_binary());
    let x = |value: f32| Tensor::from_slice([1], &[value]).unwrap();
    caffe2::files::npy::write(desk.path("x.npy"), &x(10.0)).unwrap();
    desk.put_tensors("xy.npz", &[("x", x(20.0)), ("y", x(30.0))]);
    desk.put_tensors("y.pb", &[("y", x(40.0))]);
    for (feeds, sum) in [
        ("", "3"),
        ("--feed x=x.npy", "12"),
        ("--feed xy.npz", "50"),
        ("--feed y.pb", "41"),
        ("--feed y.pb --feed x=x.npy", "50"),
        ("--feed x=y.pb --feed y=x.npy", "50"),
    ] {
        let text = desk.run(&format!("--net sum.pb --init init.pbtxt {feeds}")).succeeded();
        assert_eq!(
            text,
            format!(
                "z: float [1], 1 element, 4 B\n  range    {sum} to {sum}, mean {sum}\n  value    {sum}\n"
            )
        );
    }
    // Fetched is whatever there is: inputs and what is in between.
    let text = desk.run("--net sum.pb --init init.pbtxt --fetch y,sum --fetch x").succeeded();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["y", "sum", "x"]);
}

#[test]
fn a_feed_that_nobody_reads_is_a_warning() {
    let desk = Desk::new();
    desk.put_net("copy.pbtxt", &copies(&["data"]));
    let x = Tensor::scalar(1.0f32).unwrap();
    desk.put_tensors("in.npz", &[("data", x.clone()), ("dat", x.clone()), ("other", x)]);
    let outcome = desk.run("--net copy.pbtxt --feed in.npz");
    assert_eq!(outcome.status, 0);
    assert_eq!(
        outcome.stderr,
        "warning: `dat` is fed, but the net does not read it; it reads `data`\n\
         warning: `other` is fed, but the net does not read it\n"
    );
    let mut quiet = desk.command();
    quiet.args(["run", "--net", "copy.pbtxt", "--feed", "in.npz"]).env("RUST_LOG", "error");
    assert_eq!(quiet.output().unwrap().stderr, b"");
    let told = desk.run("--net copy.pbtxt --feed in.npz -v");
    assert!(told.stderr.contains("debug: in.npz: `data` float []"), "{}", told.stderr);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let desk = Desk::new();
    desk.put_net("copy.pbtxt", &copies(&["x"]));
    desk.put_tensors("in.npz", &[("x", Tensor::scalar(1.0f32).unwrap())]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_caffe2"));
    command
        .current_dir(desk.path(""))
        .args(["run", "--net", "copy.pbtxt", "--feed", "in.npz"])
        .stdout(writer);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
