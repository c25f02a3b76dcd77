//! Nets that read and write files of their own.

use caffe2::{NetDef, OperatorDef, Tensor};

use super::Desk;

fn desk() -> Desk {
    let desk = Desk::new();
    let db = |op_type: &str, path: &str| OperatorDef::new(op_type).arg("db", path).arg("db_type", "minidb");
    desk.put_net("save.pbtxt", &NetDef::new("save").op(db("Save", "w.minidb").input("x")));
    let load = NetDef::new("load").op(db("Load", "w.minidb").output("x"));
    desk.put_net("load.pbtxt", &load.op(OperatorDef::new("Relu").input("x").output("y")));
    desk.put_net("escape.pbtxt", &NetDef::new("escape").op(db("Save", "../x.npz").input("x")));
    desk.put_tensors("x.npz", &[("x", Tensor::from_slice([2], &[-1.0f32, 2.0]).unwrap())]);
    std::fs::create_dir(desk.path("data")).unwrap();
    desk
}

#[test]
fn files_are_for_nets_in_an_allowed_folder_alone() {
    let desk = desk();
    desk.caffe2("run --net save.pbtxt --feed x.npz").failed(&["operator #0 Save", "--allow-io DIR"]);
    desk.caffe2("run --net save.pbtxt --feed x.npz --allow-io data").succeeded();
    assert_eq!(desk.tensors("data/w.minidb"), desk.tensors("x.npz"));
    let text = desk.caffe2("run --net load.pbtxt --allow-io data").succeeded();
    assert!(text.contains("range    0 to 2"), "{text}");
    let before = desk.bytes("x.npz");
    desk.caffe2("run --net escape.pbtxt --feed x.npz --allow-io data")
        .failed(&["`../x.npz` is outside of the folder"]);
    assert_eq!(desk.bytes("x.npz"), before);
    desk.caffe2("run --net load.pbtxt --allow-io absent").failed(&["--allow-io absent: "]);
}

#[test]
fn a_run_as_json() {
    let desk = desk();
    desk.caffe2("run --net save.pbtxt --feed x.npz --allow-io data").succeeded();
    let json = desk.caffe2("run --net load.pbtxt --allow-io data --fetch x,y --json").json();
    assert_eq!(
        (&json[0]["name"], &json[0]["min"], &json[0]["max"]),
        (&"x".into(), &(-1.0).into(), &2.0.into())
    );
    assert_eq!((&json[1]["shape"], &json[1]["type"]), (&serde_json::json!([2]), &"float".into()));
    assert_eq!(json[1]["largest"][0], serde_json::json!({ "index": 1, "value": 2.0 }));
}
