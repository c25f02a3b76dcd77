//! Whatever an operator is given, it answers with a result or an error that names it, never with a panic; what
//! inference foretells is what comes; and the number of threads changes nothing.
//!
//! Each trial takes a golden case of the operator, or a definition without anything, and changes it in a few ways.
//! `PROPTEST_CASES` sets how many there are for each operator.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use caffe2_operator::proto::{Argument, Caffe2Message, NetDef, OperatorDef};
use caffe2_operator::{
    ArgKind, Blob, BlobInfos as Known, DataType, Error, ErrorKind, Int8Tensor, OpRegistry, OpSchema, Tensor,
    TensorInfo, Workspace, f16, infer_net,
};
use caffe2_tests::content::Content;
use caffe2_tests::golden::{self, Case, panic_message};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Larger requests are refused, so that trials are fast.
const MEMORY_LIMIT: usize = 1 << 20;

/// What takes longer, such as a loop without end, is stopped.
const TIME_LIMIT: Duration = Duration::from_secs(1);

#[test]
fn operators_withstand_everything() {
    let registry = OpRegistry::linked().unwrap();
    let mut cases: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in golden::cases().into_iter().filter(Case::runs_alone) {
        cases.entry(case.op_type.clone()).or_default().push(case);
    }
    let (one, two) = (parent(1), parent(2));
    let mut failures = Vec::new();
    let (ran, refused) = (Cell::new(0), Cell::new(0));
    for op_type in registry.op_types() {
        let Some(cases) = cases.get(op_type) else { continue };
        let Some(schema) = registry.schema(op_type) else { continue };
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let result = runner.run(&trial(), |trial| {
            let subject = Subject::of(&trial, cases, schema);
            match subject.check(&registry, [&one, &two]) {
                Ok(true) => ran.set(ran.get() + 1),
                Ok(false) => refused.set(refused.get() + 1),
                Err(message) => return Err(TestCaseError::fail(format!("{message}\n{subject:#?}"))),
            }
            Ok(())
        });
        if let Err(error) = result {
            failures.push(format!("{op_type}: {error}"));
        }
    }
    let (ran, refused) = (ran.get(), refused.get());
    println!("{ran} definitions ran, {refused} were refused");
    assert!(failures.is_empty(), "{} operators failed\n{}", failures.len(), failures.join("\n\n"));
    assert!(
        std::env::var("GOLDEN").is_ok() || (ran > refused / 4 && refused > ran / 4),
        "trials are one-sided"
    );
}

fn parent(threads: usize) -> Arc<Workspace> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    workspace.set_memory_limit(MEMORY_LIMIT);
    workspace.set_time_limit(Some(TIME_LIMIT));
    Arc::new(workspace)
}

/// What is tried: where it begins, and what is changed.
#[derive(Debug, Clone)]
struct Trial {
    /// `None`: a definition without inputs and arguments.
    case: Option<Index>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    SetArg(Index, Value),
    DropArg(Index),
    Dim { input: Index, axis: Index, size: usize },
    Shape { input: Index, dims: Vec<usize> },
    Type { input: Index, data_type: DataType },
    Unwritten(Index),
    OtherKind(Index, Kind),
    DropInput(Index),
    AddInput { data_type: DataType, dims: Vec<usize> },
    AddOutput,
    DropOutput,
    InPlace(Index, Index),
}

/// A kind of blob.
#[derive(Debug, Clone)]
enum Kind {
    Other,
    Tensor,
    Int8 { scale: f32, zero_point: i32 },
}

/// A value for an argument in every field; which one is taken depends on the argument.
#[derive(Debug, Clone)]
struct Value {
    int: i64,
    float: f32,
    text: String,
    ints: Vec<i64>,
    floats: Vec<f32>,
    texts: Vec<String>,
    /// Now and then the wrong field.
    field: u8,
}

