//! Running and inferring an operator of any number of inputs.

use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{DataType, OpRegistry, Shape, Tensor, TensorInfo, Workspace, infer_net};

/// Runs an operator without arguments on `x0`, `x1`, …
pub(crate) fn run(op: &str, inputs: &[&[f32]], output: &str) -> Result<Vec<f32>, String> {
    let mut workspace = Workspace::new();
    let mut def = OperatorDef::new(op).output(output);
    for (i, values) in inputs.iter().enumerate() {
        workspace.feed(&format!("x{i}"), Tensor::from_slice([values.len()], values).unwrap());
        def = def.input(format!("x{i}"));
    }
    workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
    Ok(workspace.fetch(output).map_err(|e| e.to_string())?.as_slice::<f32>().unwrap().to_vec())
}

/// What is inferred of the output for float inputs of these shapes, and the multiply-adds.
pub(crate) fn infer(op: &str, shapes: &[&[usize]]) -> Result<(TensorInfo, u64), String> {
    infer_of(OperatorDef::new(op), shapes)
}

/// As [`infer`], with arguments.
pub(crate) fn infer_of(def: OperatorDef, shapes: &[&[usize]]) -> Result<(TensorInfo, u64), String> {
    let name = |i: usize| format!("x{i}");
    let def = (0..shapes.len()).fold(def, |def, i| def.input(name(i))).output("y");
    let info = |dims: &[usize]| TensorInfo::new(DataType::Float, Shape::new(dims).unwrap());
    let mut known = shapes.iter().enumerate().map(|(i, dims)| (name(i), info(dims))).collect();
    let registry = OpRegistry::linked().unwrap();
    let inferred = infer_net(&registry, &NetDef::new("n").op(def), &mut known);
    let mut op = inferred.map_err(|e| e.to_string())?.remove(0);
    Ok((op.outputs.remove(0), op.cost.macs))
}
