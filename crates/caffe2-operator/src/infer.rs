//! Shapes and types of blobs without running anything.

mod known;

use std::sync::Arc;

use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::{DataType, Int8Tensor, Shape, Tensor};

use crate::control::nested_writes;
use crate::op_error::OpError;
use crate::registry::OpRegistry;
use crate::{Args, Cost, CostContext, Error, Item, OpSchema, Workspace};

pub use known::BlobInfos;

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
    values: &'a [Option<Tensor>],
}

impl<'a> InferContext<'a> {
    /// The context for a definition and its inputs.
    pub fn new(args: &'a Args<'a>, inputs: &'a [TensorInfo]) -> InferContext<'a> {
        InferContext { args, inputs, values: &[] }
    }

    /// The same with the tensors of those inputs whose elements are known.
    pub fn with_values(self, values: &'a [Option<Tensor>]) -> InferContext<'a> {
        InferContext { values, ..self }
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

    /// The elements of input `index`, if they are known and of type `T`: for inputs that hold dimensions, axes or
    /// numbers from which the shape of an output follows.
    pub fn values<T: Item>(&self, index: usize) -> Option<&'a [T]> {
        T::of(self.values.get(index)?.as_ref()?).ok()
    }

    /// As [`InferContext::values`] for an input of `int32` or `int64`.
    pub fn integers(&self, index: usize) -> Option<Vec<i64>> {
        let narrow = || self.values::<i32>(index).map(|list| list.iter().map(|&i| i.into()).collect());
        self.values::<i64>(index).map(<[i64]>::to_vec).or_else(narrow)
    }

    /// The shapes of all inputs, if all are known.
    pub fn shapes(&self) -> Option<Vec<&'a Shape>> {
        self.inputs.iter().map(|info| info.shape.as_ref()).collect()
    }
}

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
/// Where the elements of small tensors are known ([`BlobInfos::insert_tensor`]), operators that allow it
/// ([`OpSchema::infer_by_running`]) run on them, so that shapes which are computed within a net are known too.
///
/// # Errors
/// When an operator could not run with these inputs, or its arguments are wrong; the error names it.
pub fn infer_net(
    registry: &Arc<OpRegistry>,
    net: &NetDef,
    known: &mut BlobInfos,
) -> Result<Vec<InferredOp>, Error> {
    let mut ops = Vec::with_capacity(net.op.len());
    for (position, def) in net.op.iter().enumerate() {
        let (inferred, results) = match registry.schema(def.r#type()) {
            None => (unknown_outputs(def, known), Vec::new()),
            Some(schema) => infer_op(registry, def, schema, known)
                .map_err(|source| Error::in_definition(net, position, def, source))?,
        };
        for name in nested_writes(def, registry) {
            known.remove(&name);
        }
        add_outputs(def, &inferred, &results, known);
        ops.push(inferred);
    }
    Ok(ops)
}

fn inputs_of(def: &OperatorDef, known: &BlobInfos) -> Vec<TensorInfo> {
    def.input.iter().map(|name| known.get(name).cloned().unwrap_or_default()).collect()
}

/// An operator that nothing can be said of.
pub(crate) fn unknown_outputs(def: &OperatorDef, known: &BlobInfos) -> InferredOp {
    let outputs = vec![TensorInfo::unknown(); def.output.len()];
    InferredOp { inputs: inputs_of(def, known), outputs, cost: Cost::default() }
}

/// What can be said of an operator, and its outputs where their elements are known.
pub(crate) fn infer_op(
    registry: &Arc<OpRegistry>,
    def: &OperatorDef,
    schema: &OpSchema,
    known: &BlobInfos,
) -> Result<(InferredOp, Vec<Tensor>), OpError> {
    let inputs = inputs_of(def, known);
    let values: Vec<_> = def.input.iter().map(|name| known.value(name).cloned()).collect();
    let results = match schema.infers_by_running() {
        true => run_known(registry, def, &inputs, &values).unwrap_or_default(),
        false => Vec::new(),
    };
    Ok((infer_operator(def, schema, inputs, &values, &results)?, results))
}

/// Adds what an operator writes to what is known.
pub(crate) fn add_outputs(
    def: &OperatorDef,
    inferred: &InferredOp,
    results: &[Tensor],
    known: &mut BlobInfos,
) {
    known.extend(def.output.iter().cloned().zip(inferred.outputs.iter().cloned()));
    for (name, result) in def.output.iter().zip(results) {
        known.insert_tensor(name.clone(), result);
    }
}

fn infer_operator(
    def: &OperatorDef,
    schema: &OpSchema,
    inputs: Vec<TensorInfo>,
    values: &[Option<Tensor>],
    results: &[Tensor],
) -> Result<InferredOp, OpError> {
    let args = Args::new(def, schema)?;
    let mut outputs = schema.infer_outputs(&InferContext::new(&args, &inputs).with_values(values))?;
    let unknown = outputs.iter_mut().zip(results).filter(|(info, _)| info.shape.is_none());
    unknown.for_each(|(info, result)| *info = result.into());
    let cost = schema.run_cost(&CostContext { args: &args, inputs: &inputs, outputs: &outputs });
    Ok(InferredOp { inputs, outputs, cost })
}

/// The most memory that an operator may take which runs so that its results are known: 64 KiB.
const KNOWN_BYTES: usize = 1 << 16;

/// What an operator gives for inputs whose elements are known; of others it gets the shape alone, which is enough for
/// some. `None` where it is not, or memory does not suffice.
fn run_known(
    registry: &Arc<OpRegistry>,
    def: &OperatorDef,
    inputs: &[TensorInfo],
    values: &[Option<Tensor>],
) -> Option<Vec<Tensor>> {
    let mut workspace = Workspace::with_registry(Arc::clone(registry));
    workspace.set_threads(1);
    workspace.set_memory_limit(KNOWN_BYTES);
    for ((name, info), value) in def.input.iter().zip(inputs).zip(values) {
        let unwritten = || {
            let mut tensor = Tensor::new();
            tensor.resize(info.shape.as_ref()?).ok()?;
            Some(tensor)
        };
        workspace.feed(name, value.clone().or_else(unwritten)?);
    }
    workspace.run_operator_once(def).ok()?;
    def.output.iter().map(|name| workspace.fetch(name).ok()).collect()
}
