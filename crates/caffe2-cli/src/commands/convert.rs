//! `caffe2 convert`: the same content in another format.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::files::{
    FileError, Limits, NamedTensors, PredictorExport, PredictorFile, TensorFormat, kind_of, write_bytes,
    write_tensors,
};
use caffe2::proto::{
    BlobProto, Caffe2Message, FileKind, MessageKind, MetaNetDef, PlanDef, TensorProto, TensorProtos,
};
use caffe2::{NetDef, NetFacts, Workspace, fill_net};

use super::run::check_folder;
use crate::model::{Model, Parameters};
use crate::options::LimitArgs;
use crate::progress::Progress;

/// Write the content of a file in another format
///
/// What IN is, is told from its content; what OUT is to be, from its extension. Messages go between .pb (binary), .pbtxt
/// (text) and .json. An init net becomes .npz or .minidb: it is run, and what it makes is written; the other way round,
/// tensors become an init net. A predictor file becomes a net and an init net, and back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// The file to read
    #[arg(value_name = "IN")]
    from: PathBuf,

    /// The file to write; it is written whole or not at all
    #[arg(value_name = "OUT")]
    to: PathBuf,

    /// The init net beside the net: read when OUT is a predictor file, written when IN is one
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// Of a predictor file, write the MetaNetDef that describes it
    #[arg(long, conflicts_with = "init")]
    meta: bool,

    /// Make an init net of tensors
    ///
    /// Not needed for .npz, .npy and .minidb; of a TensorProtos file it says that OUT is to be a net, and not the
    /// same message in another form.
    #[arg(long, conflicts_with_all = ["init", "meta"])]
    fills: bool,

    #[command(flatten)]
    limits: LimitArgs,
}

const EXAMPLES: &str = "\
Examples:
  A net to read and edit, and back:
    caffe2 convert predict_net.pb predict_net.pbtxt
    caffe2 convert predict_net.pbtxt predict_net.pb

  For jq, or any program that reads JSON:
    caffe2 convert predict_net.pb predict_net.json

  The parameters of a model as NumPy arrays, and an init net of them:
    caffe2 convert init_net.pb parameters.npz
    caffe2 convert parameters.npz init_net.pb

  A predictor file as two nets, and back:
    caffe2 convert model.minidb predict_net.pb --init init_net.pb
    caffe2 convert predict_net.pb model.minidb --init init_net.pb";

/// What a file can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
    Json,
    Npz,
    MiniDb,
}

impl Form {
    fn of(path: &Path) -> Result<Form> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "pb" => Form::Binary,
            "pbtxt" | "prototxt" => Form::Text,
            "json" => Form::Json,
            "npz" => Form::Npz,
            "minidb" => Form::MiniDb,
            _ => bail!(
                "{}: the extension tells no format; use .pb, .pbtxt, .json, .npz or .minidb",
                path.display()
            ),
        })
    }

    fn is_message(self) -> bool {
        matches!(self, Form::Binary | Form::Text | Form::Json)
    }
}

/// Reads, converts, writes.
pub(crate) fn run(args: &ConvertArgs) -> Result<()> {
    let form = Form::of(&args.to)?;
    if args.init.as_ref().is_some_and(|init| *init == args.to) {
        bail!("{}: OUT and --init are one file", args.to.display());
    }
    let limits = args.limits.limits();
    let progress = Progress::start();
    progress.phase(&format!("reading {}", args.from.display()));
    let kind = kind_of(&args.from, &limits)?;
    let message = match kind {
        FileKind::Binary(message) | FileKind::Text(Some(message)) | FileKind::Json(Some(message)) => {
            Some(message)
        }
        _ => None,
    };
    match message {
        None if kind == FileKind::MiniDb && !args.fills && !is_plain_database(args, &limits) => {
            from_predictor(args, form, &limits)
        }
        None if matches!(kind, FileKind::MiniDb | FileKind::Zip | FileKind::Npy) => {
            from_tensors(args, form, &limits)
        }
        None if args.fills => refuse_fills(args, &kind),
        Some(MessageKind::Net | MessageKind::MetaNet | MessageKind::Plan) if args.fills => {
            refuse_fills(args, &kind)
        }
        Some(MessageKind::Net) => from_net(args, form, &limits, &progress),
        Some(MessageKind::MetaNet) if args.init.is_some() || !form.is_message() => {
            from_predictor(args, form, &limits)
        }
        Some(MessageKind::MetaNet) => rewrite::<MetaNetDef>(args, form, &limits),
        Some(MessageKind::Plan) => rewrite::<PlanDef>(args, form, &limits),
        Some(MessageKind::Tensors) if form.is_message() && !args.fills => {
            rewrite::<TensorProtos>(args, form, &limits)
        }
        Some(MessageKind::Blob) if form.is_message() && !args.fills => {
            rewrite::<BlobProto>(args, form, &limits)
        }
        Some(MessageKind::Tensor) if form.is_message() && !args.fills => {
            rewrite::<TensorProto>(args, form, &limits)
        }
        Some(MessageKind::Tensors | MessageKind::Blob | MessageKind::Tensor) => {
            from_tensors(args, form, &limits)
        }
        // What is no file of Caffe2 is refused in the words of its reader.
        _ => match limits.read_net(&args.from) {
            Err(error) => Err(error.into()),
            Ok(_) => bail!("{}: {kind} cannot be converted", args.from.display()),
        },
    }
}

