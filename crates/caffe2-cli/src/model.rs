//! A net and what makes its parameters, from the files of a command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use caffe2::files::{Limits, Mapping, PredictorFile, kind_of};
use caffe2::inspect::{Before, NetSummary};
use caffe2::operator::TensorInfo;
use caffe2::predictor::{KeepCodes, Pass as _};
use caffe2::proto::{FileKind, MessageKind};
use caffe2::{DataType, EncodedNet, NetDef, OpRegistry, Predictor, PredictorOptions, Workspace};

use crate::progress::Progress;

/// The name of a net that has none.
const NAMELESS: &str = "net";

/// A net with what comes before it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) path: PathBuf,
    pub(crate) net: NetDef,
    pub(crate) before: Parameters,
}

/// What makes the parameters of a net.
#[derive(Debug)]
pub(crate) enum Parameters {
    /// Nothing that is known.
    Unknown,
    /// An init net.
    Init { path: PathBuf, net: NetDef },
    /// The file that the net is in too.
    Predictor(PredictorFile),
}

/// The predictor that a file describes, if it does.
fn predictor(path: &Path, init: Option<&Path>, limits: &Limits) -> Result<Option<PredictorFile>> {
    let file = match kind_of(path, limits)? {
        FileKind::MiniDb
        | FileKind::Binary(MessageKind::MetaNet)
        | FileKind::Text(Some(MessageKind::MetaNet))
        | FileKind::Json(Some(MessageKind::MetaNet)) => PredictorFile::open(path, limits)?,
        _ => return Ok(None),
    };
    match init {
        Some(init) => bail!("{} brings its parameters; leave out --init {}", path.display(), init.display()),
        None => Ok(Some(file)),
    }
}

/// What makes the parameters of a net that is to be run.
#[derive(Debug)]
pub(crate) enum Source {
    /// Nothing.
    Unknown,
    /// An init net, decoded as it runs.
    Init(EncodedNet),
    /// The file that the net is in too.
    Predictor(PredictorFile),
}

/// Opens a net to run, and what makes its parameters.
pub(crate) fn open(
    path: &Path,
    init: Option<&Path>,
    limits: &Limits,
    mapping: Mapping,
    progress: &Progress,
) -> Result<(NetDef, Source)> {
    progress.phase(&format!("reading {}", path.display()));
    if let Some(file) = predictor(path, init, limits)? {
        return Ok((file.predict_net().clone(), Source::Predictor(file)));
    }
    let net = read_net(path, limits)?;
    let Some(init) = init else { return Ok((net, Source::Unknown)) };
    Ok((net, Source::Init(open_init_net(init, limits, mapping, progress)?)))
}

fn open_init_net(path: &Path, limits: &Limits, mapping: Mapping, progress: &Progress) -> Result<EncodedNet> {
    progress.phase(&format!("reading {}", path.display()));
    let mut net = limits.open_net(path, mapping)?;
    net.name_or(NAMELESS);
    tracing::debug!("{}: net `{}` with {} operators", path.display(), net.outline().name(), net.len());
    Ok(net)
}

impl Source {
    /// The init net, if there is one.
    pub(crate) fn init(&self) -> Option<&EncodedNet> {
        match self {
            Source::Init(net) => Some(net),
            _ => None,
        }
    }

    /// Blobs that the init net only holds a place for.
    pub(crate) fn placeholders(&self, net: &NetDef) -> Vec<String> {
        // Decoded are the first operators that may be such: the exporters' fills of inputs are short.
        const LONGEST: usize = 256;
        let Some(init) = self.init() else { return Vec::new() };
        let short = (0..init.len()).filter(|&position| init.operator_bytes(position) <= LONGEST);
        let ops = short.filter_map(|position| init.operator(position).ok()?.into_def().ok());
        let fills = NetDef::new("fills").ops(ops);
        caffe2::placeholders(&fills, net).into_iter().map(str::to_owned).collect()
    }

