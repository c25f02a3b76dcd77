//! Control flow: operators that run nets which their arguments hold.

use caffe2_proto::{NetDef, OperatorDef};
use hashbrown::HashMap;

use crate::access::{BlobAccess, Wiring};
use crate::blob::Blob;
use crate::infer::BlobInfos;
use crate::io::{OpIo, RunResources};
use crate::net::Net;
use crate::registry::OpRegistry;
use crate::{ArgError, Args, OpError, OpSchema};

/// How deep nets may lie within operators within nets.
pub(crate) const MAX_NESTING: usize = 32;

/// The part of a control operator that a net runs.
pub trait ControlOperator: Send {
    /// Runs the nets that are to be run, as often as they are.
    ///
    /// # Errors
    /// When an input is not what the operator needs, or a net fails.
    fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError>;
}

/// How a type of control operator comes to be: what [`OperatorType`](crate::OperatorType) is for other operators.
///
/// The nets are built together with the net around the operator, in the same workspace, so that their names are
/// resolved once and running them costs no more than running any net.
///
/// ```
/// use caffe2_operator::{
///     ArgError, Args, ControlIo, ControlOperator, ControlOperatorType, OpError, OpSchema, SubNet,
/// };
///
/// /// Runs a net a fixed number of times.
/// struct RepeatOp {
///     times: u32,
/// }
///
/// impl ControlOperatorType for RepeatOp {
///     const TYPE: &'static str = "Repeat";
///
///     fn schema() -> OpSchema {
///         OpSchema::new(Self::TYPE)
///             .allow_any_in_place()
///             .arg("times", "how often", 1)
///             .arg_required::<caffe2_operator::proto::NetDef>("net", "what to run")
///     }
///
///     fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
///         SubNet::required(args, "net").map(|net| vec![net])
///     }
///
///     fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
///         Ok(RepeatOp { times: args.get("times")? })
///     }
/// }
///
/// impl ControlOperator for RepeatOp {
///     fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
///         (0..self.times).try_for_each(|_| io.run_net(0))
///     }
/// }
///
/// caffe2_operator::register_control_operator!(RepeatOp);
/// # fn main() {}
/// ```
pub trait ControlOperatorType: ControlOperator + Sized + 'static {
    /// The name of the type in an `OperatorDef`.
    const TYPE: &'static str;

    /// The schema: counts, in-place rules, arguments, documentation.
    fn schema() -> OpSchema;

    /// The nets that an operator of this definition runs; [`ControlIo::run_net`] counts them in this order.
    ///
    /// # Errors
    /// When an argument cannot be read or makes no sense.
    fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError>;

    /// Makes an operator; the definition has passed the schema.
    ///
    /// # Errors
    /// When an argument cannot be read or makes no sense.
    fn from_args(args: &Args<'_>) -> Result<Self, ArgError>;
}

/// A net within an operator: that of one of its arguments.
#[derive(Debug, Clone)]
pub struct SubNet<'a> {
    pub(crate) argument: &'static str,
    pub(crate) net: &'a NetDef,
    pub(crate) bindings: Option<HashMap<String, String>>,
}

impl<'a> SubNet<'a> {
    /// The net of an argument, if it is given. It sees and writes the blobs of the net around it.
    ///
    /// # Errors
    /// When the argument holds no net.
    pub fn optional(args: &Args<'a>, argument: &'static str) -> Result<Option<SubNet<'a>>, ArgError> {
        Ok(args.net(argument)?.map(|net| SubNet { argument, net, bindings: None }))
    }

    /// The net of an argument that must be given, as [`SubNet::optional`].
    ///
    /// # Errors
    /// When the argument is absent or holds no net.
    pub fn required(args: &Args<'a>, argument: &'static str) -> Result<SubNet<'a>, ArgError> {
        let absent = || ArgError::new(argument, crate::ArgProblem::Absent);
        SubNet::optional(args, argument)?.ok_or_else(absent)
    }

    /// The same net with names of its own: `bindings` tells which of them are names of the net around it; any other
    /// is a blob of its own, which keeps its content from run to run.
    pub fn with_bindings(self, bindings: impl IntoIterator<Item = (String, String)>) -> SubNet<'a> {
        SubNet { bindings: Some(bindings.into_iter().collect()), ..self }
    }

    /// What is known of the blobs that this net sees, from what is known around it.
    pub(crate) fn known_within(&self, around: &BlobInfos) -> BlobInfos {
        let Some(bindings) = &self.bindings else { return around.clone() };
        let inner = |(inner, outer): (&String, &String)| Some((inner.clone(), around.get(outer)?.clone()));
        bindings.iter().filter_map(inner).collect()
    }

    /// What a name of this net is called in the net around it, if that knows it.
    fn outer<'n>(&'n self, inner: &'n str) -> Option<&'n str> {
        match &self.bindings {
            None => Some(inner),
            Some(bindings) => bindings.get(inner).map(String::as_str),
        }
    }
}

