//! Small nets of registered operators, made of an input's bytes, and run.

mod arguments;
mod inputs;

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use caffe2::operator::{BlobInfos, OpSchema, TensorInfo, infer_net};
use caffe2::{NetDef, OperatorDef};

use super::{registry, workspace};
use crate::content::Content;

/// The most operators of a net.
const MOST_OPERATORS: usize = 4;

/// The most inputs or outputs beyond the fewest that an operator may have.
const MORE: usize = 3;

/// A net and what is fed to it.
#[derive(Debug, Default)]
struct Case {
    net: NetDef,
    feeds: Vec<(String, Content)>,
    /// Names of blobs that exist.
    blobs: Vec<String>,
}

/// Runs a net twice: the second time with buffers of the first.
pub(super) fn run(data: &[u8]) {
    let Ok(case) = Case::of(&mut Unstructured::new(data)) else { return };
    let mut workspace = workspace();
    case.feed(&mut workspace);
    let Ok(net) = workspace.create_net(&case.net) else { return };
    let name = net.info().name().to_owned();
    let _ = workspace.run_net(&name);
    case.feed(&mut workspace);
    let _ = workspace.run_net(&name);
}

/// Infers shapes of a net and runs it: what runs is not refused before, and has the shapes and types that were foretold.
pub(super) fn infer(data: &[u8]) {
    let Ok(case) = Case::of(&mut Unstructured::new(data)) else { return };
    let mut known = BlobInfos::new();
    for (name, content) in &case.feeds {
        known.insert(name.clone(), TensorInfo::from(content.values()));
    }
    let inferred = infer_net(registry(), &case.net, &mut known);
    let mut workspace = workspace();
    case.feed(&mut workspace);
    if workspace.run_net_once(&case.net).is_err() {
        return;
    }
    if let Err(error) = inferred {
        panic!("the net runs, but was refused: {error}\n{case:#?}");
    }
    for (name, foretold) in known.iter() {
        let Ok(content) = Content::fetch(&workspace, name) else { continue };
        let found = TensorInfo::from(content.values());
        let type_fits = foretold.data_type.is_none() || foretold.data_type == found.data_type;
        let shape_fits = foretold.shape.is_none() || foretold.shape == found.shape;
        assert!(type_fits && shape_fits, "`{name}`: foretold {foretold}, found {found}\n{case:#?}");
    }
}

/// Operator types by a number that stays the same when others come or go, so that files of the corpus keep their meaning.
static BY_HASH: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    let hash = |name: &str| {
        name.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let mut types: Vec<_> = registry().op_types().into_iter().map(|name| (hash(name), name)).collect();
    types.sort_unstable();
    types
});

fn operator_type(u: &mut Unstructured<'_>) -> Result<&'static str> {
    let value: u32 = u.arbitrary()?;
    let at = BY_HASH.partition_point(|(hash, _)| *hash < value);
    Ok(BY_HASH[at % BY_HASH.len()].1)
}

impl Case {
    fn of(u: &mut Unstructured<'_>) -> Result<Case> {
        let mut case = Case { net: NetDef::new("fuzzed"), ..Case::default() };
        let count = u.int_in_range(1..=MOST_OPERATORS)?;
        for _ in 0..count {
            let op = case.operator(u, 0)?;
            case.net.op.push(op);
        }
        Ok(case)
    }

    fn feed(&self, workspace: &mut caffe2::Workspace) {
        for (name, content) in &self.feeds {
            workspace.feed(name, content.clone());
        }
    }

    /// An operator; `depth` counts the nets around it.
    fn operator(&mut self, u: &mut Unstructured<'_>, depth: usize) -> Result<OperatorDef> {
        let op_type = operator_type(u)?;
        let schema = registry().schema(op_type).expect("a registered type has a schema");
        let mut op = OperatorDef::new(op_type);
        let inputs = count(u, schema.input_counts().min(), |n| schema.input_counts().allow(n))?;
        for _ in 0..inputs {
            op.input.push(self.input(u)?);
        }
        let outputs = count(u, schema.output_counts().min(), |n| schema.output_counts().allow(n))?;
        for index in 0..outputs {
            let name = self.output(u, schema, &op, index)?;
            op.output.push(name);
        }
        for spec in schema.args() {
            if let Some(argument) = arguments::argument(u, spec, self, depth)? {
                op.arg.push(argument);
            }
        }
        if u.ratio(1, 8)? {
            let engines: Vec<_> =
                registry().registrations().into_iter().filter(|r| r.op_type() == op_type).collect();
            op.engine = Some(u.choose(&engines)?.engine().to_owned());
        }
        self.blobs.extend(op.output.iter().cloned());
        Ok(op)
    }

    fn input(&mut self, u: &mut Unstructured<'_>) -> Result<String> {
        if !self.blobs.is_empty() && u.ratio(1, 2)? {
            return Ok(u.choose(&self.blobs)?.clone());
        }
        let name = format!("x{}", self.feeds.len());
        self.feeds.push((name.clone(), inputs::content(u)?));
        self.blobs.push(name.clone());
        Ok(name)
    }

    fn output(
        &self,
        u: &mut Unstructured<'_>,
        schema: &OpSchema,
        op: &OperatorDef,
        index: usize,
    ) -> Result<String> {
        let in_place = (0..op.input.len()).find(|&input| schema.allows_in_place(input, index));
        let must = (0..op.input.len()).find(|&input| schema.enforces_in_place(input, index));
        match (must, in_place) {
            (Some(input), _) => Ok(op.input[input].clone()),
            (None, Some(input)) if u.ratio(1, 4)? => Ok(op.input[input].clone()),
            _ if !self.blobs.is_empty() && u.ratio(1, 16)? => Ok(u.choose(&self.blobs)?.clone()),
            _ => Ok(format!("y{}_{index}", self.blobs.len())),
        }
    }
}

/// A number of blobs that is allowed, if one is found near.
fn count(u: &mut Unstructured<'_>, least: usize, allowed: impl Fn(usize) -> bool) -> Result<usize> {
    let wanted = least.saturating_add(u.int_in_range(0..=MORE)?);
    Ok((wanted..=wanted + MORE).chain((least..wanted).rev()).find(|n| allowed(*n)).unwrap_or(wanted))
}