    /// What is there before the net runs, told of a predictor that was made of this.
    pub(crate) fn before(&self, net: &NetDef) -> Before {
        let mut before = Before::default();
        match self {
            Source::Predictor(file) => {
                before.placeholders = file.inputs().to_vec();
                for input in file.inputs() {
                    let shape = file.input_shape(input);
                    let data_type = shape.as_ref().map(|_| DataType::Float);
                    before.blobs.insert(input.clone(), TensorInfo { data_type, shape });
                }
            }
            _ => before.placeholders = self.placeholders(net),
        }
        before
    }

    /// A predictor of the net.
    pub(crate) fn predictor(
        self,
        options: PredictorOptions,
        net: NetDef,
        progress: &Progress,
    ) -> Result<Predictor> {
        Ok(match self {
            Source::Unknown => options.build(EncodedNet::default(), net)?,
            Source::Init(init) => {
                progress.init_net("running the init net", &init);
                options.build(init, net)?
            }
            Source::Predictor(file) => {
                progress.phase("loading the parameters");
                options.build_file(&file)?
            }
        })
    }

    /// Makes the parameters in a workspace. With `keep_codes` weights that are stored as bytes stay bytes, and the net is
    /// changed to read them.
    pub(crate) fn prepare(
        self,
        workspace: &mut Workspace,
        net: &mut NetDef,
        keep_codes: bool,
        progress: &Progress,
    ) -> Result<()> {
        let mut none = EncodedNet::default();
        let (mut init, file) = match self {
            Source::Unknown => (None, None),
            Source::Init(init) => (Some(init), None),
            Source::Predictor(file) => (None, Some(file)),
        };
        if keep_codes {
            KeepCodes.before_init(init.as_mut().unwrap_or(&mut none), net)?;
        }
        if let Some(init) = init {
            progress.init_net("running the init net", &init);
            workspace.run_init_net(init)?;
        }
        if let Some(file) = file {
            progress.phase("loading the parameters");
            file.load_into(workspace)?;
        }
        Ok(())
    }
}

impl Model {
    /// Reads a net and its init net; or a predictor file, which has both.
    pub(crate) fn read(
        path: &Path,
        init: Option<&Path>,
        limits: &Limits,
        progress: &Progress,
    ) -> Result<Model> {
        progress.phase(&format!("reading {}", path.display()));
        let file = predictor(path, init, limits)?;
        let path = path.to_owned();
        if let Some(file) = file {
            return Ok(Model { path, net: file.predict_net().clone(), before: Parameters::Predictor(file) });
        }
        let net = read_net(&path, limits)?;
        let before = match init {
            None => Parameters::Unknown,
            Some(init) => {
                progress.phase(&format!("reading {}", init.display()));
                Parameters::Init { path: init.to_owned(), net: read_net(init, limits)? }
            }
        };
        Ok(Model { path, net, before })
    }

    /// What is there before the net runs.
    pub(crate) fn before(&self, registry: &Arc<OpRegistry>, limits: &Limits) -> Result<Before> {
        Ok(match &self.before {
            Parameters::Unknown => Before::default(),
            Parameters::Init { net, .. } => Before::init_net(registry, net, &self.net),
            Parameters::Predictor(file) => Before::predictor(file, limits)?,
        })
    }

    /// What the net is made of, and what was known before.
    pub(crate) fn summary(
        &self,
        registry: &Arc<OpRegistry>,
        limits: &Limits,
    ) -> Result<(NetSummary, Before)> {
        let before = self.before(registry, limits)?;
        Ok((NetSummary::new(registry, &self.net, &before), before))
    }

    /// The init net and its file, if there is one.
    pub(crate) fn init(&self) -> Option<(&Path, &NetDef)> {
        match &self.before {
            Parameters::Init { path, net } => Some((path, net)),
            _ => None,
        }
    }
}

/// Reads a net, and gives it a name if it has none.
pub(crate) fn read_net(path: &Path, limits: &Limits) -> Result<NetDef> {
    let mut net = limits.read_net(path)?;
    net.name.get_or_insert_with(|| NAMELESS.into());
    tracing::debug!("{}: net `{}` with {} operators", path.display(), net.name(), net.op.len());
    Ok(net)
}
