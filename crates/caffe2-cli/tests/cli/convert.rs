//! `caffe2 convert`: there and back.

use caffe2::files::{minidb, read_net};
use caffe2::{Caffe2Message as _, NetDef, OperatorDef, Tensor};

use super::{Desk, file};

#[test]
fn messages_go_between_all_forms() {
    let desk = Desk::new();
    let from = file("digits", "predict_net.pb");
    desk.caffe2(&format!("convert {from} a.pbtxt")).succeeded();
    desk.caffe2("convert a.pbtxt b.json").succeeded();
    desk.caffe2("convert b.json c.pb").succeeded();
    assert_eq!(desk.bytes("c.pb"), read_net(&from).unwrap().to_binary());
    assert_eq!(desk.bytes("a.pbtxt"), std::fs::read(file("digits", "predict_net.pbtxt")).unwrap());
    // Every command reads JSON.
    let images = file("digits", "test_images.npz");
    desk.caffe2(&format!("run --net b.json --init {} --feed {images}", file("digits", "init_net.pb")))
        .succeeded();
    desk.put_tensors("t.pb", &[("x", Tensor::scalar(1.5f32).unwrap())]);
    desk.caffe2("convert t.pb t.json").succeeded();
    desk.caffe2("convert t.json u.pb").succeeded();
    assert_eq!(desk.bytes("t.pb"), desk.bytes("u.pb"));
}

#[test]
fn init_nets_and_arrays() {
    let desk = Desk::new();
    let init = file("digits", "init_net.pb");
    desk.caffe2(&format!("convert {init} w.npz")).succeeded();
    desk.caffe2("convert w.npz again.pb").succeeded();
    desk.caffe2("convert again.pb again.npz").succeeded();
    assert_eq!(desk.tensors("w.npz"), desk.tensors("again.npz"));
    assert_eq!(desk.tensors("w.npz").len(), 6);
    desk.caffe2(&format!("convert {init} w.minidb")).succeeded();
    assert_eq!(desk.tensors("w.minidb"), desk.tensors("w.npz"));
    // A TensorProtos file is a message too.
    desk.put_tensors(
        "t.pb",
        &desk.tensors("w.npz").iter().map(|(n, t)| (n.as_str(), t.clone())).collect::<Vec<_>>(),
    );
    desk.caffe2("convert t.pb net.pbtxt --fills").succeeded();
    assert_eq!(read_net(desk.path("net.pbtxt")).unwrap().op.len(), 6);
    desk.put_tensors("half.npz", &[("h", Tensor::scalar(caffe2::f16::ONE).unwrap())]);
    desk.caffe2("convert half.npz net.pb")
        .failed(&["half.npz: tensor `h`", "no fill that makes tensors of float16"]);
}

#[test]
fn predictor_files_and_two_nets() {
    let desk = Desk::new();
    let predictor = file("predictor", "digits.minidb");
    desk.caffe2(&format!("convert {predictor} net.pb --init init.pbtxt")).succeeded();
    let images = file("digits", "test_images.npz");
    desk.caffe2(&format!("run --net net.pb --init init.pbtxt --feed {images} --output two.npz")).succeeded();
    desk.caffe2(&format!("run --net {predictor} --feed {images} --output one.npz")).succeeded();
    assert_eq!(desk.bytes("one.npz"), desk.bytes("two.npz"));
    desk.caffe2("convert net.pb back.minidb --init init.pbtxt").succeeded();
    let names = |path: std::path::PathBuf| -> Vec<String> {
        minidb::read(path, &caffe2::files::Limits::default())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names(desk.path("back.minidb")), names(predictor.clone().into()));
    desk.caffe2(&format!("run --net back.minidb --feed {images} --output three.npz")).succeeded();
    assert_eq!(desk.bytes("one.npz"), desk.bytes("three.npz"));
    desk.caffe2(&format!("convert {predictor} meta.pbtxt --meta")).succeeded();
    assert!(String::from_utf8(desk.bytes("meta.pbtxt")).unwrap().contains("PREDICT_NET_TYPE"));
    desk.caffe2(&format!("convert {predictor} w.npz")).succeeded();
    assert_eq!(desk.tensors("w.npz").len(), 6);
}

#[test]
fn what_cannot_be_is_refused_and_leaves_the_old_file() {
    let desk = Desk::new();
    let predictor = file("predictor", "digits.minidb");
    let net = file("digits", "predict_net.pb");
    desk.put("out.pb", "old");
    desk.put("out.npz", "old");
    let fails =
        NetDef::new("n").op(OperatorDef::new("Load").output("w").arg("db", "x").arg("db_type", "minidb"));
    desk.put_net("load.pbtxt", &fails);
    for (args, words) in [
        (format!("{predictor} out.pb"), "say where the parameters go: --init INIT"),
        (format!("{net} out.npz"), "this net reads `data`"),
        (format!("{net} out.pb --init {net}"), "give it the extension .minidb"),
        (format!("{net} out"), "use .pb, .pbtxt, .json, .npz or .minidb"),
        ("load.pbtxt out.npz".to_owned(), "files are not allowed"),
        (format!("{} out.npz", file("digits", "README.md")), "README.md: "),
        ("absent.pb out.pb".to_owned(), "absent.pb: the file cannot be read"),
    ] {
        desk.caffe2(&format!("convert {args}")).failed(&[words]);
    }
    assert_eq!((desk.bytes("out.pb"), desk.bytes("out.npz")), (b"old".to_vec(), b"old".to_vec()));
}

#[test]
fn options_that_have_no_use_are_refused() {
    let desk = Desk::new();
    let net = file("digits", "predict_net.pb");
    desk.caffe2(&format!("convert {net} a.pbtxt --fills")).failed(&["--fills", "of tensors"]);
    desk.caffe2(&format!("convert {net} a.pbtxt --meta")).failed(&["--meta", "predictor files"]);
    let predictor = file("predictor", "digits.minidb");
    desk.caffe2(&format!("convert {predictor} a.pb --init a.pb")).failed(&["one file"]);
    desk.caffe2(&format!("convert {predictor} a.npz --init i.pb")).failed(&["--init i.pb", "a.npz"]);
    desk.caffe2(&format!("convert {predictor} a.pb --init no/folder/i.pb")).failed(&["no/folder"]);
    assert!(!desk.path("a.pb").exists() && !desk.path("a.npz").exists());
}