fn trial() -> impl Strategy<Value = Trial> {
    let case = prop_oneof![9 => any::<Index>().prop_map(Some), 1 => Just(None)];
    (case, proptest::collection::vec(change(), 0..3)).prop_map(|(case, changes)| Trial { case, changes })
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), value()).prop_map(|(which, value)| Change::SetArg(which, value)),
        2 => index().prop_map(Change::DropArg),
        4 => (index(), index(), 0usize..7).prop_map(|(input, axis, size)| Change::Dim { input, axis, size }),
        2 => (index(), dims()).prop_map(|(input, dims)| Change::Shape { input, dims }),
        2 => (index(), data_type()).prop_map(|(input, data_type)| Change::Type { input, data_type }),
        1 => index().prop_map(Change::Unwritten),
        2 => (index(), kind()).prop_map(|(input, kind)| Change::OtherKind(input, kind)),
        1 => index().prop_map(Change::DropInput),
        2 => (data_type(), dims()).prop_map(|(data_type, dims)| Change::AddInput { data_type, dims }),
        1 => Just(Change::AddOutput),
        1 => Just(Change::DropOutput),
        2 => (index(), index()).prop_map(|(input, output)| Change::InPlace(input, output)),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    let scale = proptest::sample::select(vec![0.25, 1.0, 0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40]);
    let zero_point = proptest::sample::select(vec![0, 3, 255, -1, i32::MAX, i32::MIN]);
    prop_oneof![
        1 => Just(Kind::Other),
        1 => Just(Kind::Tensor),
        1 => (scale, zero_point).prop_map(|(scale, zero_point)| Kind::Int8 { scale, zero_point }),
    ]
}

fn dims() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0usize..6, 0..6)
}

fn data_type() -> impl Strategy<Value = DataType> {
    prop_oneof![1 => Just(DataType::Float), 3 => proptest::sample::select(&DataType::ALL[..])]
}

fn value() -> impl Strategy<Value = Value> {
    let int = || {
        prop_oneof![
            12 => -2i64..8,
            1 => proptest::sample::select(vec![255, 256, 65_536, 1 << 31, 1 << 40, i64::MAX, i64::MIN]),
            1 => proptest::sample::select(vec![i64::from(i32::MAX), i64::from(i32::MIN), 1_000_000_007]),
        ]
    };
    let float = || {
        prop_oneof![
            4 => -3f32..3.0,
            1 => proptest::sample::select(vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE]),
        ]
    };
    let text = || {
        proptest::sample::select(vec!["NCHW", "NHWC", "nhwc", "C", "", "double", "INT32", "bytes\u{0}"])
            .prop_map(str::to_owned)
    };
    let lists = (
        proptest::collection::vec(int(), 0..6),
        proptest::collection::vec(float(), 0..6),
        proptest::collection::vec(text(), 0..3),
    );
    (int(), float(), text(), lists, 0u8..40).prop_map(|(int, float, text, (ints, floats, texts), field)| {
        Value { int, float, text, ints, floats, texts, field }
    })
}

impl Value {
    fn argument(&self, name: &str, kind: ArgKind) -> Argument {
        let field = match (self.field, kind) {
            (0..6, _) => usize::from(self.field),
            (_, ArgKind::Float) => 0,
            (_, ArgKind::Int | ArgKind::Bool) => 1,
            (_, ArgKind::String) => 2,
            (_, ArgKind::Floats) => 3,
            (_, ArgKind::Ints | ArgKind::Bools) => 4,
            (_, ArgKind::Strings) => 5,
            (other, _) => usize::from(other % 7),
        };
        match field {
            0 => Argument::new(name, self.float),
            1 => Argument::new(name, self.int),
            2 => Argument::new(name, self.text.as_str()),
            3 => Argument::new(name, self.floats.clone()),
            4 => Argument::new(name, self.ints.clone()),
            5 => Argument::new(name, self.texts.clone()),
            _ => Argument { name: Some(name.to_owned()), ..Argument::default() },
        }
    }
}

/// An operator and its inputs.
struct Subject {
    def: OperatorDef,
    inputs: Vec<(String, Input)>,
}

#[derive(Clone)]
enum Input {
    Content(Content),
    /// A blob of another kind.
    Other,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, content) in &self.inputs {
            match content {
                Input::Content(Content::Tensor(tensor)) => {
                    writeln!(f, "{name}: {}", TensorInfo::from(tensor))?
                }
                Input::Content(Content::Int8(int8)) => {
                    let (values, scale, zero_point) = (TensorInfo::from(int8), int8.scale, int8.zero_point);
                    writeln!(f, "{name}: 8-bit {values}, scale {scale}, zero point {zero_point}")?;
                }
                Input::Other => writeln!(f, "{name}: no tensor")?,
            }
        }
        f.write_str(&self.def.to_text())
    }
}

impl Subject {
    fn of(trial: &Trial, cases: &[Case], schema: &OpSchema) -> Subject {
        let mut subject = match &trial.case {
            Some(index) => {
                let case = index.get(cases);
                let input = |content: &Content| Input::Content(content.clone());
                Subject {
                    def: case.net.op[0].clone(),
                    inputs: case
                        .inputs
                        .iter()
                        .map(|(name, content)| (name.clone(), input(content)))
                        .collect(),
                }
            }
            None => Subject { def: OperatorDef::new(schema.name()).output("Y"), inputs: Vec::new() },
        };
        trial.changes.iter().for_each(|change| subject.apply(change, schema));
        subject
    }

