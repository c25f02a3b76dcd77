//! Everything that is wrong with a net, at once.

use std::sync::Arc;

use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::Tensor;
use hashbrown::HashSet;

use crate::Args;
use crate::control::{MAX_NESTING, nested_writes};
use crate::error::{Error, ErrorKind, OpLabel};
use crate::infer::{BlobInfos, InferredOp, TensorInfo, add_outputs, infer_op, unknown_outputs};
use crate::net::{argument_error, definition_problems, device_of};
use crate::op_error::{ArgError, OpError};
use crate::registry::{CreateError, Created, OpRegistry};

/// What can be said of a net without running it.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// What is wrong, in the order of the operators. A net without problems can be built; it can fail all the same
    /// when it runs, by values and by shapes that were not known.
    pub problems: Vec<Error>,
    /// What was inferred of each operator; nothing of those that could not run.
    pub ops: Vec<InferredOp>,
}

/// Looks for everything that is wrong with a net, as far as it can be told without running it: its type and
/// arguments, inputs and outputs that do not fit together, and of every operator its type, device, schema, arguments
/// and inputs, and the shapes of these. Where building a net stops at the first mistake, this goes on.
///
/// The blobs in `known` are there when the net starts; of what is only known to exist the entry is
/// [`TensorInfo::unknown`]. What the net writes is added.
///
/// ```
/// # use caffe2_operator::{BlobInfos, OpRegistry, diagnose_net, proto::{NetDef, OperatorDef}};
/// let net = NetDef::new("n").op(OperatorDef::new("Absent").input("x").output("y"));
/// let diagnosis = diagnose_net(&OpRegistry::linked()?, &net, &mut BlobInfos::new());
/// let text = diagnosis.problems[0].to_string();
/// assert!(text.starts_with("net `n`: operator #0 Absent: operator type `Absent` is not registered"));
/// assert!(diagnosis.problems[1].to_string().contains("input `x`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diagnose_net(registry: &Arc<OpRegistry>, net: &NetDef, known: &mut BlobInfos) -> Diagnosis {
    diagnose(registry, net, known, 0)
}

fn diagnose(registry: &Arc<OpRegistry>, net: &NetDef, known: &mut BlobInfos, depth: usize) -> Diagnosis {
    let mut problems = definition_problems(net);
    // Without declared external inputs, inputs are not judged, as in Caffe2.
    let mut seen: HashSet<&str> = net.external_input.iter().map(String::as_str).collect();
    let declared = !seen.is_empty();
    let mut ops = Vec::with_capacity(net.op.len());
    for (position, def) in net.op.iter().enumerate() {
        let mut found = Vec::new();
        for input in &def.input {
            if declared && seen.insert(input) {
                let message = format!(
                    "input `{input}` is neither an external input of the net nor written by an earlier operator"
                );
                found.push(Error::new(ErrorKind::Definition, message));
                if !known.contains_key(input.as_str()) {
                    known.insert(input.clone(), TensorInfo::unknown());
                }
            }
            if known.contains_key(input.as_str()) {
                continue;
            }
            let message =
                format!("input `{input}` is neither written by an earlier operator nor there before");
            found.push(Error::new(ErrorKind::MissingInput, message));
            // Said once for each blob.
            known.insert(input.clone(), TensorInfo::unknown());
        }
        let (inferred, results) = match operator(registry, net, def, known, depth, &mut found) {
            Ok(inferred) => inferred,
            Err(error) => {
                found.insert(0, error);
                (unknown_outputs(def, known), Vec::new())
            }
        };
        let label = || OpLabel::new(Some(position), def);
        problems.extend(found.into_iter().map(|error| error.of_op(label()).of_net(net.name())));
        for name in nested_writes(def, registry) {
            known.insert(name, TensorInfo::unknown());
        }
        seen.extend(def.output.iter().map(String::as_str));
        add_outputs(def, &inferred, &results, known);
        ops.push(inferred);
    }
    Diagnosis { problems, ops }
}

