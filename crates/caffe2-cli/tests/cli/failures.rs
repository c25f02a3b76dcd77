//! Runs that cannot go well: each says what is wrong and what to do, and leaves files as they were.

use caffe2::{Caffe2Message as _, NetDef, OperatorDef, Tensor};

use super::{Desk, model};

fn relu() -> NetDef {
    NetDef::new("relu").op(OperatorDef::new("Relu").input("x").output("y"))
}

/// A desk with `relu.pbtxt` and an `x.npz` for it.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put_net("relu.pbtxt", &relu());
    desk.put_tensors("x.npz", &[("x", Tensor::from_slice([2], &[1.0f32, -1.0]).unwrap())]);
    desk
}

#[test]
fn files_that_are_no_nets() {
    let desk = desk();
    desk.put("empty.pb", "");
    desk.put("pointer.pb", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    desk.put("typo.pbtxt", "op {\n  type: \"Relu\"\n  inputs: \"x\"\n}\n");
    desk.put("cut.pb", &relu().to_binary()[..9]);
    for (net, words) in [
        ("absent.pb", "absent.pb: the file cannot be read"),
        ("empty.pb", "empty.pb: in NetDef: the file is empty"),
        ("pointer.pb", "fetch the content with `git lfs pull`"),
        ("typo.pbtxt", "typo.pbtxt:3:3: "),
        ("typo.pbtxt", "did you mean `input`?"),
        ("cut.pb", "cut.pb: "),
        ("x.npz", "found a Zip archive (such as .npz), expected a NetDef"),
    ] {
        desk.run(&format!("--net {net} --feed x.npz")).failed(&[words]);
        desk.run(&format!("--net relu.pbtxt --init {net} --feed x.npz")).failed(&[words]);
    }
}

#[test]
fn operators_that_are_missing_are_all_listed() {
    let desk = desk();
    let init = NetDef::new("init").op(OperatorDef::new("GivenTensrFill").output("w"));
    desk.put_net("init.pbtxt", &init);
    let op = |kind: &str| OperatorDef::new(kind).input("x").output("y");
    desk.put_net("net.pbtxt", &NetDef::new("n").op(op("Relu")).op(op("Rleu")).op(op("Quux")).op(op("Quux")));
    desk.run("--net net.pbtxt --init init.pbtxt --feed x.npz").failed(&[
        "init.pbtxt: net `init`",
        "`GivenTensrFill` is not registered; similar names are `GivenTensorFill`",
        "net.pbtxt: net `n`",
        "`Rleu` is not registered; similar names are `Relu`",
        "`Quux` is not registered",
        "used 2 times, first by operator #2",
    ]);
}

#[test]
fn inputs_that_nobody_provides_are_all_listed() {
    let desk = desk();
    let net = NetDef::new("n").op(OperatorDef::new("Sum").named("add").inputs(["x1", "x2", "x"]).output("y"));
    desk.put_net("sum.pbtxt", &net);
    desk.run("--net sum.pbtxt --feed x.npz").failed(&[
        "no init net (--init INIT)",
        "`x1`, first read by operator #0 Sum `add`; fed was `x`",
        "`x2`",
        "--feed NAME=FILE (.npy)",
    ]);
    let fill = OperatorDef::new("ConstantFill").output("x1").arg("shape", vec![2i64]);
    desk.put_net("init.pbtxt", &NetDef::new("init").op(fill));
    let outcome = desk.run("--net sum.pbtxt --init init.pbtxt");
    assert!(!outcome.stderr.contains("`x1`"), "{}", outcome.stderr);
    outcome.failed(&["nor made by the init net init.pbtxt", "`x2`", "`x`"]);
}

#[test]
fn an_input_of_the_wrong_shape_or_type_is_named_with_its_shape() {
    let desk = Desk::new();
    let folder = model("tiny_face_detector");
    desk.put_tensors("four.npz", &[("data", Tensor::zeros::<f32>([1, 4, 416, 416]).unwrap())]);
    desk.put_tensors("bytes.npz", &[("data", Tensor::zeros::<u8>([1, 3, 416, 416]).unwrap())]);
    for (feed, words) in [("four.npz", ["#0 Sub", "[1, 4, 416, 416]"]), ("bytes.npz", ["#0 Sub", "uint8"])] {
        let (net, init) = (folder.join("predict_net.pb"), folder.join("init_net.pb"));
        let args = ["--net", net.to_str().unwrap(), "--init", init.to_str().unwrap(), "--feed", feed];
        desk.run_args(args).failed(&words);
    }
}

#[test]
fn blobs_to_fetch_that_do_not_exist_are_all_listed() {
    let desk = desk();
    desk.put("old.npz", "old");
    desk.run("--net relu.pbtxt --feed x.npz --fetch Y,zzz,X --output old.npz").failed(&[
        "`Y`; did you mean `y`, written by operator #0 Relu?",
        "\n  `zzz`\n",
        "`X`; did you mean `x`, which is fed?",
        "the outputs of the net are `y`",
    ]);
    assert_eq!(desk.bytes("old.npz"), b"old");
}

#[test]
fn feeds_that_cannot_be_read() {
    let desk = desk();
    let array = {
        let mut content = Vec::new();
        caffe2::files::npy::write_to(&mut content, &Tensor::zeros::<f32>([2, 3]).unwrap()).unwrap();
        content
    };
    desk.put("good.npy", &array);
    desk.put("cut.npy", &array[..array.len() - 4]);
    desk.put("header.npy", &array[..20]);
    let mut objects = array.clone();
    let at = objects.windows(5).position(|w| w == b"'<f4'").unwrap();
    objects[at..at + 5].copy_from_slice(b"'|O' ");
    desk.put("objects.npy", objects);
    desk.put("words.npz", "no archive\n");
    desk.put("empty.npy", "");
    desk.put("pointer.npz", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    desk.put_tensors("two.npz", &[("a", Tensor::scalar(1u8).unwrap()), ("b", Tensor::scalar(1u8).unwrap())]);
    for (feed, words) in [
        ("absent.npz", "absent.npz: the file cannot be read"),
        ("x=absent.npy", "absent.npy: the file cannot be read"),
        (
            "x=cut.npy",
            "cut.npy: an array of shape [2, 3] with 4 bytes per element takes 24 bytes, but 20 follow",
        ),
        ("x=header.npy", "header.npy: the array ends too early"),
        ("x=objects.npy", "save strings with dtype `S`"),
        ("pointer.npz", "fetch the content with `git lfs pull`"),
        ("x=empty.npy", "the file is empty"),
        ("words.npz", "this is no file of tensors (.npz, .npy or TensorProtos)"),
        ("good.npy", "an .npy file holds one array without a name; give it one: NAME=FILE"),
        ("x=two.npz", "2 tensors where one is wanted"),
        ("x=relu.pbtxt", "found a NetDef in text form"),
    ] {
        desk.run(&format!("--net relu.pbtxt --feed {feed}")).failed(&[words]);
    }
    desk.run("--net relu.pbtxt --feed x.npz --feed x=good.npy")
        .failed(&["`x` is fed twice: from x.npz and from good.npy"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let desk = desk();
    std::fs::create_dir(desk.path("folder.npz")).unwrap();
    desk.run("--net relu.pbtxt --feed x.npz --output folder.npz")
        .failed(&["folder.npz: ", "this is a folder"]);
    desk.run("--net relu.pbtxt --feed x.npz --output no/out.npz").failed(&["there is no folder `no`"]);
    // A file that may not be written is not replaced either.
    desk.put("old.npz", "old");
    let path = desk.path("old.npz");
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    desk.run("--net relu.pbtxt --feed x.npz --output old.npz").failed(&["old.npz: ", "read-only"]);
    assert_eq!(desk.bytes("old.npz"), b"old");
    // Nothing half-written stays.
    let mut names: Vec<_> = std::fs::read_dir(desk.path(""))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["folder.npz", "old.npz", "relu.pbtxt", "x.npz"]);
}

#[test]
fn a_run_that_fails_leaves_the_old_output() {
    let desk = desk();
    desk.put("old.npz", "old");
    desk.put_tensors("words.npz", &[("x", Tensor::from_strings([1], ["word"]).unwrap())]);
    desk.run("--net relu.pbtxt --feed words.npz --output old.npz").failed(&[
        "operator #0 Relu",
        "`x`",
        "string",
    ]);
    assert_eq!(desk.bytes("old.npz"), b"old");
}

#[test]
fn memory_is_bounded() {
    let desk = desk();
    let fill = OperatorDef::new("ConstantFill").output("big").arg("shape", vec![1i64 << 20]);
    desk.put_net("big.pbtxt", &NetDef::new("n").op(fill));
    desk.run("--net big.pbtxt --memory-limit 4MiB").succeeded();
    desk.run("--net big.pbtxt --memory-limit 4MB").failed(&["4194304 bytes does not fit the memory limit"]);
    desk.run("--net relu.pbtxt --feed x.npz --memory-limit 7").failed(&["x.npz: tensor `x`", "memory limit"]);
    desk.run("--net relu.pbtxt --feed x.npz --memory-limit 15").failed(&["`y`", "memory limit"]);
    desk.run("--net relu.pbtxt --feed x.npz --memory-limit 16").succeeded();
}

#[test]
fn time_is_bounded() {
    let desk = desk();
    let endless = OperatorDef::new("While").input("on").arg("loop_net", NetDef::new("nothing"));
    desk.put_net("endless.pbtxt", &NetDef::new("n").op(endless));
    desk.put_tensors("on.npz", &[("on", Tensor::scalar(true).unwrap())]);
    let words = &["net `n`: operator #0 While", "not run: the time limit has passed"];
    desk.run("--net endless.pbtxt --feed on.npz --time-limit 0.05").failed(words);
    desk.run("--net relu.pbtxt --feed x.npz --time-limit 0").failed(&["the time limit has passed"]);
    desk.run("--net relu.pbtxt --feed x.npz --time-limit 600").succeeded();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let desk = desk();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_caffe2"));
    command.current_dir(desk.path("")).args(["run", "--net", "relu.pbtxt", "--feed", "x.npz"]).stdout(full);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with("error: standard output cannot be written: "), "{stderr}");
}

#[test]
fn limits_on_files_hold_in_every_command() {
    let desk = desk();
    let op =
        |from: &str, to: &str| OperatorDef::new("Relu").input(from).output(to).arg("list", vec![1i64; 5]);
    desk.put_net("two.pbtxt", &NetDef::new("two").op(op("x", "y")).op(op("y", "z")));
    for command in [
        "inspect two.pbtxt",
        "check two.pbtxt",
        "draw two.pbtxt",
        "convert two.pbtxt two.pb",
        "run --net two.pbtxt --feed x.npz",
        "predict two.pbtxt --image p.png",
    ] {
        for (limit, words) in [
            ("--max-operators 1", "found 2 operators, expected at most 1"),
            ("--max-file-size 20", "bytes, expected at most 20"),
            ("--max-depth 1", "levels of messages, expected at most 1"),
            ("--max-elements 4", "`--max-operators` and its kin"),
        ] {
            desk.caffe2(&format!("{command} {limit}")).failed(&["two.pbtxt", words]);
        }
    }
    // Relu has no such argument, which is told.
    let within = desk.run("--net two.pbtxt --feed x.npz --max-operators 2 --max-elements 10");
    assert_eq!(within.status, 0, "{}", within.stderr);
}
