//! A net and what makes its parameters, from the files of a command line.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::files::{FileError, Limits, PredictorFile, kind_of};
use caffe2::inspect::{Before, NetSummary};
use caffe2::proto::{Caffe2Message as _, FileKind, MessageKind, MetaNetDef};
use caffe2::{NetDef, OpRegistry};

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

impl Model {
    /// Reads a net and its init net; or a predictor file, which has both.
    pub(crate) fn read(
        path: &Path,
        init: Option<&Path>,
        limits: &Limits,
        progress: &Progress,
    ) -> Result<Model> {
        progress.phase(&format!("reading {}", path.display()));
        let kind = kind_of(path, limits)?;
        let predictor = match kind {
            FileKind::MiniDb => Some(PredictorFile::open(path, limits)?),
            FileKind::Binary(MessageKind::MetaNet)
            | FileKind::Text(Some(MessageKind::MetaNet))
            | FileKind::Json(Some(MessageKind::MetaNet)) => {
                let meta = MetaNetDef::from_file(path, &limits.wire).map_err(FileError::from)?;
                Some(PredictorFile::from_meta(meta)?)
            }
            _ => None,
        };
        let path = path.to_owned();
        if let Some(file) = predictor {
            if let Some(init) = init {
                bail!("{} brings its parameters; leave out --init {}", path.display(), init.display());
            }
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
    pub(crate) fn before(&self, registry: &OpRegistry, limits: &Limits) -> Result<Before> {
        Ok(match &self.before {
            Parameters::Unknown => Before::default(),
            Parameters::Init { net, .. } => Before::init_net(registry, net, &self.net),
            Parameters::Predictor(file) => Before::predictor(file, limits)?,
        })
    }

    /// What the net is made of, and what was known before.
    pub(crate) fn summary(&self, registry: &OpRegistry, limits: &Limits) -> Result<(NetSummary, Before)> {
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
