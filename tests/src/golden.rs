//! The cases in `tests/golden`: what the real Caffe2 answers. The README there tells the format.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use caffe2_db::minidb::Reader;
use caffe2_operator::proto::{Caffe2Message, NetDef, OperatorDef, PlanDef, TensorProtos, WireLimits};
use caffe2_operator::{Error, Folder, Int8Tensor, Tensor, Workspace};
use serde_json::Value;
use tempfile::TempDir;

use crate::compare::Tolerance;
use crate::content::Content;

/// Operators that read or write files.
const USE_FILES: [&str; 4] = ["CreateDB", "DBExists", "Load", "Save"];

/// Blobs by name, in the order of a file.
pub type Blobs = Vec<(String, Content)>;

/// One operator on given inputs.
pub struct Case {
    /// `<OperatorType>/<case>`.
    pub name: String,
    /// The operator type.
    pub op_type: String,
    /// The operator, behind those that have to run first.
    pub net: NetDef,
    /// What is fed.
    pub inputs: Blobs,
    /// What is to come of it.
    pub expected: Expected,
    /// Where its files are.
    folder: PathBuf,
}

/// A workspace that a case runs in, with a folder of its own where it uses files.
pub struct Bench {
    /// The workspace.
    pub workspace: Workspace,
    place: Option<TempDir>,
}

impl Case {
    /// A child of `parent` with the inputs of the case, and what it finds in files.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn bench(&self, parent: &Arc<Workspace>) -> Bench {
        let mut workspace = Workspace::child(Arc::clone(parent));
        feed(&mut workspace, &self.inputs);
        let uses_files = self.net.op.iter().any(|op| USE_FILES.contains(&op.r#type()));
        let place = uses_files.then(|| {
            let place = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
            for file in files(&self.folder.join("files")) {
                let name = file.file_name().unwrap_or_default();
                std::fs::copy(&file, place.path().join(name))
                    .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            }
            workspace.allow_files(Folder::new(place.path()).unwrap_or_else(|e| panic!("{e}")));
            place
        });
        Bench { workspace, place }
    }

    /// Runs the case once.
    ///
    /// # Errors
    /// When the net is refused, or panics.
    pub fn run(&self, parent: &Arc<Workspace>) -> Result<Bench, RunFailure> {
        let mut bench = self.bench(parent);
        run_once(&mut bench.workspace, &self.net)?;
        Ok(bench)
    }

    /// Holds the databases that were written against those that are expected, record by record.
    ///
    /// # Errors
    /// What differs, with the name of the file.
    pub fn compare_written(&self, bench: &Bench) -> Result<(), String> {
        for want in files(&self.folder.join("written")) {
            let name = want.file_name().unwrap_or_default();
            let place = bench.place.as_ref().ok_or("no place for files")?;
            let (got, want) = (records(&place.path().join(name))?, records(&want)?);
            if got != want {
                return Err(format!("{}: {got:?} instead of {want:?}", name.display()));
            }
        }
        Ok(())
    }

    /// Whether the operator runs, and needs no other before it.
    pub fn runs_alone(&self) -> bool {
        self.net.op.len() == 1 && matches!(self.expected, Expected::Blobs(..))
    }
}

/// What is to come of a case.
pub enum Expected {
    /// An error.
    Refusal,
    /// These blobs.
    Blobs(Blobs, Tolerance),
}

/// A small net with what it is to compute.
pub struct NetCase {
    /// The name of its folder.
    pub name: String,
    /// The net that makes its parameters.
    pub init: NetDef,
    /// The net itself.
    pub predict: NetDef,
    /// What is fed.
    pub inputs: Blobs,
    /// What is to come of it.
    pub outputs: Blobs,
    /// How closely.
    pub tolerance: Tolerance,
}

/// A plan with what it is to leave behind.
pub struct PlanCase {
    /// The name of its folder.
    pub name: String,
    /// The plan.
    pub plan: PlanDef,
    /// What is fed.
    pub inputs: Blobs,
    /// Whether it is to be refused, or to fail.
    pub refused: bool,
    /// What blobs hold afterwards, also when it is refused.
    pub outputs: Blobs,
    /// The nets in the workspace afterwards.
    pub nets: Vec<String>,
}

/// All cases, or those that have the environment variable `GOLDEN` in their name.
///
/// # Panics
/// When a file is missing or broken.
pub fn cases() -> Vec<Case> {
    let wanted = std::env::var("GOLDEN").unwrap_or_default();
    let folders = folders(&root().join("cases")).into_iter().flat_map(|op| folders(&op));
    folders.filter(|folder| case_name(folder).contains(&wanted)).map(|folder| read_case(&folder)).collect()
}

/// All nets.
///
/// # Panics
/// When a file is missing or broken.
pub fn nets() -> Vec<NetCase> {
    folders(&root().join("nets")).iter().map(|folder| read_net(folder)).collect()
}

/// All plans.
///
/// # Panics
/// When a file is missing or broken.
pub fn plans() -> Vec<PlanCase> {
    folders(&root().join("plans")).iter().map(|folder| read_plan(folder)).collect()
}

/// Runs a net once in a child of `parent` and gives that back.
///
/// # Errors
/// When the net is refused, or panics.
pub fn run(parent: &Arc<Workspace>, net: &NetDef, inputs: &Blobs) -> Result<Workspace, RunFailure> {
    let mut workspace = Workspace::child(Arc::clone(parent));
    feed(&mut workspace, inputs);
    run_once(&mut workspace, net)?;
    Ok(workspace)
}

fn run_once(workspace: &mut Workspace, net: &NetDef) -> Result<(), RunFailure> {
    match catch_unwind(AssertUnwindSafe(|| workspace.run_net_once(net))) {
        Err(panic) => Err(RunFailure::Panic(panic_message(panic.as_ref()))),
        Ok(Err(error)) => Err(RunFailure::Refused(error)),
        Ok(Ok(())) => Ok(()),
    }
}

/// Why a net did not run.
#[derive(Debug)]
pub enum RunFailure {
    /// With an error, as it should be.
    Refused(Error),
    /// With a panic, which is always wrong.
    Panic(String),
}

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunFailure::Refused(error) => write!(f, "refused: {error}"),
            RunFailure::Panic(message) => write!(f, "PANIC: {message}"),
        }
    }
}

