//! `Do`: a net with names of its own.
//!
//! | argument | default | |
//! |---|---|---|
//! | `net` | required | what runs |
//! | `inner_blobs` | none | names within the net that are blobs outside |
//! | `outer_blobs_idx` | none | for each of them, which one: a position among the inputs and then the outputs, scopes left out |
//! | `reuse_workspace`, `copy_external_blobs`, `saved_fwd_blobs` | | change nothing |
//! | `is_gradient_op` | false | the net is a gradient: refused |
//!
//! Every blob outside must be bound to exactly one name within (Caffe2 `do_op.h`).

use caffe2_operator::proto::NetDef;
use caffe2_operator::{
    ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, OpError, OpSchema, SubNet,
    register_control_operator,
};
use hashbrown::{HashMap, HashSet};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct DoOp;

impl ControlOperatorType for DoOp {
    const TYPE: &'static str = "Do";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Runs a net that has names of its own: those of inner_blobs are the inputs and outputs of the operator \
                 that outer_blobs_idx tells, all others are seen nowhere else.",
            )
            .inputs(1..)
            .outputs(1..)
            .allow_any_in_place()
            .arg_required::<NetDef>("net", "net that runs")
            .arg_repeated::<String>("inner_blobs", "names within the net that are blobs outside")
            .arg_repeated::<i64>(
                "outer_blobs_idx",
                "for each of inner_blobs its position among the inputs and then the outputs, scopes left out",
            )
            .arg("reuse_workspace", "changes nothing: blobs within are always reused", false)
            .arg("copy_external_blobs", "changes nothing: there are no gradients", false)
            .arg_repeated::<String>("saved_fwd_blobs", "changes nothing: there are no gradients")
            .arg("is_gradient_op", "must be false", false)
            .input("inputs, scope", "what the net reads; the last is a scope, made by CreateScope")
            .output("outputs, scope", "what the net writes; the last is the scope of the inputs")
            .differences(
                "Blobs within the net keep what the last run left in them, as in Caffe2 with reuse_workspace. Gradients \
                 are refused.",
            )
    }

    fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
        Ok(vec![SubNet::required(args, "net")?.with_bindings(bindings(args)?)])
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        for name in ["reuse_workspace", "copy_external_blobs"] {
            args.get::<bool>(name)?;
        }
        args.list::<String>("saved_fwd_blobs")?;
        if args.get("is_gradient_op")? {
            return Err(ArgError::unsupported("is_gradient_op", "gradients are not served; expected false"));
        }
        Ok(DoOp)
    }
}

/// Names outside by the names within.
fn bindings(args: &Args<'_>) -> Result<HashMap<String, String>, ArgError> {
    let outer = outer_names(args)?;
    let inner = args.list::<String>("inner_blobs")?;
    let indices = args.list::<i64>("outer_blobs_idx")?;
    if inner.len() != indices.len() {
        let message =
            format!("expected one for each of the {} inner_blobs, found {}", inner.len(), indices.len());
        return Err(ArgError::value("outer_blobs_idx", message));
    }
    let mut bindings = HashMap::with_capacity(inner.len());
    let mut used = HashSet::with_capacity(inner.len());
    for (inner, index) in inner.into_iter().zip(indices) {
        let Some(&outer) = usize::try_from(index).ok().and_then(|index| outer.get(index)) else {
            let message =
                format!("expected positions among {} inputs and outputs, found {index}", outer.len());
            return Err(ArgError::value("outer_blobs_idx", message));
        };
        if !used.insert(outer) {
            return Err(ArgError::value("outer_blobs_idx", format!("tells `{outer}` twice")));
        }
        if let Some(first) = bindings.insert(inner.clone(), outer.to_owned()) {
            let message = format!("`{inner}` is told to be `{first}` and `{outer}`");
            return Err(ArgError::value("inner_blobs", message));
        }
    }
    match outer.iter().find(|outer| !used.contains(*outer)) {
        Some(free) => Err(ArgError::value("outer_blobs_idx", format!("tells no name within for `{free}`"))),
        None => Ok(bindings),
    }
}

/// The inputs and then the outputs, without the scope that is the last of both.
fn outer_names<'a>(args: &Args<'a>) -> Result<Vec<&'a str>, ArgError> {
    let def = args.def();
    let (Some((scope, inputs)), Some((out_scope, outputs))) =
        (def.input.split_last(), def.output.split_last())
    else {
        return Err(ArgError::value("net", "expected a scope as the last input and the last output"));
    };
    if scope != out_scope {
        let message = format!(
            "expected the same scope as the last input and the last output, found `{scope}` and `{out_scope}`"
        );
        return Err(ArgError::value("net", message));
    }
    for names in [inputs, outputs] {
        let mut seen = HashSet::with_capacity(names.len());
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(ArgError::value("outer_blobs_idx", format!("cannot tell which `{twice}` it means")));
        }
    }
    Ok(inputs.iter().chain(outputs).map(String::as_str).collect())
}

impl ControlOperator for DoOp {
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
        io.run_net(0)
    }
}

register_control_operator!(DoOp);
