//! Writing predictor files.

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use caffe2_operator::{Blob, BlobInfos, OpRegistry, Shape, TensorInfo, Workspace, infer_net};
use caffe2_proto::{BlobsMap, Caffe2Message as _, MetaNetDef, NetDef, NetsMap, OperatorDef, PredictorConsts};

use crate::NetFacts;
use crate::files::{FileError, FileErrorKind, Limits, minidb};
use crate::parameters::placeholders;

/// What a predictor file is made of.
#[derive(Debug)]
pub struct PredictorExport {
    /// The net to run; its external inputs and outputs become those of the export.
    pub predict_net: NetDef,
    /// The parameters.
    pub parameters: minidb::NamedBlobs,
    /// The blobs to feed, with the shape that each has at first, if known.
    pub inputs: Vec<(String, Option<Shape>)>,
    /// The blobs that the net is run for, with the shape that each has at first, if known.
    pub outputs: Vec<(String, Option<Shape>)>,
}

impl PredictorExport {
    /// The export of an init net and a predict net: the init net is run, and what it makes of the blobs that the predict
    /// net reads are the parameters. Inputs are what is left, and what the init net only holds a place for.
    ///
    /// # Errors
    /// When the init net fails, or takes more memory than the limits allow.
    pub fn from_nets(init: &NetDef, predict: &NetDef, limits: &Limits) -> Result<PredictorExport, FileError> {
        let failed = |e: caffe2_operator::Error| FileError::new(FileErrorKind::Net, e.to_string());
        let mut workspace = Workspace::new();
        workspace.set_memory_limit(limits.max_tensor_bytes);
        workspace.run_net_once(init).map_err(failed)?;
        let places = placeholders(init, predict);
        let (mut parameters, mut inputs) = (Vec::new(), Vec::new());
        let mut known = BlobInfos::new();
        for name in inputs_in_order(predict) {
            let made = workspace.tensor(name).ok();
            if let Some(tensor) = made {
                known.insert(name.to_owned(), TensorInfo::from(tensor));
            }
            match workspace.blob(name) {
                Some(_) if !places.contains(&name) => {
                    let mut blob = Blob::default();
                    std::mem::swap(workspace.blob_mut(name).unwrap_or(&mut Blob::default()), &mut blob);
                    parameters.push((name.to_owned(), blob));
                }
                _ => inputs.push((name.to_owned(), made.map(|t| t.shape().clone()))),
            }
        }
        // Shapes that cannot be told are left open.
        let registry = OpRegistry::linked().map_err(|e| FileError::new(FileErrorKind::Net, e.to_string()))?;
        let _ = infer_net(&registry, predict, &mut known);
        let shape = |name: &String| (name.clone(), known.get(name).and_then(|info| info.shape.clone()));
        let outputs = NetFacts::new(predict).outputs().iter().map(shape).collect();
        Ok(PredictorExport { predict_net: predict.clone(), parameters, inputs, outputs })
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When a blob is both input and parameter, no message can hold a parameter, or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let names: HashSet<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        let both = self.inputs.iter().chain(&self.outputs).find(|(name, _)| names.contains(name.as_str()));
        if let Some((name, _)) = both {
            let message = "it is a parameter, and an input or output too";
            return Err(FileError::new(FileErrorKind::Names, message).of_tensor(name).in_file(path.as_ref()));
        }
        let meta = Blob::new(Bytes::from(self.meta().to_binary()));
        let key = PredictorConsts::default().meta_net_def().to_owned();
        let blobs = self.parameters.iter().map(|(name, blob)| (name.as_str(), blob));
        minidb::write(path, [(key.as_str(), &meta)].into_iter().chain(blobs))
    }

    /// The description, as Caffe2's exporter makes it.
    pub fn meta(&self) -> MetaNetDef {
        let consts = PredictorConsts::default();
        let names =
            |list: &[(String, Option<Shape>)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let parameters: Vec<_> = self.parameters.iter().map(|(name, _)| name.clone()).collect();
        let (inputs, outputs) = (names(&self.inputs), names(&self.outputs));
        let predict_init = NetDef::new("predict-init")
            .ops(self.inputs.iter().chain(&self.outputs).map(|(name, shape)| zeros(name, shape.as_ref())))
            .external_inputs(inputs.iter().chain(&outputs));
        let global_init = NetDef::new("global-init")
            .op(OperatorDef::new("Load").input(consts.predictor_dbreader()).outputs(&parameters))
            .external_input(consts.predictor_dbreader())
            .external_outputs(&parameters);
        let predict = NetDef {
            external_input: inputs.iter().chain(&parameters).cloned().collect(),
            external_output: outputs.clone(),
            ..self.predict_net.clone()
        };
        let net = |key: &str, value| NetsMap { key: key.to_owned(), value };
        let blobs = |key: &str, value| BlobsMap { key: key.to_owned(), value };
        MetaNetDef {
            nets: vec![
                net(consts.predict_init_net_type(), predict_init),
                net(consts.global_init_net_type(), global_init),
                net(consts.predict_net_type(), predict),
            ],
            blobs: vec![
                blobs(consts.parameters_blob_type(), parameters),
                blobs(consts.inputs_blob_type(), inputs),
                blobs(consts.outputs_blob_type(), outputs),
            ],
            ..MetaNetDef::default()
        }
    }
}

/// A blob of zeros; an empty one where the shape is not known.
fn zeros(name: &str, shape: Option<&Shape>) -> OperatorDef {
    let dims = shape.map_or(vec![0], |shape| shape.to_i64s().to_vec());
    OperatorDef::new("ConstantFill").output(name).arg("shape", dims).arg("value", 0.0f32)
}

/// The blobs that must be there before a net runs: its external inputs first, in their order.
fn inputs_in_order(net: &NetDef) -> Vec<&str> {
    let read: Vec<&str> = NetFacts::new(net).inputs().map(|(name, _)| name).collect();
    let (known, mut seen): (HashSet<&str>, _) = (read.iter().copied().collect(), HashSet::new());
    let declared = net.external_input.iter().map(String::as_str).filter(|name| known.contains(name));
    declared.chain(read.iter().copied()).filter(|name| seen.insert(*name)).collect()
}
