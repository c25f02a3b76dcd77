//! `caffe2 optimize`, and nets whose operators are merged before they run.

use caffe2::{NetDef, OperatorDef, Tensor};

use super::Desk;

/// A desk with a convolution, its batch normalisation in place and a Relu.
fn desk() -> Desk {
    let desk = Desk::new();
    let fill = |blob: &str, shape: Vec<i64>, value: f32| {
        OperatorDef::new("ConstantFill").output(blob).arg("shape", shape).arg("value", value)
    };
    let vectors = [("s", 2.0f32), ("b", -5.0), ("m", 1.0), ("v", 1.0)];
    let init = NetDef::new("init").op(fill("w", vec![1, 1, 1, 1], 3.0));
    desk.put_net("init.pbtxt", &init.ops(vectors.map(|(blob, value)| fill(blob, vec![1], value))));
    let net = NetDef::new("net")
        .op(OperatorDef::new("Conv").inputs(["x", "w"]).output("c").arg("kernel", 1))
        .op(OperatorDef::new("SpatialBN").inputs(["c", "s", "b", "m", "v"]).output("n").arg("is_test", 1))
        .op(OperatorDef::new("Relu").input("n").output("y"))
        .external_output("y");
    desk.put_net("net.pbtxt", &net);
    desk.put_tensors("x.npz", &[("x", Tensor::from_slice([1, 1, 1, 2], &[1.0f32, 4.0]).unwrap())]);
    desk
}

#[test]
fn what_is_merged_is_told_and_written() {
    let desk = desk();
    let said = desk.caffe2("optimize --net net.pbtxt --init init.pbtxt --output-net merged.pb").succeeded();
    assert_eq!(
        said,
        "\
operator   before  after
Conv            1      0
ConvFused       0      1
Relu            1      0
SpatialBN       1      0
all             3      1

2 of 3 operators became part of another
not computed any more (--keep BLOB keeps one): c, n
"
    );
    let merged = caffe2::files::read_net(desk.path("merged.pb")).unwrap();
    assert_eq!(merged.op[0].r#type(), "ConvFused");
    let run = |net: &str, more: &str| {
        let args = format!("run --net {net} --init init.pbtxt --feed x.npz --output {net}.npz {more}");
        desk.caffe2(&args).succeeded();
        desk.tensors(&format!("{net}.npz"))
    };
    let of = |tensors: &[(String, Tensor)]| tensors[0].1.as_slice::<f32>().unwrap().to_vec();
    for (net, more) in [("net.pbtxt", ""), ("net.pbtxt", "--no-fuse"), ("merged.pb", "")] {
        let found = of(&run(net, more));
        assert!(found[0] == 0.0 && (found[1] - 17.0).abs() < 1e-3, "{net} {more}: {found:?}");
    }
}

#[test]
fn a_blob_that_is_kept_or_fetched_is_computed() {
    let desk = desk();
    let json = desk.caffe2("optimize --net net.pbtxt --init init.pbtxt --keep c --json").json();
    assert_eq!((&json["merged"], &json["gone"]), (&0.into(), &serde_json::json!([])));
    let json = desk.caffe2("optimize --net net.pbtxt --init init.pbtxt --keep n --json").json();
    assert_eq!((&json["merged"], &json["gone"]), (&1.into(), &serde_json::json!(["c"])));
    let said = desk.caffe2("run --net net.pbtxt --init init.pbtxt --feed x.npz --fetch c,n").succeeded();
    assert!(said.contains('c') && said.contains('n'), "{said}");
}
