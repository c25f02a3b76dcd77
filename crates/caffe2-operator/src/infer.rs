//! Shapes and types of blobs without running anything.

use caffe2_proto::NetDef;
use caffe2_tensor::{DataType, Int8Tensor, Shape, Tensor};
use hashbrown::HashMap;

use crate::control::nested_writes;
use crate::op_error::OpError;
use crate::registry::OpRegistry;
use crate::{Args, Cost, CostContext, Error};

/// What is known of a tensor, or of the values of an 8-bit tensor, before it exists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TensorInfo {
    /// The type of the elements, if known.
    pub data_type: Option<DataType>,
    /// The shape, if known.
    pub shape: Option<Shape>,
}

impl TensorInfo {
    /// A tensor of known type and shape.
    pub fn new(data_type: DataType, shape: Shape) -> TensorInfo {
        TensorInfo { data_type: Some(data_type), shape: Some(shape) }
    }

    /// A tensor of which nothing is known.
    pub fn unknown() -> TensorInfo {
        TensorInfo::default()
    }

    /// A tensor of known type and unknown shape.
    pub fn of_type(data_type: DataType) -> TensorInfo {
        TensorInfo { data_type: Some(data_type), shape: None }
    }

    /// Bytes that the elements take; 0 when that is unknown, and for strings.
    pub fn byte_len(&self) -> u64 {
        let item = self.data_type.and_then(DataType::item_size).unwrap_or(0);
        self.shape.as_ref().map_or(0, |shape| (shape.numel() as u64).saturating_mul(item as u64))
    }
}

impl From<&Tensor> for TensorInfo {
    fn from(tensor: &Tensor) -> TensorInfo {
        TensorInfo { data_type: tensor.data_type(), shape: Some(tensor.shape().clone()) }
    }
}

impl From<&Int8Tensor> for TensorInfo {
    fn from(int8: &Int8Tensor) -> TensorInfo {
        TensorInfo::from(&int8.values)
    }
}

impl std::fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.data_type.map_or("unknown type", DataType::name))?;
        match &self.shape {
            Some(shape) => write!(f, " {shape}"),
            None => f.write_str(" of unknown shape"),
        }
    }
}

/// What an inference function gets: the arguments, and what is known of the inputs.
#[derive(Debug, Clone, Copy)]
pub struct InferContext<'a> {
    args: &'a Args<'a>,
    inputs: &'a [TensorInfo],
}

impl<'a> InferContext<'a> {
    /// The context for a definition and its inputs.
    pub fn new(args: &'a Args<'a>, inputs: &'a [TensorInfo]) -> InferContext<'a> {
        InferContext { args, inputs }
    }

    /// The arguments of the definition.
    pub fn args(&self) -> &'a Args<'a> {
        self.args
    }

    /// The number of inputs.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The number of outputs.
    pub fn output_count(&self) -> usize {
        self.args.output_count()
    }

    /// What is known of input `index`; nothing when there is no such input.
    pub fn info(&self, index: usize) -> TensorInfo {
        self.inputs.get(index).cloned().unwrap_or_default()
    }

    /// The shape of input `index`, if known.
    pub fn shape(&self, index: usize) -> Option<&'a Shape> {
        self.inputs.get(index)?.shape.as_ref()
    }

    /// The type of input `index`, if known.
    pub fn data_type(&self, index: usize) -> Option<DataType> {
        self.inputs.get(index)?.data_type
    }

    /// The shapes of all inputs, if all are known.
    pub fn shapes(&self) -> Option<Vec<&'a Shape>> {
        self.inputs.iter().map(|info| info.shape.as_ref()).collect()
    }
}

/// What is known of blobs, by name.
pub type BlobInfos = HashMap<String, TensorInfo>;

/// What inference found out about one operator of a net.
#[derive(Debug, Clone, PartialEq)]
pub struct InferredOp {
    /// What is known of its inputs.
    pub inputs: Vec<TensorInfo>,
    /// What is known of its outputs.
    pub outputs: Vec<TensorInfo>,
    /// What a run costs; unknown shapes count as nothing.
    pub cost: Cost,
}

/// Walks the operators of a net and infers what each writes, starting from `known` blobs; what is
/// found is added there, so that several nets can be walked in turn.
///
/// Operators that are not registered write blobs of which nothing is known, and so do the nets within operators.
///
/// # Errors
/// When an operator could not run with these inputs, or its arguments are wrong; the error names it.
pub fn infer_net(
    registry: &OpRegistry,
    net: &NetDef,
    known: &mut BlobInfos,
) -> Result<Vec<InferredOp>, Error> {
    let mut ops = Vec::with_capacity(net.op.len());
    for (position, def) in net.op.iter().enumerate() {
        let inputs: Vec<_> = def.input.iter().map(|n| known.get(n).cloned().unwrap_or_default()).collect();
        let inferred = match registry.schema(def.r#type()) {
            None => InferredOp {
                outputs: vec![TensorInfo::unknown(); def.output.len()],
                inputs,
                cost: Cost::default(),
            },
            Some(schema) => {
                let infer = || -> Result<(Vec<TensorInfo>, Cost), OpError> {
                    let args = Args::new(def, schema)?;
                    let outputs = schema.infer_outputs(&InferContext::new(&args, &inputs))?;
                    let context = CostContext { args: &args, inputs: &inputs, outputs: &outputs };
                    let cost = schema.run_cost(&context);
                    Ok((outputs, cost))
                };
                let in_place = |source| Error::in_definition(net, position, def, source);
                let (outputs, cost) = infer().map_err(in_place)?;
                InferredOp { inputs, outputs, cost }
            }
        };
        for name in nested_writes(def, registry) {
            known.remove(&name);
        }
        for (name, info) in def.output.iter().zip(&inferred.outputs) {
            known.insert(name.clone(), info.clone());
        }
        ops.push(inferred);
    }
    Ok(ops)
}