    fn apply(&mut self, change: &Change, schema: &OpSchema) {
        match change {
            Change::SetArg(which, value) if !schema.args().is_empty() => {
                let spec = which.get(schema.args());
                self.def.arg.retain(|arg| arg.name() != spec.name);
                self.def.arg.push(value.argument(spec.name, spec.kind));
            }
            Change::DropArg(which) if !self.def.arg.is_empty() => {
                self.def.arg.remove(which.index(self.def.arg.len()));
            }
            Change::Dim { input, axis, size } => self.change_tensor(*input, |t| {
                let mut dims = t.dims().to_vec();
                if !dims.is_empty() {
                    let axis = axis.index(dims.len());
                    dims[axis] = *size;
                }
                tensor(t.data_type(), &dims)
            }),
            Change::Shape { input, dims } => self.change_tensor(*input, |t| tensor(t.data_type(), dims)),
            Change::Type { input, data_type } => {
                self.change_tensor(*input, |t| tensor(Some(*data_type), t.dims()))
            }
            Change::Unwritten(input) => self.change_tensor(*input, |_| Tensor::new()),
            Change::OtherKind(input, kind) if !self.inputs.is_empty() => {
                let at = input.index(self.inputs.len());
                let Input::Content(content) = &self.inputs[at].1 else { return };
                let values = content.values().clone();
                self.inputs[at].1 = match kind {
                    Kind::Other => Input::Other,
                    Kind::Tensor => Input::Content(Content::Tensor(values)),
                    Kind::Int8 { scale, zero_point } => {
                        let int8 = Int8Tensor { scale: *scale, zero_point: *zero_point, values };
                        Input::Content(Content::Int8(int8))
                    }
                };
            }
            Change::DropInput(input) if !self.def.input.is_empty() => {
                self.def.input.remove(input.index(self.def.input.len()));
            }
            Change::AddInput { data_type, dims } => {
                let name = format!("more{}", self.inputs.len());
                self.def.input.push(name.clone());
                self.inputs.push((name, Input::Content(Content::Tensor(tensor(Some(*data_type), dims)))));
            }
            Change::AddOutput => self.def.output.push(format!("out{}", self.def.output.len())),
            Change::DropOutput => drop(self.def.output.pop()),
            Change::InPlace(input, output) if !self.def.input.is_empty() && !self.def.output.is_empty() => {
                let at = output.index(self.def.output.len());
                self.def.output[at].clone_from(input.get(&self.def.input));
            }
            _ => {}
        }
    }

    fn change_tensor(&mut self, which: Index, change: impl FnOnce(&Tensor) -> Tensor) {
        if self.inputs.is_empty() {
            return;
        }
        let at = which.index(self.inputs.len());
        match &mut self.inputs[at].1 {
            Input::Content(Content::Tensor(tensor)) => *tensor = change(tensor),
            Input::Content(Content::Int8(int8)) => int8.values = change(&int8.values),
            Input::Other => {}
        }
    }

    /// Whether it ran, or was refused; otherwise what is wrong.
    fn check(&self, registry: &Arc<OpRegistry>, parents: [&Arc<Workspace>; 2]) -> Result<bool, String> {
        let values = |known: &mut Known, name: &str, x: &Content| x.tell(known, name);
        let shapes = |known: &mut Known, name: &str, x: &Content| known.insert(name, x.info());
        let inferred = [
            ("knowing all", self.infer(registry, values, |_| true)?),
            ("knowing shapes", self.infer(registry, shapes, |_| true)?),
            ("knowing half", self.infer(registry, values, |input| input % 2 == 1)?),
        ];
        let [one, two] = parents.map(|parent| self.run(parent));
        let (one, two) = match (one?, two?) {
            (Err(stopped), _) | (_, Err(stopped)) if stopped.kind() == ErrorKind::Stopped => {
                return Ok(false);
            }
            (Err(one), Err(two)) => {
                let (one, two) = (one.to_string(), two.to_string());
                return if one == two {
                    Ok(false)
                } else {
                    Err(format!("1 thread: {one}; 2 threads: {two}"))
                };
            }
            (Ok(one), Ok(two)) => (one, two),
            (one, two) => return Err(format!("1 thread: {:?}; 2 threads: {:?}", one.err(), two.err())),
        };
        for (at, name) in self.def.output.iter().enumerate() {
            let (first, second) = (Content::fetch(&one, name), Content::fetch(&two, name));
            let (first, second) = match (first, second) {
                (Ok(first), Ok(second)) => (first, second),
                // The nets within an operator need not write what it declares.
                (Err(_), Err(_)) if !self.def.arg.iter().all(|arg| arg.n.is_none()) => continue,
                // Some operators write blobs that are no tensors.
                (Err(_), Err(_)) if one.blob(name).is_some_and(|blob| !blob.is_empty()) => continue,
                // One empties them.
                (Err(_), Err(_)) if self.def.input.contains(name) && one.has_blob(name) => continue,
                _ => return Err(format!("`{name}` was not written")),
            };
            second.same_bits(&first).map_err(|e| format!("2 threads: `{name}`: {e}"))?;
            // The last of several outputs of one name is what can be seen.
            if !self.def.output[at + 1..].contains(name) {
                for (knowing, inferred) in &inferred {
                    foretold(inferred, at, &first).map_err(|e| format!("{knowing}, `{name}`: {e}"))?;
                }
            }
        }
        Ok(true)
    }

