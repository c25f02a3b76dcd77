//! `caffe2 inspect`: files of every kind.

use caffe2::{Caffe2Message as _, NetDef, OperatorDef, Tensor};

use super::{Desk, file, two_files};

#[test]
fn a_net_with_its_init_net() {
    let text = Desk::new().caffe2(&format!("inspect {}", two_files("digits"))).succeeded();
    for words in [
        "predict_net.pb: a NetDef in binary form, 448 B\n",
        "\nInputs to feed\n  data  float [1, 1, 8, 8]  guessed: sides 8 to 11 fit\n",
        "\nOutputs\n  softmax  float [1, 10]\n",
        "  in memory    7.4 KiB  6 blobs, 1,898 values\n  in the file  7.4 KiB  6 blobs as float\n",
        "\nOperators\n  Conv 2, Relu 2, AveragePool 1, FC 1, MaxPool 1, Scale 1, Softmax 1\n",
    ] {
        assert!(text.contains(words), "no `{words}` in: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn lists_of_operators_and_blobs() {
    let text = Desk::new().caffe2(&format!("inspect {} --ops --blobs", two_files("digits"))).succeeded();
    assert!(text.contains("  #4  Conv         conv2         [1, 16, 4, 4]          18.4k\n"), "{text}");
    assert!(text.contains("  fc_w     [10, 64]       2.5 KiB  parameter\n"), "{text}");
}

#[test]
fn the_same_as_json() {
    let desk = Desk::new();
    let json = desk.caffe2(&format!("inspect {} --json --ops --blobs", two_files("digits"))).json();
    assert_eq!((&json["kind"], &json["net"]), (&"a NetDef in binary form".into(), &"digits".into()));
    assert_eq!((&json["operators"]["Conv"], &json["parameters"]["values"]), (&2.into(), &1898.into()));
    assert_eq!(json["inputs"][0]["shape"], serde_json::json!([1, 1, 8, 8]));
    assert_eq!((json["ops"].as_array().unwrap().len(), json["blobs"].as_array().unwrap().len()), (9, 14));
    assert_eq!(json["problems"], serde_json::json!([]));
    desk.put("pointer.pb", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    let json = desk.caffe2("inspect pointer.pb --json").json();
    assert_eq!((&json["kind"], &json["bytes"]), (&"a Git-LFS pointer".into(), &70.into()));
}

#[test]
fn byte_weights_are_told_from_floats() {
    let net = file("digits", "predict_net.pb");
    let text = Desk::new()
        .caffe2(&format!("inspect {net} --init {}", file("digits", "init_net_byte.pb")))
        .succeeded();
    assert!(text.contains("  in the file    136 B  3 blobs as float\n"), "{text}");
    assert!(text.contains("  in the file  1.8 KiB  3 blobs as bytes (uint8)\n"), "{text}");
    let init = Desk::new().caffe2(&format!("inspect {}", file("digits", "init_net_byte.pb"))).succeeded();
    assert!(init.contains("none: it makes everything itself") && init.contains("3 blobs as bytes"), "{init}");
}

#[test]
fn a_predictor_file_and_other_databases() {
    let text = Desk::new().caffe2(&format!("inspect {}", file("predictor", "digits.minidb"))).succeeded();
    assert!(
        text.contains("parameters in the same file") && text.contains("  data  float [1, 1, 8, 8]\n"),
        "{text}"
    );
    let text = Desk::new().caffe2(&format!("inspect {}", file("predictor", "blobs.minidb"))).succeeded();
    assert!(
        text.contains("  quantised  8-bit, scale 0.25, zero 3  [3]   3 B\n4 blobs, 7 elements"),
        "{text}"
    );
}

#[test]
fn tensors_in_every_container() {
    let desk = Desk::new();
    let tensors =
        [("x", Tensor::zeros::<f32>([2, 3]).unwrap()), ("s", Tensor::from_strings([1], ["word"]).unwrap())];
    for name in ["t.npz", "t.pb", "t.minidb"] {
        desk.put_tensors(name, &tensors);
        let text = desk.caffe2(&format!("inspect {name}")).succeeded();
        assert!(text.starts_with(&format!("{name}: a")), "{text}");
        assert!(
            text.ends_with(
                "  x  float   [2, 3]  24 B\n  s  string  [1]      4 B\n2 blobs, 7 elements, 28 B\n"
            ),
            "{text}"
        );
    }
    let text = desk.caffe2(&format!("inspect {}", file("digits", "test_labels.npy"))).succeeded();
    assert!(text.contains("int32  [360]  1.4 KiB"), "{text}");
}

#[test]
fn what_is_no_file_of_caffe2_is_named_with_a_remedy() {
    let desk = Desk::new();
    for (content, words) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"[..], "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (&[0x1f, 0x8b, 8, 0, 0, 0], "gunzip"),
        (b"", "an empty file"),
    ] {
        desk.put("x", content);
        let text = desk.caffe2("inspect x").succeeded();
        assert!(text.contains(words), "no `{words}` in: {text}");
    }
    desk.put("x", b"\xff\xff\xff");
    desk.caffe2("inspect x").failed(&["x: byte 0", "no known file"]);
    desk.caffe2("inspect absent").failed(&["absent: the file cannot be read"]);
    desk.put_tensors("t.npz", &[("x", Tensor::scalar(1u8).unwrap())]);
    desk.caffe2("inspect t.npz --ops").failed(&["t.npz: this is a Zip archive", "are for nets"]);
}

#[test]
fn what_is_wrong_is_counted() {
    let desk = Desk::new();
    let op = |op_type: &str| OperatorDef::new(op_type).input("x").output("y");
    let net = NetDef::new("n").op(op("Rleu")).op(op("Rleu")).op(op("Relu").input("x"));
    desk.put("net.pb", net.to_binary());
    let text = desk.caffe2("inspect net.pb").succeeded();
    assert!(text.contains("not registered: `Rleu`, used 2 times\n"), "{text}");
    assert!(text.contains("wrong: 1 problem; `caffe2 check` lists them\n"), "{text}");
}

#[test]
fn the_size_of_a_picture_is_found_from_the_weights() {
    let model = caffe2_zoo::model("squeezenet").unwrap();
    let desk = Desk::new();
    desk.put("net.pb", model.predict_net().to_binary());
    desk.put("init.pb", model.init_net().to_binary());
    let json = desk.caffe2("inspect net.pb --init init.pb --json").json();
    assert_eq!(json["inputs"][0]["shape"], serde_json::json!([1, 3, 227, 227]));
    assert_eq!(json["parameters"]["values"], 1_235_496);
}
