//! An operator crate from outside of the project, and registries with and without it.
#![allow(clippy::unwrap_used)]

use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{ErrorKind, OpRegistry, Tensor, TensorInfo, Workspace, infer_net};
use caffe2_tests as _; // links the operators of the project
use third_party_op::ClampOp;

fn dequantize() -> OperatorDef {
    OperatorDef::new("ByteWeightDequant").input("codes").output("w").arg("min", -1.0f32).arg("max", 4.0f32)
}

fn codes() -> Tensor {
    Tensor::from_slice([3], &[0u8, 51, 255]).unwrap()
}

#[test]
fn an_outside_operator_is_found_with_its_origin() {
    let registry = OpRegistry::linked().unwrap();
    let registrations = registry.registrations();
    let clamp = registrations.iter().find(|r| r.op_type() == "Clamp").unwrap();
    assert_eq!(clamp.origin().package, "third-party-op");
    assert!(clamp.origin().file.ends_with("lib.rs") && clamp.origin().line > 0);
    let schema = registry.schema("Clamp").unwrap();
    assert_eq!(schema.args().iter().map(|a| a.name).collect::<Vec<_>>(), ["low", "high"]);
    assert!(registry.schema("ByteWeightDequant").is_some());
}

#[test]
fn an_outside_operator_runs_in_a_net_with_one_of_the_project() {
    let net = NetDef::new("mixed")
        .external_input("codes")
        .op(dequantize())
        .op(OperatorDef::new("Clamp").input("w").output("y").arg("high", 2.5f32))
        .op(OperatorDef::new("Clamp").input("y").output("y").arg("low", 0.5f32).arg("high", 2.0f32))
        .external_output("y");
    let mut workspace = Workspace::new();
    workspace.feed("codes", codes());
    workspace.create_net(&net).unwrap();
    for _ in 0..2 {
        workspace.run_net("mixed").unwrap();
        assert_eq!(workspace.fetch("y").unwrap().as_slice::<f32>().unwrap(), [0.5, 0.5, 2.0]);
    }
    let mut known = [("codes".to_string(), TensorInfo::from(&codes()))].into_iter().collect();
    let inferred = infer_net(&OpRegistry::linked().unwrap(), &net, &mut known).unwrap();
    assert_eq!(inferred[2].outputs[0], TensorInfo::from(&workspace.fetch("y").unwrap()));
}

#[test]
fn its_errors_are_told_like_those_of_the_project() {
    let mut workspace = Workspace::new();
    workspace.feed("x", codes());
    let clamp = || OperatorDef::new("Clamp").named("squeeze").input("x").output("y");
    let error = workspace.run_operator_once(&clamp()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Run);
    let message = error.to_string();
    for part in
        ["Clamp `squeeze`", "input 0 `x`", "wanted a tensor of float, found one of uint8", "uint8 [3]"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    let error = workspace.run_operator_once(&clamp().arg("low", 3.0f32)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("`high`: expected at least low, which is 3, found 1"), "{error}");
    assert!(!workspace.has_blob("z") && workspace.run_operator_once(&clamp().output("z")).is_err());
}

#[test]
fn two_registrations_of_one_operator_are_an_error_that_names_both_origins() {
    let here = line!() + 1;
    let error = OpRegistry::builder().linked().operator::<ClampOp>().build().unwrap_err();
    assert_eq!((error.op_type, error.engine.as_str()), ("Clamp", ""));
    let message = error.to_string();
    assert!(
        message.contains("`Clamp`") && message.contains("third-party-op (tests/third-party-op/src/lib.rs:"),
        "{message}"
    );
    assert!(message.contains(&format!("third_party.rs:{here}")), "{message}");
    // As another engine it is another operator.
    let registry = OpRegistry::builder().linked().operator_with_engine::<ClampOp>("PLAIN").build().unwrap();
    assert_eq!(registry.registrations().iter().filter(|r| r.op_type() == "Clamp").count(), 2);
}

#[test]
fn an_explicit_registry_knows_nothing_that_is_merely_linked() {
    let registry = OpRegistry::builder().operator::<ClampOp>().build().unwrap();
    assert_eq!(registry.op_types(), ["Clamp"]);
    let mut workspace = Workspace::with_registry(registry);
    workspace.feed("x", Tensor::from_slice([2], &[-1.0f32, 0.25]).unwrap());
    workspace.run_operator_once(&OperatorDef::new("Clamp").input("x").output("y")).unwrap();
    assert_eq!(workspace.fetch("y").unwrap().as_slice::<f32>().unwrap(), [0.0, 0.25]);
    workspace.feed("codes", codes());
    let error = workspace.run_operator_once(&dequantize()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRegistered);
    let message = error.to_string();
    for part in ["`ByteWeightDequant` is not registered", "`caffe2op-dequant`", "use caffe2op_dequant as _;"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_type_that_nobody_has_is_answered_with_similar_names() {
    let mut workspace = Workspace::new();
    let error = workspace.run_operator_once(&OperatorDef::new("Clampp")).unwrap_err();
    assert!(error.to_string().contains("`Clampp` is not registered; similar names are `Clamp`"), "{error}");
    let error = workspace.run_operator_once(&OperatorDef::new("byteweightdequant")).unwrap_err();
    assert!(error.to_string().contains("similar names are `ByteWeightDequant`"), "{error}");
    let error = workspace.run_operator_once(&OperatorDef::new("Zzyzx")).unwrap_err();
    assert!(
        error.to_string().contains("not registered, and no operator crate of this project has it"),
        "{error}"
    );
}

#[test]
fn all_missing_types_of_a_net_are_listed_at_once() {
    let net = NetDef::new("n")
        .op(OperatorDef::new("Zzyzx").output("a"))
        .op(OperatorDef::new("Clamp").input("a").output("b"))
        .op(OperatorDef::new("FCx").input("b").output("c"))
        .op(OperatorDef::new("Zzyzx").output("d"));
    let mut workspace = Workspace::new();
    let error = workspace.create_net(&net).unwrap_err();
    assert_eq!((error.kind(), error.net(), error.details().len()), (ErrorKind::NotRegistered, Some("n"), 2));
    let [first, second] = error.details() else { panic!("{error}") };
    assert!(first.contains("`Zzyzx`") && first.contains("used 2 times, first by operator #0"), "{first}");
    assert!(second.contains("`FCx`") && second.contains("used once, by operator #2"), "{second}");
    assert!(workspace.nets().is_empty() && workspace.blobs().is_empty(), "nothing is left behind");
}
