//! Predictor files: a model in one database, as Caffe2's `predictor_exporter` writes it.
//!
//! Its first record, `!!META_NET_DEF`, holds a `MetaNetDef`: the net to run, the nets that are run before it, the names of
//! inputs, outputs and parameters. The parameters follow.
//!
//! | net | role |
//! |---|---|
//! | `GLOBAL_INIT_NET_TYPE` | loads the parameters from the database, which it finds in the blob `!!PREDICTOR_DBREADER` |
//! | `PREDICT_INIT_NET_TYPE` | makes inputs and outputs, filled with zeros |
//! | `PREDICT_NET_TYPE` | computes the outputs from the inputs |
//!
//! ```
//! use caffe2::{NetDef, OperatorDef, Tensor, Workspace};
//! use caffe2::files::{Limits, PredictorExport, PredictorFile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let init = NetDef::new("init").op(OperatorDef::new("GivenTensorFill")
//!     .output("w").arg("shape", vec![2i64]).arg("values", vec![10.0f32, 20.0]));
//! let predict = NetDef::new("twins")
//!     .external_inputs(["x", "w"])
//!     .op(OperatorDef::new("Mul").inputs(["x", "w"]).output("y"))
//!     .external_output("y");
//! let path = folder.path().join("twins.minidb");
//! PredictorExport::from_nets(&init, &predict, &Limits::default())?.write(&path)?;
//!
//! let file = PredictorFile::open(&path, &Limits::default())?;
//! assert_eq!((file.inputs(), file.outputs()), (&["x".to_owned()][..], &["y".to_owned()][..]));
//! let mut workspace = Workspace::new();
//! file.load_into(&mut workspace)?;
//! workspace.feed("x", Tensor::from_slice([2], &[1.0f32, 2.0])?);
//! workspace.create_net(file.predict_net())?;
//! workspace.run_net("twins")?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [10.0, 40.0]);
//! # Ok(())
//! # }
//! ```

mod export;

pub use export::PredictorExport;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use caffe2_db::minidb::{Reader, Source};
use caffe2_operator::{Blob, Shape, TensorInfo, Workspace, blob_name_of_key, data_type_from_proto};
use caffe2_proto::{Caffe2Message as _, FileKind, MessageKind, MetaNetDef, NetDef, PredictorConsts};
use caffe2op_db::DbReader;

use super::{FileError, FileErrorKind, Limits, minidb};
use crate::parameters::fill_net;

/// A predictor file that was opened: its description is read, its parameters are not yet.
#[derive(Debug)]
pub struct PredictorFile {
    content: Content,
    meta: MetaNetDef,
    /// Behind each key of the description, for a model with a name.
    suffix: String,
}

/// Where the parameters are.
#[derive(Debug)]
enum Content {
    File(PathBuf),
    Memory(Bytes),
}

impl Content {
    fn records(&self) -> Result<Reader<Box<dyn Source>>, FileError> {
        Ok(match self {
            Content::File(path) => Reader::open(path)?.boxed(),
            Content::Memory(bytes) => Reader::from_bytes(bytes.clone()).boxed(),
        })
    }
}

impl PredictorFile {
    /// Opens a predictor file with one model, or a `MetaNetDef` in any form, whose nets bring their parameters themselves.
    ///
    /// # Errors
    /// When the file cannot be read, is no database or one without a description, or a damaged one; when it holds
    /// several models, see [`PredictorFile::open_model`].
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<PredictorFile, FileError> {
        PredictorFile::open_some(path.as_ref(), None, limits)
    }

    /// Opens a predictor file for one of its models, by name.
    ///
    /// # Errors
    /// As [`PredictorFile::open`]; when there is no model of that name.
    pub fn open_model(
        path: impl AsRef<Path>,
        model: &str,
        limits: &Limits,
    ) -> Result<PredictorFile, FileError> {
        PredictorFile::open_some(path.as_ref(), Some(model), limits)
    }

    fn open_some(path: &Path, model: Option<&str>, limits: &Limits) -> Result<PredictorFile, FileError> {
        let open = || {
            if let Some(meta) = read_description(path, limits)? {
                return PredictorFile::of(meta, Content::Memory(Bytes::new()), model);
            }
            let content = match path.metadata() {
                Ok(metadata) if metadata.is_file() => Content::File(path.to_owned()),
                // A pipe can be read once.
                _ => Content::Memory(caffe2_proto::read_file(path, limits.wire.max_bytes)?),
            };
            PredictorFile::new(content, model, limits)
        };
        open().map_err(|error: FileError| error.in_file(path))
    }

    /// Reads the content of such a file.
    ///
    /// # Errors
    /// As [`PredictorFile::open`], without a file's name.
    pub fn from_bytes(bytes: impl Into<Bytes>, limits: &Limits) -> Result<PredictorFile, FileError> {
        PredictorFile::new(Content::Memory(bytes.into()), None, limits)
    }

    fn new(content: Content, model: Option<&str>, limits: &Limits) -> Result<PredictorFile, FileError> {
        let meta = read_meta(&mut content.records()?, limits)?;
        PredictorFile::of(meta, content, model)
    }