/// What can be said of one operator. `more` gets the problems of nets within it.
fn operator(
    registry: &Arc<OpRegistry>,
    net: &NetDef,
    def: &OperatorDef,
    known: &BlobInfos,
    depth: usize,
    more: &mut Vec<Error>,
) -> Result<(InferredOp, Vec<Tensor>), Error> {
    let Some(schema) = registry.schema(def.r#type()) else {
        return Err(Error::new(ErrorKind::NotRegistered, registry.explain_missing(def.r#type())));
    };
    let device = device_of(def, net.device_option.as_ref())?;
    schema.verify(def).map_err(|e| Error::new(ErrorKind::Schema, e.to_string()))?;
    let args = Args::new(def, schema).map_err(argument_error)?.of_net(net.device_option.as_ref());
    let created = registry.create(def, device, &args).map_err(|error| match error {
        CreateError::NotRegistered(message) => Error::new(ErrorKind::NotRegistered, message),
        CreateError::Arg(error) => argument_error(error),
    })?;
    if let (Created::Control(_, nets), _) = created {
        for sub in nets {
            if depth == MAX_NESTING {
                let problem = format!("nets lie within each other more than {MAX_NESTING} deep");
                return Err(argument_error(ArgError::value(sub.argument, problem)));
            }
            let mut inner = sub.known_within(known);
            let inner = diagnose(registry, sub.net, &mut inner, depth + 1);
            more.extend(inner.problems.into_iter().map(|error| Error::nested(sub.argument, error)));
        }
    }
    infer_op(registry, def, schema, known).map_err(|cause| refused(def, known, cause))
}

/// The error of an operator that cannot run with these inputs.
fn refused(def: &OperatorDef, known: &BlobInfos, cause: OpError) -> Error {
    let message = cause.with_names(&def.input, &def.output);
    let info = |name: &String| format!("`{name}` {}", known.get(name).cloned().unwrap_or_default());
    let infos: Vec<_> = def.input.iter().map(info).collect();
    let error = Error::new(cause.kind(), message).caused_by(cause);
    if infos.is_empty() { error } else { error.detail([format!("inputs: {}", infos.join(", "))]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AboveOp, AddValueOp, SpreadOp, add};
    use crate::{DataType, Shape};
    use std::sync::Arc;

    fn registry() -> Arc<OpRegistry> {
        let builder = OpRegistry::builder().operator::<AddValueOp>();
        builder.operator::<SpreadOp>().operator::<AboveOp>().build().unwrap()
    }

    fn problems(net: &NetDef, known: &[&str]) -> Vec<String> {
        let mut infos = known.iter().map(|name| ((*name).to_owned(), TensorInfo::unknown())).collect();
        let diagnosis = diagnose_net(&registry(), net, &mut infos);
        assert_eq!(diagnosis.ops.len(), net.op.len());
        diagnosis.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_net_has_no_problems() {
        let net = NetDef::new("n").op(add("x", "y", 1.0)).op(add("y", "y", 2.0)).external_output("y");
        assert!(problems(&net, &["x"]).is_empty());
    }

    #[test]
    fn all_problems_are_told_with_their_places() {
        let mut twice = add("y", "z", 1.0);
        twice.arg.push(caffe2_proto::Argument::new("value", 2.0f32));
        let net = NetDef::new("n")
            .with_type("sequence")
            .arg("a", 1)
            .arg("a", 2)
            .op(add("x", "y", 1.0))
            .op(OperatorDef::new("AddValues").named("typo").input("y").output("z"))
            .op(twice)
            .op(add("nowhere", "z", 1.0))
            .op(add("nowhere", "z", 1.0))
            .op(OperatorDef::new("AddValue").output("z"))
            .external_output("absent");
        let problems = problems(&net, &["x"]);
        for (at, words) in [
            "net `n`: net type `sequence` is not known",
            "net `n`: argument `a` of the net is given more than once",
            "net `n`: external output `absent`",
            "net `n`: operator #1 AddValues `typo`: operator type `AddValues` is not registered; similar names are",
            "net `n`: operator #2 AddValue: argument `value`: given more than once",
            "net `n`: operator #3 AddValue: input `nowhere` is neither written",
            "net `n`: operator #5 AddValue: has 0 inputs",
        ]
        .into_iter()
        .enumerate()
        {
            assert!(problems[at].starts_with(words), "{}", problems[at]);
        }
        assert_eq!(problems.len(), 7);
    }

    #[test]
    fn inputs_that_are_not_declared_are_problems_where_some_are() {
        let net = NetDef::new("n").external_input("x").op(add("x", "y", 1.0)).op(add("z", "z", 1.0));
        let problems = problems(&net.op(add("z", "y", 1.0)), &["x", "z"]);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("#1 AddValue: input `z` is neither an external input"),
            "{}",
            problems[0]
        );
    }

    #[test]
    fn inference_goes_on_behind_a_problem() {
        let net = NetDef::new("n").op(OperatorDef::new("Absent").output("y")).op(add("x", "z", 1.0));
        let x = TensorInfo::new(DataType::Float, Shape::new(&[3]).unwrap());
        let mut known = BlobInfos::from_iter([("x".to_owned(), x.clone())]);
        let diagnosis = diagnose_net(&registry(), &net, &mut known);
        assert_eq!(diagnosis.problems.len(), 1);
        assert_eq!((&known["y"], &known["z"]), (&TensorInfo::unknown(), &x));
    }
}
