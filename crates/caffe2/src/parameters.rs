//! Init nets: the nets that make the parameters of others.

use std::collections::HashMap;

use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::{DataType, Tensor};

use crate::files::{FileError, FileErrorKind};

/// A net of fills that make these tensors, each under its name: an init net as Caffe2's exporters write it.
///
/// ```
/// use caffe2::{Tensor, Workspace, fill_net};
///
/// let w = Tensor::from_slice([2], &[0.5f32, 1.5])?;
/// let net = fill_net("init", &[("w", w.clone())])?;
/// assert_eq!(net.op[0].r#type(), "GivenTensorFill");
/// let mut workspace = Workspace::new();
/// workspace.run_net_once(&net)?;
/// assert_eq!(workspace.fetch("w")?, w);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a tensor was never written, or is of a type that no fill makes: `float16`, `int8`, `uint16`.
pub fn fill_net<S: AsRef<str>>(
    name: impl Into<String>,
    tensors: &[(S, Tensor)],
) -> Result<NetDef, FileError> {
    let mut net = NetDef::new(name);
    for (name, tensor) in tensors {
        let name = name.as_ref();
        net.op.push(fill(name, tensor).map_err(|error| error.of_tensor(name))?);
        net.external_output.push(name.to_owned());
    }
    Ok(net)
}

fn fill(name: &str, tensor: &Tensor) -> Result<OperatorDef, FileError> {
    let data_type = tensor.written_type()?;
    let def = |op_type: &str| {
        OperatorDef::new(op_type).output(name).arg("shape", tensor.shape().to_i64s().to_vec())
    };
    let widen = |values: Vec<i64>, op_type: &str| def(op_type).arg("values", values);
    Ok(match data_type {
        DataType::Float => def("GivenTensorFill").arg("values", tensor.as_slice::<f32>()?.to_vec()),
        DataType::Double => {
            // The argument has no doubles.
            let values = tensor.as_slice::<f64>()?;
            if let Some(lossy) = values.iter().find(|v| f64::from(**v as f32).to_bits() != v.to_bits()) {
                let message = format!("{lossy} has more digits than the argument of a fill holds");
                return Err(FileError::new(FileErrorKind::Unsupported, message).help(OTHER_FORMATS));
            }
            def("GivenTensorDoubleFill").arg("values", values.iter().map(|&v| v as f32).collect::<Vec<_>>())
        }
        DataType::Int16 => widen(wide(tensor.as_slice::<i16>()?), "GivenTensorInt16Fill"),
        DataType::Int32 => widen(wide(tensor.as_slice::<i32>()?), "GivenTensorIntFill"),
        DataType::Int64 => widen(tensor.as_slice::<i64>()?.to_vec(), "GivenTensorInt64Fill"),
        DataType::Bool => widen(wide(tensor.as_slice::<bool>()?), "GivenTensorBoolFill"),
        DataType::UInt8 => {
            def("GivenTensorByteStringToUInt8Fill").arg("values", vec![tensor.as_slice::<u8>()?.to_vec()])
        }
        DataType::String => def("GivenTensorStringFill").arg("values", tensor.as_strings()?.to_vec()),
        DataType::Float16 | DataType::Int8 | DataType::UInt16 => {
            let message = format!("there is no fill that makes tensors of {data_type}");
            return Err(FileError::new(FileErrorKind::Unsupported, message).help(OTHER_FORMATS));
        }
    })
}

const OTHER_FORMATS: &str = "keep it in an .npz, .pb (TensorProtos) or .minidb file, which hold any type";

fn wide<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
    values.iter().map(|&v| v.into()).collect()
}

/// The blobs that an init net makes only for them to be there: inputs of the predict net, to be fed with something else.
///
/// Caffe2 builds no net whose inputs do not exist, so its exporters add a fill of zeros for each. It is told from a
/// parameter by how it is read: as the first input of an operator, where weights and biases never stand.
pub fn placeholders<'a>(init: &'a NetDef, predict: &NetDef) -> Vec<&'a str> {
    let mut first_input: HashMap<&str, bool> = HashMap::new();
    for op in &predict.op {
        for (index, input) in op.input.iter().enumerate() {
            *first_input.entry(input).or_insert(true) &= index == 0;
        }
    }
    let is_place = |op: &&OperatorDef| {
        is_zeros(op) && op.output.len() == 1 && first_input.get(op.output[0].as_str()) == Some(&true)
    };
    init.op.iter().filter(is_place).map(|op| op.output[0].as_str()).collect()
}

/// Whether an operator fills its output with zeros, from nothing.
fn is_zeros(op: &OperatorDef) -> bool {
    let argument = |name: &str| op.argument(name);
    op.input.is_empty()
        && match op.r#type() {
            "ConstantFill" => {
                argument("value").is_none_or(|v| v.f() == 0.0 && v.i() == 0 && v.s().is_empty())
            }
            fill if fill.starts_with("GivenTensor") => argument("values").is_some_and(|v| {
                v.strings.is_empty() && v.floats.iter().all(|f| *f == 0.0) && v.ints.iter().all(|i| *i == 0)
            }),
            _ => false,
        }
}