    fn run(&self, parent: &Arc<Workspace>) -> Result<Result<Workspace, Error>, String> {
        let mut workspace = Workspace::child(Arc::clone(parent));
        for (name, content) in &self.inputs {
            match content {
                Input::Content(content) => workspace.feed(name, content.clone()),
                Input::Other => workspace.feed(name, Blob::new(0u8)),
            }
        }
        let ran = unless_panic(|| workspace.run_operator_once(&self.def))?;
        if let Err(error) = &ran {
            self.named_in(error)?;
        }
        Ok(ran.map(|()| workspace))
    }

    /// What inference tells of the outputs, when it is told of those inputs that are `known`.
    fn infer(
        &self,
        registry: &Arc<OpRegistry>,
        tell: impl Fn(&mut Known, &str, &Content),
        is_known: impl Fn(usize) -> bool,
    ) -> Result<Result<Vec<TensorInfo>, Error>, String> {
        let mut known = Known::new();
        for (_, (name, input)) in self.inputs.iter().enumerate().filter(|(at, _)| is_known(*at)) {
            if let Input::Content(content) = input {
                tell(&mut known, name, content);
            }
        }
        let net = NetDef::default().op(self.def.clone());
        let inferred = unless_panic(|| infer_net(registry, &net, &mut known))?;
        if let Err(error) = &inferred {
            self.named_in(error)?;
        }
        Ok(inferred.map(|mut ops| ops.remove(0).outputs))
    }

    fn named_in(&self, error: &Error) -> Result<(), String> {
        let named = error.to_string().contains(self.def.r#type());
        if named { Ok(()) } else { Err(format!("the error does not name the operator: {error}")) }
    }
}

fn unless_panic<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("PANIC: {}", panic_message(panic.as_ref())))
}

fn foretold(inferred: &Result<Vec<TensorInfo>, Error>, at: usize, actual: &Content) -> Result<(), String> {
    let inferred = inferred.as_ref().map_err(|e| format!("it ran, but inference says {e}"))?;
    let (inferred, actual) = (&inferred[at], actual.info());
    let type_fits = inferred.data_type.is_none() || inferred.data_type == actual.data_type;
    let shape_fits = inferred.shape.is_none() || inferred.shape == actual.shape;
    if type_fits && shape_fits { Ok(()) } else { Err(format!("inferred {inferred}, computed {actual}")) }
}

/// A tensor of some small values.
fn tensor(data_type: Option<DataType>, dims: &[usize]) -> Tensor {
    let count = dims.iter().product::<usize>();
    let ints = || (0..count).map(|i| (i * 7 % 5) as i8);
    macro_rules! of {
        ($map:expr) => {
            Tensor::from_slice(dims, &ints().map($map).collect::<Vec<_>>())
        };
    }
    let made = match data_type {
        None | Some(DataType::Float) => of!(|v| f32::from(v) - 1.5),
        Some(DataType::Double) => of!(f64::from),
        Some(DataType::Float16) => of!(|v| f16::from_f32(v.into())),
        Some(DataType::Int8) => of!(|v| v),
        Some(DataType::Int16) => of!(i16::from),
        Some(DataType::Int32) => of!(|v| i32::from(v) - 1),
        Some(DataType::Int64) => of!(i64::from),
        Some(DataType::UInt8) => of!(|v| v as u8),
        Some(DataType::UInt16) => of!(|v| v as u16),
        Some(DataType::Bool) => of!(|v| v > 2),
        Some(DataType::String) => Tensor::from_strings(dims, ints().map(|v| v.to_string())),
    };
    made.unwrap_or_else(|e| panic!("{data_type:?} {dims:?}: {e}"))
}
