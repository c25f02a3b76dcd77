//! Arguments of operators.

use arbitrary::{Result, Unstructured};
use caffe2::operator::{ArgDefault, ArgKind, ArgSpec};
use caffe2::proto::TensorProto;
use caffe2::{Argument, NetDef};

use super::Case;

/// Nets within nets that are made.
const DEEPEST: usize = 2;

/// An argument as the schema has it, or none.
pub(super) fn argument(
    u: &mut Unstructured<'_>,
    spec: &ArgSpec,
    case: &mut Case,
    depth: usize,
) -> Result<Option<Argument>> {
    let present = if spec.default == ArgDefault::Required { u.ratio(15, 16)? } else { u.ratio(3, 8)? };
    if !present {
        return Ok(None);
    }
    let kind = match spec.kind {
        ArgKind::Any => *u.choose(&[
            ArgKind::Float,
            ArgKind::Int,
            ArgKind::String,
            ArgKind::Floats,
            ArgKind::Ints,
            ArgKind::Strings,
        ])?,
        kind => kind,
    };
    let mut argument = Argument { name: Some(spec.name.to_owned()), ..Argument::default() };
    match kind {
        ArgKind::Float => argument.f = Some(float(u)?),
        ArgKind::Int => argument.i = Some(int(u)?),
        ArgKind::Bool => argument.i = Some(u.int_in_range(0..=1)?),
        ArgKind::String => argument.s = Some(string(u, spec, case)?.into()),
        ArgKind::Floats => argument.floats = list(u, float)?,
        ArgKind::Ints | ArgKind::Bools => argument.ints = list(u, int)?,
        ArgKind::Strings => argument.strings = list(u, |u| Ok(string(u, spec, case)?.into()))?,
        ArgKind::Net => argument.n = Some(Box::new(net(u, case, depth)?)),
        ArgKind::Nets => argument.nets = vec![net(u, case, depth)?],
        ArgKind::Tensor => argument.t = Some(Box::default()),
        ArgKind::Tensors | ArgKind::Any => argument.tensors = vec![TensorProto::default()],
    }
    Ok(Some(argument))
}

fn list<T>(
    u: &mut Unstructured<'_>,
    mut item: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..u.int_in_range(0..=6)?).map(|_| item(u)).collect()
}

fn float(u: &mut Unstructured<'_>) -> Result<f32> {
    const USUAL: [f32; 12] =
        [0.0, 1.0, -1.0, 0.5, 2.0, 1e-5, 0.1, -0.0, 255.0, f32::NAN, f32::INFINITY, f32::MAX];
    if u.ratio(7, 8)? { Ok(*u.choose(&USUAL)?) } else { u.arbitrary() }
}

fn int(u: &mut Unstructured<'_>) -> Result<i64> {
    const EXTREMES: [i64; 7] =
        [i64::MAX, i64::MIN, i32::MAX as i64, i32::MIN as i64, 1 << 32, 1 << 62, 1 << 20];
    match u.int_in_range(0..=15)? {
        0 => u.arbitrary(),
        1 => Ok(*u.choose(&EXTREMES)?),
        2..=4 => u.int_in_range(-3..=20),
        _ => u.int_in_range(0..=3),
    }
}

/// A word from the documentation of the argument, the name of a blob, or anything.
fn string(u: &mut Unstructured<'_>, spec: &ArgSpec, case: &Case) -> Result<String> {
    const ORDERS: [&str; 2] = ["NCHW", "NHWC"];
    match u.int_in_range(0..=7)? {
        0 => u.arbitrary(),
        1 if !case.blobs.is_empty() => Ok(u.choose(&case.blobs)?.clone()),
        2 | 3 => Ok((*u.choose(&ORDERS)?).to_owned()),
        _ => {
            let words: Vec<_> = spec.doc.split(['`', '"']).skip(1).step_by(2).collect();
            if words.is_empty() { Ok(String::new()) } else { Ok((*u.choose(&words)?).to_owned()) }
        }
    }
}

fn net(u: &mut Unstructured<'_>, case: &mut Case, depth: usize) -> Result<NetDef> {
    let mut net = NetDef::new("within");
    if depth < DEEPEST {
        for _ in 0..u.int_in_range(0..=2)? {
            net.op.push(case.operator(u, depth + 1)?);
        }
    }
    Ok(net)
}
