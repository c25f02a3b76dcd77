//! Shapes that a net computes are known before it runs.
#![allow(clippy::unwrap_used)]

use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{BlobInfos, DataType, OpRegistry, Shape, Tensor, TensorInfo, Workspace, infer_net};
use caffe2_tests as _;

/// Flattens all but the first dimension of `x`, whose size the net takes from `x` itself.
fn flatten() -> NetDef {
    NetDef::new("flatten")
        .op(OperatorDef::new("Shape").input("x").output("dims"))
        .op(OperatorDef::new("Slice")
            .input("dims")
            .output("batch")
            .arg("starts", vec![0])
            .arg("ends", vec![1]))
        .op(OperatorDef::new("GivenTensorInt64Fill")
            .output("rest")
            .arg("shape", vec![1])
            .arg("values", vec![-1]))
        .op(OperatorDef::new("Concat").inputs(["batch", "rest"]).outputs(["to", "_"]).arg("axis", 0))
        .op(OperatorDef::new("Reshape").inputs(["x", "to"]).outputs(["y", "_old"]))
}

#[test]
fn shapes_that_a_net_computes_are_known_without_a_run() {
    let registry = OpRegistry::linked().unwrap();
    let shape = Shape::new(&[2, 3, 4]).unwrap();
    let mut known = BlobInfos::new();
    known.insert("x", TensorInfo::new(DataType::Float, shape.clone()));
    infer_net(&registry, &flatten(), &mut known).unwrap();
    assert_eq!(known["y"], TensorInfo::new(DataType::Float, Shape::new(&[2, 12]).unwrap()));
    assert_eq!(known.value("to").unwrap().as_slice::<i64>().unwrap(), [2, -1]);
    let mut workspace = Workspace::new();
    workspace.feed("x", Tensor::zeros::<f32>(shape).unwrap());
    workspace.run_net_once(&flatten()).unwrap();
    assert_eq!(known["y"], TensorInfo::from(workspace.tensor("y").unwrap()));
}

#[test]
fn what_is_overwritten_is_known_no_more() {
    let registry = OpRegistry::linked().unwrap();
    let mut known = BlobInfos::new();
    known.insert_tensor("to", &Tensor::from_slice([1], &[6i64]).unwrap());
    known.insert("x", TensorInfo::new(DataType::Float, Shape::new(&[2, 3]).unwrap()));
    known.insert("unknown", TensorInfo::new(DataType::Int64, Shape::new(&[1]).unwrap()));
    let net = NetDef::new("n")
        .op(OperatorDef::new("Copy").input("unknown").output("to"))
        .op(OperatorDef::new("Reshape").inputs(["x", "to"]).outputs(["y", "_"]));
    infer_net(&registry, &net, &mut known).unwrap();
    assert!(known.value("to").is_none() && known["y"] == TensorInfo::of_type(DataType::Float));
}