fn refuse_fills(args: &ConvertArgs, kind: &FileKind) -> Result<()> {
    bail!("--fills makes an init net of tensors; {} is {kind}", args.from.display())
}

/// Whether a database holds blobs and no predictor.
fn is_plain_database(args: &ConvertArgs, limits: &Limits) -> bool {
    let wrong = caffe2::files::FileErrorKind::WrongContent;
    PredictorFile::open(&args.from, limits).is_err_and(|error| error.kind() == wrong)
}

fn write_message(path: &Path, form: Form, message: &impl Caffe2Message) -> Result<()> {
    let content = match form {
        Form::Text => message.to_text().into_bytes(),
        Form::Json => message.to_json().into_bytes(),
        _ => message.to_binary(),
    };
    Ok(write_bytes(path, &content)?)
}

/// The same message in another form.
fn rewrite<M: Caffe2Message>(args: &ConvertArgs, form: Form, limits: &Limits) -> Result<()> {
    if !form.is_message() {
        bail!("a {} becomes .pb, .pbtxt or .json, not {}", M::NAME, args.to.display());
    }
    if args.init.is_some() || args.meta {
        bail!(
            "--init and --meta are for nets and predictor files, and {} is a {}",
            args.from.display(),
            M::NAME
        );
    }
    let message = M::from_file(&args.from, &limits.wire).map_err(FileError::from)?;
    write_message(&args.to, form, &message)
}

fn from_net(args: &ConvertArgs, form: Form, limits: &Limits, progress: &Progress) -> Result<()> {
    if args.meta {
        bail!("--meta is for predictor files; {} is a net", args.from.display());
    }
    if let Some(init) = &args.init {
        if form != Form::MiniDb {
            bail!(
                "--init goes with a predictor file; {} is none: give it the extension .minidb",
                args.to.display()
            );
        }
        let model = Model::read(&args.from, Some(init), limits, progress)?;
        let Parameters::Init { net, .. } = &model.before else { bail!("there is no init net") };
        progress.phase("running the init net");
        let export = PredictorExport::from_nets(net, &model.net, limits)
            .map_err(|error| anyhow::anyhow!("{}: {error}", init.display()))?;
        progress.phase(&format!("writing {}", args.to.display()));
        return Ok(export.write(&args.to)?);
    }
    if form.is_message() {
        return rewrite::<NetDef>(args, form, limits);
    }
    progress.phase("running the init net");
    let net = limits.read_net(&args.from)?;
    if let Some((first, _)) = NetFacts::new(&net).inputs().next() {
        bail!(
            "{}: an init net makes everything itself, and this net reads `{first}`; to write a predictor file, give its \
             init net too: --init INIT",
            args.from.display()
        );
    }
    let tensors =
        made_by(&net, limits).map_err(|error| anyhow::anyhow!("{}: {error}", args.from.display()))?;
    progress.phase(&format!("writing {}", args.to.display()));
    Ok(write_tensors(&args.to, &tensors)?)
}

/// What an init net makes.
fn made_by(net: &NetDef, limits: &Limits) -> Result<NamedTensors> {
    let mut workspace = Workspace::new();
    workspace.set_memory_limit(limits.max_tensor_bytes);
    workspace.run_net_once(net)?;
    let tensor = |name: String| Ok((name.clone(), workspace.fetch(&name)?));
    NetFacts::new(net).outputs().into_iter().map(tensor).collect()
}

fn from_tensors(args: &ConvertArgs, form: Form, limits: &Limits) -> Result<()> {
    if args.init.is_some() || args.meta {
        bail!("--init and --meta are for nets and predictor files; {} holds tensors", args.from.display());
    }
    let tensors = limits.read_tensors(&args.from)?;
    if !form.is_message() {
        TensorFormat::of(&args.to)?;
        return Ok(write_tensors(&args.to, &tensors)?);
    }
    let name = args.to.file_stem().and_then(|stem| stem.to_str()).unwrap_or("init");
    let net = fill_net(name, &tensors).map_err(|error| error.in_file(&args.from))?;
    write_message(&args.to, form, &net)
}

fn from_predictor(args: &ConvertArgs, form: Form, limits: &Limits) -> Result<()> {
    let file = PredictorFile::open(&args.from, limits)?;
    if args.meta {
        if !form.is_message() {
            bail!("the MetaNetDef becomes .pb, .pbtxt or .json, not {}", args.to.display());
        }
        return write_message(&args.to, form, file.meta());
    }
    if !form.is_message() {
        if let Some(init) = &args.init {
            bail!(
                "{} takes the parameters, and nothing is left for --init {}; the net goes to a .pb, .pbtxt or .json",
                args.to.display(),
                init.display()
            );
        }
        let tensors = limits.read_tensors(&args.from)?;
        return Ok(write_tensors(&args.to, &tensors)?);
    }
    let Some(init) = &args.init else {
        bail!(
            "{} is a net and its parameters; say where the parameters go: --init INIT for an init net, or an OUT with \
             the extension .npz for arrays; or --meta for its description alone",
            args.from.display()
        );
    };
    let init_form = Form::of(init)?;
    if !init_form.is_message() {
        bail!("{}: an init net is a .pb, .pbtxt or .json", init.display());
    }
    check_folder(init)?;
    check_folder(&args.to)?;
    let net = file.init_net(limits)?;
    write_message(init, init_form, &net)?;
    write_message(&args.to, form, file.predict_net())
}
