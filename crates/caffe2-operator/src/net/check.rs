//! What can be said of a definition before anything is built.

use caffe2_proto::{NetDef, OperatorDef};
use hashbrown::{HashMap, HashSet};

use super::kind::NetKind;
use crate::error::{Error, ErrorKind, OpLabel};
use crate::registry::OpRegistry;

/// Checks what can be said of a definition before anything is made: that its type is known, all operator types are
/// registered, and it fits together. The arguments of operators are not looked at, so the
/// [outline](caffe2_proto::EncodedNet::outline) of a net will do.
///
/// # Errors
/// The first kind of mistake that the definition has, with all mistakes of that kind.
pub fn check_definition(net: &NetDef, registry: &OpRegistry) -> Result<(), Error> {
    check(net, registry).map_err(|error| error.of_net(net.name()))
}

fn check(net: &NetDef, registry: &OpRegistry) -> Result<(), Error> {
    NetKind::of(net)?;
    match node_names(net).next() {
        Some(error) => return Err(error),
        None => check_argument_names(net)?,
    }
    all("operator types are missing", ErrorKind::NotRegistered, missing_types(net, registry))?;
    all("the net does not fit together", ErrorKind::Definition, loose_ends(net))
}

/// What is wrong with a definition as a whole, other than its operators.
pub(crate) fn definition_problems(net: &NetDef) -> Vec<Error> {
    let whole = [NetKind::of(net).err(), check_argument_names(net).err()].into_iter().flatten();
    let ends = loose_outputs(net).into_iter().map(|line| Error::new(ErrorKind::Definition, line));
    whole.chain(node_names(net)).chain(ends).map(|error| error.of_net(net.name())).collect()
}

/// An error for each operator that is meant for another machine.
fn node_names(net: &NetDef) -> impl Iterator<Item = Error> {
    net.op.iter().enumerate().filter_map(|(position, op)| {
        let node = op.device_option.as_ref().map(|d| d.node_name()).filter(|n| !n.is_empty())?;
        let message = format!("is meant for the node `{node}`; nets that run have no node names");
        Some(Error::new(ErrorKind::Definition, message).of_op(OpLabel::new(Some(position), op)))
    })
}

fn all(message: &str, kind: ErrorKind, problems: Vec<String>) -> Result<(), Error> {
    if problems.is_empty() { Ok(()) } else { Err(Error::new(kind, message).detail(problems)) }
}

fn check_argument_names(net: &NetDef) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match net.arg.iter().find(|arg| !seen.insert(arg.name())) {
        Some(twice) => {
            let message = format!("argument `{}` of the net is given more than once", twice.name());
            Err(Error::new(ErrorKind::Argument, message))
        }
        None => Ok(()),
    }
}

/// A line for each operator type that nobody registered: how often, where first, what to do.
fn missing_types(net: &NetDef, registry: &OpRegistry) -> Vec<String> {
    let mut missing: HashMap<&str, (usize, usize)> = HashMap::new();
    for (position, op) in net.op.iter().enumerate() {
        if registry.schema(op.r#type()).is_none() {
            missing.entry(op.r#type()).or_insert((0, position)).0 += 1;
        }
    }
    let mut lines: Vec<_> = missing.into_iter().collect();
    lines.sort_by_key(|(_, (_, first))| *first);
    lines
        .into_iter()
        .map(|(op_type, (count, first))| {
            let why = registry.explain_missing(op_type);
            let times = if count == 1 { "once, ".into() } else { format!("{count} times, first ") };
            format!("{why} (used {times}by operator #{first})")
        })
        .collect()
}

/// Inputs that are neither external nor written before, and external outputs that nobody writes. Without
/// declared external inputs, inputs are not judged, as in Caffe2.
fn loose_ends(net: &NetDef) -> Vec<String> {
    let mut known: HashSet<&str> = net.external_input.iter().map(String::as_str).collect();
    let declared = !known.is_empty();
    let mut lines = Vec::new();
    for (position, op) in net.op.iter().enumerate() {
        for input in op.input.iter().filter(|i| declared && !known.contains(i.as_str())) {
            let op = OpLabel::new(Some(position), op);
            lines.push(format!(
                "{op}: input `{input}` is neither an external input of the net nor written by an earlier operator"
            ));
        }
        known.extend(op.output.iter().map(String::as_str));
    }
    lines.extend(loose_outputs(net));
    lines
}

/// External outputs that nobody writes.
fn loose_outputs(net: &NetDef) -> Vec<String> {
    let written = net.op.iter().flat_map(|op| &op.output);
    let known: HashSet<&str> = net.external_input.iter().chain(written).map(String::as_str).collect();
    let loose = net.external_output.iter().filter(|output| !known.contains(output.as_str()));
    let line = |output| {
        format!("external output `{output}` is neither an external input nor written by an operator")
    };
    loose.map(line).collect()
}

/// A line for each blob that operators read before anybody made it. `nested` is what the nets within each operator
/// write.
pub(super) fn unfed_inputs(
    net: &NetDef,
    nested: &[Vec<String>],
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut written: HashSet<&str> = HashSet::new();
    let mut unfed: Vec<(&str, &OperatorDef, usize)> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (position, (op, nested)) in net.op.iter().zip(nested).enumerate() {
        for input in &op.input {
            if !written.contains(input.as_str()) && !exists(input) && seen.insert(input) {
                unfed.push((input, op, position));
            }
        }
        written.extend(op.output.iter().chain(nested).map(String::as_str));
    }
    unfed
        .into_iter()
        .map(|(name, op, position)| format!("`{name}`, first read by {}", OpLabel::new(Some(position), op)))
        .collect()
}