/// What the nets within an operator write of the blobs around it; nothing for operators without.
pub(crate) fn nested_writes(def: &OperatorDef, registry: &OpRegistry) -> Vec<String> {
    let mut names = Vec::new();
    each_nested_write(def, registry, 0, &mut |name| names.push(name.to_owned()));
    names
}

fn each_nested_write(def: &OperatorDef, registry: &OpRegistry, depth: usize, visit: &mut dyn FnMut(&str)) {
    if depth > MAX_NESTING {
        return;
    }
    for sub in registry.sub_nets(def) {
        let mut outer = |inner: &str| sub.outer(inner).into_iter().for_each(&mut *visit);
        for op in &sub.net.op {
            op.output.iter().for_each(|name| outer(name));
            each_nested_write(op, registry, depth + 1, &mut outer);
        }
    }
}

/// A net within an operator, built.
pub(crate) struct BuiltSubNet {
    pub(crate) argument: &'static str,
    pub(crate) net: Net,
}

/// What a control operator gets when it runs.
pub struct ControlIo<'a> {
    pub(crate) nets: &'a mut [BuiltSubNet],
    pub(crate) wiring: &'a Wiring,
    pub(crate) access: BlobAccess<'a>,
    pub(crate) run: &'a RunResources,
}

impl ControlIo<'_> {
    /// The number of nets.
    pub fn net_count(&self) -> usize {
        self.nets.len()
    }

    /// Runs net `index`.
    ///
    /// # Errors
    /// [`OpError::Nested`] when it fails, [`OpError::Other`] when there is no such net, [`OpError::Stopped`] when the
    /// run is to end.
    pub fn run_net(&mut self, index: usize) -> Result<(), OpError> {
        let Some(sub) = self.nets.get_mut(index) else {
            return Err(OpError::Other(format!("there is no net {index} in this operator")));
        };
        self.run.stop.check()?;
        let failed = |error| OpError::nested(sub.argument, error);
        sub.net.run(&mut self.access, self.run).map_err(failed)
    }

    /// Inputs and outputs, as any operator has them.
    pub fn op_io(&mut self) -> OpIo<'_> {
        OpIo::new(self.access.borrow(self.wiring), self.run)
    }

    /// Puts a value into the workspace's own blob of this name, be it an output or not: for operators that learn from
    /// their input which blobs they make. Where there is no such blob yet, it is there when the run is done, which
    /// is soon enough: nothing that runs meanwhile can have been built to read it. In a net whose operators run at the
    /// same time, blobs that are not outputs change when the net is done.
    pub fn put(&mut self, name: &str, value: impl Into<Blob>) {
        if let Some(blob) = self.access.put(name, value.into()) {
            self.run.new_blobs.add(name, blob);
        }
    }

    /// The only element of input `index`, a tensor of `bool`.
    ///
    /// # Errors
    /// [`OpError::Missing`] when there is no such input; [`OpError::InputKind`], [`OpError::Input`] and
    /// [`OpError::InputValue`] when it is no tensor, holds no `bool`, or not exactly one.
    pub fn condition(&mut self, index: usize) -> Result<bool, OpError> {
        let blob = self.access.look(self.wiring, index).ok_or(OpError::Missing { output: false, index })?;
        let wrong_kind = || OpError::InputKind { index, wanted: "a tensor", found: blob.type_name() };
        let tensor = blob.as_tensor().ok_or_else(wrong_kind)?;
        match tensor.as_slice::<bool>().map_err(|source| OpError::Input { index, source })? {
            [condition] => Ok(*condition),
            _ => Err(OpError::input(
                index,
                format!("expected exactly one element, found shape {}", tensor.shape()),
            )),
        }
    }
}