    /// The model that a description alone makes: its nets have to bring their parameters themselves.
    ///
    /// # Errors
    /// When it describes no model, or several.
    pub fn from_meta(meta: MetaNetDef) -> Result<PredictorFile, FileError> {
        PredictorFile::of(meta, Content::Memory(Bytes::new()), None)
    }

    fn of(meta: MetaNetDef, content: Content, model: Option<&str>) -> Result<PredictorFile, FileError> {
        let consts = PredictorConsts::default();
        let predictor_type =
            meta.model_info.as_ref().map_or(consts.single_predictor(), |m| m.predictor_type());
        let names = model_names(&meta);
        let suffix = match (model, &names[..]) {
            (_, []) => {
                let (kind, net) = (FileErrorKind::WrongContent, consts.predict_net_type());
                return Err(FileError::new(kind, format!("the description has no net `{net}`")));
            }
            (None, [only]) if predictor_type == consts.single_predictor() => (*only).to_owned(),
            (Some(wanted), names) if names.contains(&suffix_of(wanted).as_str()) => suffix_of(wanted),
            (wanted, names) => {
                let wanted = wanted.map_or(String::new(), |wanted| format!("no model `{wanted}`: "));
                let known: Vec<_> =
                    names.iter().map(|n| format!("`{}`", n.trim_start_matches('_'))).collect();
                let message = format!("{wanted}the file holds the models {}", known.join(", "));
                return Err(FileError::new(FileErrorKind::Names, message).help("choose one by its name"));
            }
        };
        Ok(PredictorFile { content, meta, suffix })
    }

    /// The description, all of it.
    pub fn meta(&self) -> &MetaNetDef {
        &self.meta
    }

    /// The net that computes the outputs.
    pub fn predict_net(&self) -> &NetDef {
        // It was there when the file was opened.
        self.net(PredictorConsts::default().predict_net_type()).unwrap_or(&EMPTY)
    }