/// Puts all blobs into the workspace.
pub fn feed(workspace: &mut Workspace, blobs: &Blobs) {
    for (name, content) in blobs {
        workspace.feed(name, content.clone());
    }
}

/// Holds the blobs of a workspace against those that are expected.
///
/// # Errors
/// What differs, with the name of the blob.
pub fn compare_blobs(workspace: &Workspace, expected: &Blobs, tolerance: Tolerance) -> Result<(), String> {
    for (name, want) in expected {
        Content::fetch(workspace, name)?.compare(want, tolerance).map_err(|e| format!("`{name}`: {e}"))?;
    }
    Ok(())
}

/// The message of a caught panic.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without message".to_string())
}

/// What went wrong in many cases, to be reported together.
#[derive(Debug, Default)]
pub struct Failures {
    checked: usize,
    failed: Vec<(String, String)>,
}

impl Failures {
    /// Counts a case, and keeps what is wrong with it.
    pub fn check(&mut self, name: &str, result: Result<(), String>) {
        self.checked += 1;
        if let Err(message) = result {
            self.failed.push((name.to_string(), message));
        }
    }

    /// The number of cases so far.
    pub fn checked(&self) -> usize {
        self.checked
    }

    /// Ends the test.
    ///
    /// # Panics
    /// When a case failed, with all that did, by operator.
    pub fn finish(self) {
        println!("{} of {} cases hold", self.checked - self.failed.len(), self.checked);
        if self.failed.is_empty() {
            return;
        }
        let mut text = String::new();
        let mut by_op = std::collections::BTreeMap::<&str, Vec<&(String, String)>>::new();
        for failure in &self.failed {
            by_op.entry(failure.0.split('/').next().unwrap_or_default()).or_default().push(failure);
        }
        for (op, failures) in by_op {
            text += &format!("\n{op}: {} failed", failures.len());
            for (name, message) in failures {
                text += &format!("\n  {name}: {message}");
            }
        }
        panic!("{} of {} cases failed{text}", self.failed.len(), self.checked);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The folders in a folder, sorted.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut folders: Vec<_> =
        entries.filter_map(|entry| entry.ok().map(|e| e.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// The files in a folder that need not exist, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

/// Key and value of each record of a database, sorted.
fn records(path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let read = || {
        let mut reader = Reader::open(path)?;
        let mut records = Vec::new();
        while let Some(key) = reader.next_key()? {
            let key = key.to_owned();
            records.push((key, reader.value()?.to_vec()));
        }
        records.sort();
        Ok(records)
    };
    read().map_err(|e: caffe2_db::DbError| e.to_string())
}

fn case_name(folder: &Path) -> String {
    let mut names = folder.iter().rev().map(|part| part.to_string_lossy());
    let case = names.next().unwrap_or_default();
    format!("{}/{case}", names.next().unwrap_or_default())
}

fn read_case(folder: &Path) -> Case {
    let name = case_name(folder);
    let meta = read_meta(folder);
    let op: OperatorDef = read_message(&folder.join("op.pb"));
    let op_type = op.r#type().to_owned();
    assert!(name.starts_with(&format!("{op_type}/")), "{name} is a case of {op_type}");
    let before = folder.join("net.pb");
    let net = if before.exists() { read_message(&before) } else { NetDef::default().op(op) };
    let net = NetDef { name: Some(name.clone()), ..net };
    let refusal =
        if meta["diverges"].is_null() { meta["expects_error"] == true } else { meta["ours"] == "refused" };
    let expected = if refusal {
        Expected::Refusal
    } else {
        let file = if meta["ours"].is_null() { "outputs" } else { "ours" };
        Expected::Blobs(read_blobs(folder, file, &meta), tolerance(&meta, &name))
    };
    if let Expected::Blobs(blobs, _) = &expected {
        assert_eq!(
            fetched(&meta),
            blobs.iter().map(|b| b.0.as_str()).collect::<Vec<_>>(),
            "{name}: blobs to compare"
        );
    }
    Case {
        inputs: read_blobs(folder, "inputs", &meta),
        name,
        op_type,
        net,
        expected,
        folder: folder.to_owned(),
    }
}

fn read_plan(folder: &Path) -> PlanCase {
    let meta = read_meta(folder);
    let nets = meta["nets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    PlanCase {
        name: case_name(folder),
        plan: read_message(&folder.join("plan.pb")),
        inputs: read_blobs(folder, "inputs", &meta),
        refused: meta["expects_error"] == true,
        outputs: read_blobs(folder, "outputs", &meta),
        nets: nets.map(str::to_owned).collect(),
    }
}

fn read_net(folder: &Path) -> NetCase {
    let name = case_name(folder);
    let meta = read_meta(folder);
    let outputs = read_blobs(folder, "outputs", &meta);
    assert_eq!(
        fetched(&meta),
        outputs.iter().map(|b| b.0.as_str()).collect::<Vec<_>>(),
        "{name}: blobs to compare"
    );
    NetCase {
        init: read_message(&folder.join("init_net.pb")),
        predict: read_message(&folder.join("predict_net.pb")),
        inputs: read_blobs(folder, "inputs", &meta),
        outputs,
        tolerance: tolerance(&meta, &name),
        name,
    }
}

fn fetched(meta: &Value) -> Vec<&str> {
    meta["fetch"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn tolerance(meta: &Value, name: &str) -> Tolerance {
    let tolerance = &meta["tolerance"];
    match (tolerance.as_str(), tolerance["rtol"].as_f64(), tolerance["atol"].as_f64()) {
        (Some("exact"), ..) => Tolerance::Exact,
        (None, Some(rtol), Some(atol)) => Tolerance::Within { rtol, atol },
        _ => panic!("{name}: no such tolerance: {tolerance}"),
    }
}

fn read_meta(folder: &Path) -> Value {
    let path = folder.join("meta.json");
    serde_json::from_slice(&read_file(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The blobs of a file; `meta` tells which of them are 8-bit tensors.
fn read_blobs(folder: &Path, file: &str, meta: &Value) -> Blobs {
    let path = folder.join(format!("{file}.pb"));
    let content = |name: &str, values: Tensor| {
        let int8 = &meta["int8"][file][name];
        if int8.is_null() {
            return Content::Tensor(values);
        }
        let scale = int8["scale"].as_f64();
        let zero_point = int8["zero_point"].as_i64().and_then(|zero_point| i32::try_from(zero_point).ok());
        let (Some(scale), Some(zero_point)) = (scale, zero_point) else {
            panic!("{}: no scale or zero point of `{name}`", path.display());
        };
        Content::Int8(Int8Tensor { scale: scale as f32, zero_point, values })
    };
    let read = |proto| Tensor::from_proto(proto).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let protos = read_message::<TensorProtos>(&path).protos;
    protos.iter().map(|proto| (proto.name().to_owned(), content(proto.name(), read(proto)))).collect()
}

fn read_message<M: Caffe2Message>(path: &Path) -> M {
    // Not `from_file`: a list without elements is an empty file.
    let message = M::from_binary(read_file(path), &WireLimits::default());
    message.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read_file(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