#[cfg(test)]
impl ControlIo<'_> {
    /// The elements of input `index`.
    pub(crate) fn integers(&mut self, index: usize) -> Result<&[i64], OpError> {
        let tensor = self.access.look(self.wiring, index).and_then(|blob| blob.as_tensor());
        let tensor = tensor.ok_or(OpError::Missing { output: false, index })?;
        tensor.as_slice().map_err(|source| OpError::Input { index, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AboveOp, AddValueOp, SpreadOp, add, number, value};
    use crate::{ErrorKind, TensorInfo, Workspace, infer_net};
    use std::sync::Arc;
    use std::time::Duration;

    /// Runs a net while the condition holds; with `own_names` the net knows `io` alone, the first output.
    struct RepeatOp;

    impl ControlOperatorType for RepeatOp {
        const TYPE: &'static str = "Repeat";

        fn schema() -> OpSchema {
            OpSchema::new(Self::TYPE).allow_any_in_place().arg_required::<NetDef>("net", "").arg(
                "own_names",
                "",
                false,
            )
        }

        fn sub_nets<'a>(args: &Args<'a>) -> Result<Vec<SubNet<'a>>, ArgError> {
            let net = SubNet::required(args, "net")?;
            if !args.get("own_names")? {
                return Ok(vec![net]);
            }
            let outer = args.def().output.first().cloned().unwrap_or_default();
            Ok(vec![net.with_bindings([("io".to_owned(), outer)])])
        }

        fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
            Ok(RepeatOp)
        }
    }

    impl ControlOperator for RepeatOp {
        fn run(&mut self, io: &mut ControlIo<'_>) -> Result<(), OpError> {
            loop {
                io.run_net(0)?;
                if !io.condition(0)? {
                    return Ok(());
                }
            }
        }
    }

    fn registry() -> Arc<OpRegistry> {
        let builder =
            OpRegistry::builder().operator::<AddValueOp>().operator::<SpreadOp>().operator::<AboveOp>();
        builder.control_operator::<RepeatOp>().build().unwrap()
    }

    fn workspace() -> Workspace {
        let mut workspace = Workspace::with_registry(registry());
        workspace.feed("x", number(0.0));
        workspace.feed("again", caffe2_tensor::Tensor::scalar(false).unwrap());
        workspace
    }

    fn repeat(net: NetDef) -> OperatorDef {
        OperatorDef::new("Repeat").input("again").arg("net", net)
    }

    fn above(input: &str, limit: f32, output: &str) -> OperatorDef {
        OperatorDef::new("Above").input(input).output(output).arg("limit", limit)
    }

    #[test]
    fn a_net_sees_and_writes_the_blobs_around_it() {
        let mut workspace = workspace();
        workspace.feed("left", number(-5.0));
        let body = NetDef::new("body").op(add("left", "left", 1.0)).op(add("x", "x", 2.0));
        let body = body.op(above("left", 0.0, "stop")).op(above("x", 6.0, "enough"));
        // The condition stays false: one run.
        workspace.run_operator_once(&repeat(body.clone())).unwrap();
        assert_eq!(value(&workspace, "x"), 2.0);
        let net = NetDef::new("n").op(repeat(body)).op(add("x", "y", 0.5));
        workspace.create_net(&net).unwrap();
        workspace.run_net("n").unwrap();
        workspace.run_net("n").unwrap();
        assert_eq!((value(&workspace, "x"), value(&workspace, "y")), (6.0, 6.5));
    }

    #[test]
    fn what_only_a_nested_net_writes_can_be_read_later() {
        let mut workspace = workspace();
        let net =
            NetDef::new("n").op(repeat(NetDef::new("").op(add("x", "made", 1.0)))).op(add("made", "y", 1.0));
        workspace.run_net_once(&net).unwrap();
        assert_eq!(value(&workspace, "y"), 2.0);
    }

    #[test]
    fn names_of_its_own_are_seen_nowhere_else() {
        let mut workspace = workspace();
        let inner = NetDef::new("inner").op(add("io", "x", 10.0)).op(add("x", "io", 1.0));
        let scoped = |net| repeat(net).output("y").arg("own_names", true);
        workspace.feed("y", number(1.0));
        workspace.run_operator_once(&scoped(inner.clone())).unwrap();
        assert_eq!((value(&workspace, "x"), value(&workspace, "y")), (0.0, 12.0));
        // Two levels: `io` within is `io` between, which is `y`.
        let between = NetDef::new("between").op(repeat(inner).output("io").arg("own_names", true));
        let fails = workspace.run_operator_once(&scoped(between.clone())).unwrap_err();
        assert!(fails.to_string().contains("`again`"), "{fails}");
        let between = NetDef { op: vec![above("io", 99.0, "again"), between.op[0].clone()], ..between };
        let net = NetDef::new("n").op(scoped(between));
        let blobs = workspace.blobs().len();
        workspace.create_net(&net).unwrap();
        workspace.run_net("n").unwrap();
        assert_eq!((value(&workspace, "y"), workspace.blobs().len()), (23.0, blobs));
    }

    #[test]
    fn a_child_writes_blobs_of_its_own() {
        let mut workspace = Workspace::child(Arc::new(workspace()));
        let net =
            NetDef::new("n").op(add("x", "before", 0.0)).op(repeat(NetDef::new("").op(add("x", "x", 7.0))));
        workspace.create_net(&net).unwrap();
        workspace.run_net("n").unwrap();
        workspace.run_net("n").unwrap();
        assert_eq!((value(&workspace, "before"), value(&workspace, "x")), (7.0, 14.0));
        assert_eq!(value(workspace.parent().unwrap(), "x"), 0.0);
    }

    #[test]
    fn failures_say_where_and_leave_all_usable() {
        let mut workspace = workspace();
        let bad = NetDef::new("bad").op(add("x", "x", 1.0)).op(add("nowhere", "x", 1.0));
        let error = workspace.create_net(&NetDef::new("n").op(repeat(bad))).unwrap_err();
        assert_eq!((error.kind(), error.net()), (ErrorKind::MissingInput, Some("n")));
        assert!(error.to_string().contains("operator #0 Repeat: in `net`: net `bad`"), "{error}");
        assert_eq!(workspace.blobs(), ["again", "x"]);
        let spread = OperatorDef::new("Spread").input("x").output("y");
        workspace.create_net(&NetDef::new("n").op(repeat(NetDef::new("inner").op(spread)))).unwrap();
        workspace.feed("x", number(13.0));
        let error = workspace.run_net("n").unwrap_err().to_string();
        assert!(
            error.contains("operator #0 Repeat: in `net`: net `inner`: operator #0 Spread: input 0 `x`"),
            "{error}"
        );
        workspace.feed("x", number(14.0));
        workspace.run_net("n").unwrap();
        for (condition, words) in [
            (number(1.0), "input 0 `again`: wanted a tensor of bool"),
            (
                caffe2_tensor::Tensor::from_slice([2], &[true, true]).unwrap(),
                "exactly one element, found shape [2]",
            ),
        ] {
            workspace.feed("again", condition);
            let error = workspace.run_net("n").unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let wrong = OperatorDef::new("Repeat").input("again").arg("net", 3);
        assert_eq!(workspace.run_operator_once(&wrong).unwrap_err().kind(), ErrorKind::Argument);
    }

    #[test]
    fn nets_lie_so_deep_and_no_deeper() {
        let nest = |depth| {
            (0..depth).fold(NetDef::new("").op(add("x", "x", 1.0)), |net, _| NetDef::new("").op(repeat(net)))
        };
        let mut workspace = workspace();
        workspace.run_net_once(&nest(MAX_NESTING)).unwrap();
        assert_eq!(value(&workspace, "x"), 1.0);
        for deep in [MAX_NESTING + 1, 300] {
            let error = workspace.run_net_once(&nest(deep)).unwrap_err();
            assert!(error.to_string().contains("more than 32 deep"), "{error}");
        }
    }

    #[test]
    fn inference_forgets_what_a_nested_net_writes() {
        let known = TensorInfo::from(&number(0.0));
        let mut infos = ["x", "again"].map(|name| (name.to_owned(), known.clone())).into_iter().collect();
        let net =
            NetDef::new("n").op(repeat(NetDef::new("").op(add("x", "x", 1.0)))).op(add("again", "y", 1.0));
        infer_net(&registry(), &net, &mut infos).unwrap();
        assert!(!infos.contains_key("x") && infos["y"] == known);
    }

    #[test]
    fn a_run_without_end_is_ended() {
        let mut workspace = workspace();
        workspace.feed("again", caffe2_tensor::Tensor::scalar(true).unwrap());
        workspace.set_time_limit(Some(Duration::from_millis(20)));
        for net in [NetDef::new("empty"), NetDef::new("").op(add("x", "x", 1.0))] {
            let error = workspace.run_operator_once(&repeat(net)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped);
            assert!(error.to_string().contains("not run: the time limit has passed"), "{error}");
        }
        let before = value(&workspace, "x");
        workspace.run_operator_once(&add("x", "x", 1.0)).unwrap();
        assert_eq!(value(&workspace, "x"), before + 1.0);
        workspace.set_time_limit(None);
        let token = workspace.cancel_token();
        let ender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            token.cancel();
        });
        let endless = NetDef::new("n").op(repeat(NetDef::new("")));
        assert_eq!(workspace.run_net_once(&endless).unwrap_err().kind(), ErrorKind::Stopped);
        ender.join().unwrap();
        let child = Workspace::child(Arc::new(workspace));
        assert!(child.cancel_token().is_cancelled());
    }

    #[test]
    fn many_blobs_take_no_time() {
        let mut workspace = workspace();
        let names: Vec<String> = (0..100_000).map(|i| format!("b{i}")).collect();
        let many = repeat(NetDef::new("")).outputs(names.clone());
        workspace.run_operator_once(&many).unwrap();
        workspace.run_operator_once(&many.inputs(names)).unwrap();
    }
}