    fn net(&self, role: &str) -> Option<&NetDef> {
        let key = format!("{role}{}", self.suffix);
        self.meta.nets.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    fn names(&self, role: &str) -> &[String] {
        let key = format!("{role}{}", self.suffix);
        self.meta.blobs.iter().find(|entry| entry.key == key).map_or(&[], |entry| &entry.value)
    }

    /// The names of the blobs to feed.
    pub fn inputs(&self) -> &[String] {
        self.names(PredictorConsts::default().inputs_blob_type())
    }

    /// The names of the blobs that the net is run for.
    pub fn outputs(&self) -> &[String] {
        self.names(PredictorConsts::default().outputs_blob_type())
    }

    /// The names of the parameters.
    pub fn parameters(&self) -> &[String] {
        self.names(PredictorConsts::default().parameters_blob_type())
    }

    /// The shape that an input had when the model was exported, where the file tells.
    pub fn input_shape(&self, input: &str) -> Option<Shape> {
        let net = self.net(PredictorConsts::default().predict_init_net_type())?;
        let fill = net.op.iter().find(|op| op.r#type() == "ConstantFill" && op.output == [input])?;
        Shape::from_i64s(&fill.argument("shape")?.ints).ok().filter(|shape| shape.numel() > 0)
    }

    /// All inputs, with what [`PredictorFile::input_shape`] tells of each.
    pub fn input_shapes(&self) -> impl Iterator<Item = (&String, Option<Shape>)> {
        let net = self.net(PredictorConsts::default().predict_init_net_type());
        let fills = net.map_or(&[][..], |net| &net.op).iter().filter(|op| op.r#type() == "ConstantFill");
        let mut shapes = HashMap::new();
        for fill in fills {
            if let ([output], Some(shape)) = (&fill.output[..], fill.argument("shape")) {
                shapes.entry(output.as_str()).or_insert(&shape.ints);
            }
        }
        self.inputs().iter().map(move |input| {
            let shape = shapes.get(input.as_str()).and_then(|dims| Shape::from_i64s(dims).ok());
            (input, shape.filter(|shape| shape.numel() > 0))
        })
    }

    /// The parameters that the file holds, each with its type and shape: of these, no values are kept.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn parameter_infos(&self, limits: &Limits) -> Result<Vec<(String, TensorInfo)>, FileError> {
        let mut records = self.content.records()?;
        let mut infos: Vec<(String, TensorInfo)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = records.next_key()? {
            let name = blob_name_of_key(key).to_owned();
            if name == PredictorConsts::default().meta_net_def() || !seen.insert(name.clone()) {
                continue;
            }
            let info = match minidb::message(&mut records, limits)?.tensor {
                Some(tensor) => TensorInfo {
                    data_type: data_type_from_proto(i64::from(tensor.data_type.unwrap_or(1))).ok(),
                    shape: Shape::from_i64s(&tensor.dims).ok(),
                },
                None => TensorInfo::unknown(),
            };
            infos.push((name, info));
        }
        Ok(infos)
    }

    /// Has a workspace ready for [`PredictorFile::predict_net`]: runs the nets that load the parameters and make the inputs,
    /// which then hold zeros.
    ///
    /// Their allocations are bounded by the memory limit of the workspace.
    ///
    /// # Errors
    /// When the parameters cannot be read, or a net fails.
    pub fn load_into(&self, workspace: &mut Workspace) -> Result<(), FileError> {
        self.run_global_init(workspace)?;
        match self.net(PredictorConsts::default().predict_init_net_type()) {
            Some(net) => workspace.run_net_once(net).map_err(|e| self.failed(&e)),
            None => Ok(()),
        }
    }

    fn run_global_init(&self, workspace: &mut Workspace) -> Result<(), FileError> {
        let consts = PredictorConsts::default();
        let Some(net) = self.net(consts.global_init_net_type()) else { return Ok(()) };
        let reader = match &self.content {
            Content::File(path) => DbReader::open(path),
            Content::Memory(bytes) => DbReader::from_bytes(bytes.clone()),
        };
        workspace.feed(consts.predictor_dbreader(), Blob::new(reader?));
        let result = workspace.run_net_once(net).map_err(|e| self.failed(&e));
        workspace.remove_blob(consts.predictor_dbreader());
        result
    }

    fn failed(&self, error: &caffe2_operator::Error) -> FileError {
        let error = FileError::new(FileErrorKind::Net, error.to_string());
        match &self.content {
            Content::File(path) => error.in_file(path),
            Content::Memory(_) => error,
        }
    }

    /// An init net as it stands beside a predict net in the form of two files: fills that make the parameters, and the
    /// inputs with zeros in them.
    ///
    /// # Errors
    /// As [`PredictorFile::load_into`]; when a parameter is of a type that no fill makes.
    pub fn init_net(&self, limits: &Limits) -> Result<NetDef, FileError> {
        let mut workspace = Workspace::new();
        workspace.set_memory_limit(limits.max_tensor_bytes);
        self.run_global_init(&mut workspace)?;
        let tensor = |name: &String| match workspace.fetch(name) {
            Ok(tensor) => Ok((name.clone(), tensor)),
            Err(error) => Err(self.failed(&error)),
        };
        let tensors = self.parameters().iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
        let mut net = fill_net(format!("{}_init", self.predict_net().name()), &tensors)?;
        let role = PredictorConsts::default().predict_init_net_type().to_owned();
        let makers = self.net(&role).map_or(&[][..], |net| &net.op);
        let inputs: HashSet<&String> = self.inputs().iter().collect();
        let of_inputs = |op: &&caffe2_proto::OperatorDef| op.output.iter().all(|o| inputs.contains(o));
        net.op.extend(makers.iter().filter(of_inputs).cloned());
        net.external_output.extend(self.inputs().iter().cloned());
        Ok(net)
    }
}

static EMPTY: NetDef = NetDef {
    name: None,
    op: Vec::new(),
    r#type: None,
    num_workers: None,
    device_option: None,
    arg: Vec::new(),
    external_input: Vec::new(),
    external_output: Vec::new(),
    partition_info: Vec::new(),
};

/// What stands behind the keys of a model of this name.
fn suffix_of(model: &str) -> String {
    if model.is_empty() { String::new() } else { format!("_{model}") }
}

/// What stands behind the keys of each model.
fn model_names(meta: &MetaNetDef) -> Vec<&str> {
    let consts = PredictorConsts::default();
    let suffixes = meta.nets.iter().filter_map(|net| net.key.strip_prefix(consts.predict_net_type()));
    let mut seen = HashSet::new();
    suffixes.filter(|s| (s.is_empty() || s.starts_with('_')) && seen.insert(*s)).collect()
}

/// The description in a file that holds nothing else, and is no database.
fn read_description(path: &Path, limits: &Limits) -> Result<Option<MetaNetDef>, FileError> {
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let kind = if is_file { super::kind_of(path, limits)? } else { FileKind::MiniDb };
    Ok(match kind {
        FileKind::Binary(MessageKind::MetaNet)
        | FileKind::Text(Some(MessageKind::MetaNet))
        | FileKind::Json(Some(MessageKind::MetaNet)) => Some(MetaNetDef::from_file(path, &limits.wire)?),
        _ => None,
    })
}

/// Finds the description among the records.
fn read_meta(records: &mut Reader<Box<dyn Source>>, limits: &Limits) -> Result<MetaNetDef, FileError> {
    let consts = PredictorConsts::default();
    let mut names = Vec::new();
    while let Some(key) = records.next_key()? {
        let name = blob_name_of_key(key).to_owned();
        if name != consts.meta_net_def() {
            if names.last() != Some(&name) {
                names.push(name);
            }
            continue;
        }
        let content = minidb::message(records, limits)?.content.unwrap_or_default();
        return MetaNetDef::from_binary(content, &limits.wire)
            .map_err(|e| records.error(e.to_string()).into());
    }
    let message = format!(
        "a database of {} blobs, and no predictor: there is no record `{}`",
        names.len(),
        consts.meta_net_def()
    );
    Err(FileError::new(FileErrorKind::WrongContent, message)
        .help("it is read as tensors, such as by `--feed`"))
}
