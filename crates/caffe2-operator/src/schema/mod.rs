//! What is known of an operator type without running it.

mod arguments;
mod counts;
mod verify;

pub use arguments::{ArgDefault, ArgElement, ArgKind, ArgSpec, ArgType, IntoArgDefault};
pub(crate) use arguments::{read_elements, read_net, read_single};
pub use counts::{Counts, IntoCountRange};
pub use verify::SchemaError;

use crate::cost::{Cost, CostContext};
use crate::expect::{ExpectContext, ExpectFn, Expectation};
use crate::infer::{InferContext, TensorInfo};
use crate::op_error::OpError;

/// The function that tells the shapes and types of an operator's outputs.
pub type InferFn = fn(&InferContext<'_>) -> Result<Vec<TensorInfo>, OpError>;

/// The function that tells what one run of an operator costs.
pub type CostFn = fn(&CostContext<'_>) -> Cost;

/// An operator type as data: counts, in-place rules, arguments, shape and type inference, cost and
/// documentation.
///
/// One table serves the verification of definitions, the reading of arguments, warnings about unknown
/// ones, shape inference, cost estimates and the reference pages.
///
/// ```
/// use caffe2_operator::OpSchema;
///
/// let schema = OpSchema::new("LeakyRelu")
///     .doc("Passes positive values on and scales negative ones.")
///     .inputs(1)
///     .outputs(1)
///     .allow_in_place(&[(0, 0)])
///     .arg("alpha", "slope of the negative side", 0.01f32)
///     .input("X", "any shape")
///     .output("Y", "the shape of X")
///     .infer_same_as_input(0);
/// assert!(schema.input_counts().allow(1) && !schema.input_counts().allow(2));
/// assert_eq!(schema.arg_spec("alpha").map(|a| a.default.to_string()), Some("0.01".to_string()));
/// ```
#[derive(Debug, Clone)]
pub struct OpSchema {
    name: &'static str,
    doc: &'static str,
    differences: &'static str,
    inputs: Counts,
    outputs: Counts,
    joint: Option<Joint>,
    output_count: Option<fn(usize) -> Option<usize>>,
    allow_in_place: InPlace,
    enforce_in_place: InPlace,
    args: Vec<ArgSpec>,
    long_lists: Vec<&'static str>,
    input_docs: Vec<BlobDoc>,
    output_docs: Vec<BlobDoc>,
    inference: Inference,
    by_running: bool,
    expect: Option<ExpectFn>,
    cost: Option<CostFn>,
    comparison: Comparison,
}

/// What a schema says of one input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobDoc {
    /// The conventional name, such as `X`.
    pub name: &'static str,
    /// Shape, types and meaning.
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Joint {
    allowed: fn(usize, usize) -> bool,
    words: &'static str,
}

/// Pairs (input, output) that may or must be the same blob.
#[derive(Debug, Clone, Copy)]
enum InPlace {
    Pairs(&'static [(usize, usize)]),
    If(fn(usize, usize) -> bool),
    Any,
}

impl InPlace {
    fn holds(self, input: usize, output: usize) -> bool {
        match self {
            InPlace::Pairs(pairs) => pairs.contains(&(input, output)),
            InPlace::If(holds) => holds(input, output),
            InPlace::Any => true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Inference {
    Unknown,
    SameAsInput(usize),
    Function(InferFn),
}

/// How closely two correct implementations of an operator agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// To the bit.
    Exact,
    /// Up to rounding: within this much of the larger of the value and the root mean square of all.
    Tolerance(f32),
    /// Not at all: the operator draws random numbers.
    Random,
}

impl OpSchema {
    /// The schema of the operator type `name`: any number of inputs and outputs, nothing in place, no
    /// arguments, unknown outputs, exact results.
    pub fn new(name: &'static str) -> OpSchema {
        OpSchema {
            name,
            doc: "",
            differences: "",
            inputs: Counts::default(),
            outputs: Counts::default(),
            joint: None,
            output_count: None,
            allow_in_place: InPlace::Pairs(&[]),
            enforce_in_place: InPlace::Pairs(&[]),
            args: Vec::new(),
            long_lists: Vec::new(),
            input_docs: Vec::new(),
            output_docs: Vec::new(),
            inference: Inference::Unknown,
            by_running: false,
            expect: None,
            cost: None,
            comparison: Comparison::Exact,
        }
    }

    /// What the operator computes: a sentence or a few, with the formula.
    pub fn doc(mut self, doc: &'static str) -> OpSchema {
        self.doc = doc;
        self
    }

    /// Where the operator differs from Caffe2's, and why.
    pub fn differences(mut self, differences: &'static str) -> OpSchema {
        self.differences = differences;
        self
    }

    /// The number of inputs: `1`, `2..=3`, `1..`.
    pub fn inputs(mut self, range: impl IntoCountRange) -> OpSchema {
        self.inputs = self.inputs.within(range);
        self
    }

    /// The numbers of inputs that are allowed, within the range.
    pub fn inputs_in(mut self, set: &'static [usize]) -> OpSchema {
        self.inputs = self.inputs.one_of(set);
        self
    }

    /// A predicate for the number of inputs, within the range, and what it says in words.
    pub fn inputs_if(mut self, allowed: fn(usize) -> bool, words: &'static str) -> OpSchema {
        self.inputs = self.inputs.only_if(allowed, words);
        self
    }

    /// The number of outputs: `1`, `2..=3`, `1..`.
    pub fn outputs(mut self, range: impl IntoCountRange) -> OpSchema {
        self.outputs = self.outputs.within(range);
        self
    }

    /// The numbers of outputs that are allowed, within the range.
    pub fn outputs_in(mut self, set: &'static [usize]) -> OpSchema {
        self.outputs = self.outputs.one_of(set);
        self
    }

    /// A predicate for the number of outputs, within the range, and what it says in words.
    pub fn outputs_if(mut self, allowed: fn(usize) -> bool, words: &'static str) -> OpSchema {
        self.outputs = self.outputs.only_if(allowed, words);
        self
    }

    /// A predicate for the numbers of inputs and outputs together, and what it says in words.
    pub fn inputs_and_outputs_if(
        mut self,
        allowed: fn(usize, usize) -> bool,
        words: &'static str,
    ) -> OpSchema {
        self.joint = Some(Joint { allowed, words });
        self
    }

    /// The number of outputs that follows from the number of inputs; `None` where it cannot be told.
    pub fn output_count(mut self, outputs_of: fn(usize) -> Option<usize>) -> OpSchema {
        self.output_count = Some(outputs_of);
        self
    }

    /// As many outputs as inputs.
    pub fn same_number_of_outputs(self) -> OpSchema {
        self.output_count(Some)
    }

    /// The pairs (input, output) that may be the same blob.
    pub fn allow_in_place(mut self, pairs: &'static [(usize, usize)]) -> OpSchema {
        self.allow_in_place = InPlace::Pairs(pairs);
        self
    }

    /// The pairs (input, output) that may be the same blob, as a predicate.
    pub fn allow_in_place_if(mut self, allowed: fn(usize, usize) -> bool) -> OpSchema {
        self.allow_in_place = InPlace::If(allowed);
        self
    }

    /// Whether some pair of an input and an output may not, or must, be the same blob.
    fn rules_in_place(&self) -> bool {
        !matches!(self.allow_in_place, InPlace::Any) || self.may_enforce_in_place()
    }

    fn may_enforce_in_place(&self) -> bool {
        !matches!(self.enforce_in_place, InPlace::Pairs([]))
    }

    /// Any input and any output may be the same blob.
    pub fn allow_any_in_place(mut self) -> OpSchema {
        self.allow_in_place = InPlace::Any;
        self
    }

    /// The pairs (input, output) that must be the same blob.
    pub fn enforce_in_place(mut self, pairs: &'static [(usize, usize)]) -> OpSchema {
        self.enforce_in_place = InPlace::Pairs(pairs);
        self
    }

    /// The pairs (input, output) that must be the same blob, as a predicate.
    pub fn enforce_in_place_if(mut self, enforced: fn(usize, usize) -> bool) -> OpSchema {
        self.enforce_in_place = InPlace::If(enforced);
        self
    }

    /// An argument with a default, whose type tells the kind of the argument.
    pub fn arg(self, name: &'static str, doc: &'static str, default: impl IntoArgDefault) -> OpSchema {
        let (kind, default) = default.into_arg_default();
        self.spec(ArgSpec { name, kind, default, doc })
    }

    /// An argument that must be given.
    pub fn arg_required<T: ArgType>(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: T::KIND, default: ArgDefault::Required, doc })
    }

    /// An argument whose absence has a meaning of its own.
    pub fn arg_optional<T: ArgType>(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: T::KIND, default: ArgDefault::Absent, doc })
    }

    /// An argument with a list of values; empty when absent.
    pub fn arg_repeated<T: ArgElement>(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: T::KIND, default: ArgDefault::Absent, doc })
    }

    /// An argument with a list of values that must be given.
    pub fn arg_repeated_required<T: ArgElement>(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: T::KIND, default: ArgDefault::Required, doc })
    }

    /// An argument that another one, or its own value, tells how to read.
    pub fn arg_any(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: ArgKind::Any, default: ArgDefault::Absent, doc })
    }

    /// As [`OpSchema::arg_any`], and must be given.
    pub fn arg_any_required(self, name: &'static str, doc: &'static str) -> OpSchema {
        self.spec(ArgSpec { name, kind: ArgKind::Any, default: ArgDefault::Required, doc })
    }

    /// The operator looks for this argument with [`Args::long_list`](crate::Args::long_list) first: a long list of numbers
    /// that comes from a file need not be decoded before the operator reads it.
    pub fn reads_long_list(mut self, name: &'static str) -> OpSchema {
        self.long_lists.push(name);
        self
    }

    /// Applies `fill` to the schema: for arguments and documentation that several operators share.
    pub fn fill_using(self, fill: fn(OpSchema) -> OpSchema) -> OpSchema {
        fill(self)
    }

    fn spec(mut self, spec: ArgSpec) -> OpSchema {
        // As all repeated calls of a kind do, a second one overwrites.
        self.args.retain(|a| a.name != spec.name);
        self.args.push(spec);
        self
    }

    /// The next input: its conventional name, and its shape, types and meaning.
    pub fn input(mut self, name: &'static str, doc: &'static str) -> OpSchema {
        self.input_docs.push(BlobDoc { name, doc });
        self
    }

    /// The next output: its conventional name, and its shape, types and meaning.
    pub fn output(mut self, name: &'static str, doc: &'static str) -> OpSchema {
        self.output_docs.push(BlobDoc { name, doc });
        self
    }

    /// All outputs have shape and type of input `index`.
    pub fn infer_same_as_input(mut self, index: usize) -> OpSchema {
        self.inference = Inference::SameAsInput(index);
        self
    }

    /// The function that tells shapes and types of the outputs.
    pub fn infer(mut self, infer: InferFn) -> OpSchema {
        self.inference = Inference::Function(infer);
        self
    }

    /// Inference may run the operator on inputs whose elements are known: for one that is quick and does nothing but
    /// write its outputs, and whose results are shapes or lead to them, or whose output has a shape that follows from
    /// the elements of inputs.
    pub fn infer_by_running(mut self) -> OpSchema {
        self.by_running = true;
        self
    }

    /// The function that tells what the operator wants of its inputs. Without one, an operator whose outputs are
    /// [the same as an input](OpSchema::infer_same_as_input) wants of that what is wanted of the first output.
    pub fn expect(mut self, expect: ExpectFn) -> OpSchema {
        self.expect = Some(expect);
        self
    }

    /// The function that tells what a run costs; without one, all inputs are read and all outputs
    /// written once, with no multiply-adds.
    pub fn cost(mut self, cost: CostFn) -> OpSchema {
        self.cost = Some(cost);
        self
    }

    /// How closely results agree with another correct implementation.
    pub fn comparison(mut self, comparison: Comparison) -> OpSchema {
        self.comparison = comparison;
        self
    }

    /// What the operator wants of input `index`.
    pub(crate) fn expected_input(&self, context: &ExpectContext<'_>, index: usize) -> Expectation {
        match (self.expect, self.inference) {
            (Some(expect), _) => expect(context, index),
            (None, Inference::SameAsInput(same)) if same == index => context.output(0),
            _ => Expectation::default(),
        }
    }

    /// Whether the operator looks for the argument with [`Args::long_list`](crate::Args::long_list).
    pub(crate) fn has_long_list(&self, name: &str) -> bool {
        self.long_lists.contains(&name)
    }

    /// The operator type.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the operator computes.
    pub fn documentation(&self) -> &'static str {
        self.doc
    }

    /// Where the operator differs from Caffe2's.
    pub fn documented_differences(&self) -> &'static str {
        self.differences
    }

    /// The rule for the number of inputs.
    pub fn input_counts(&self) -> &Counts {
        &self.inputs
    }

    /// The rule for the number of outputs.
    pub fn output_counts(&self) -> &Counts {
        &self.outputs
    }

    /// Names and meanings of the inputs; the last may stand for all that follow.
    pub fn input_docs(&self) -> &[BlobDoc] {
        &self.input_docs
    }

    /// Names and meanings of the outputs; the last may stand for all that follow.
    pub fn output_docs(&self) -> &[BlobDoc] {
        &self.output_docs
    }

    /// Whether input and output may be the same blob.
    pub fn allows_in_place(&self, input: usize, output: usize) -> bool {
        self.allow_in_place.holds(input, output) || self.enforces_in_place(input, output)
    }

    /// Whether input and output must be the same blob.
    pub fn enforces_in_place(&self, input: usize, output: usize) -> bool {
        self.enforce_in_place.holds(input, output)
    }

    /// All arguments, in the order in which they were declared.
    pub fn args(&self) -> &[ArgSpec] {
        &self.args
    }

    /// The argument `name`.
    pub fn arg_spec(&self, name: &str) -> Option<&ArgSpec> {
        self.args.iter().find(|a| a.name == name)
    }

    /// How closely results agree with another correct implementation.
    pub fn result_comparison(&self) -> Comparison {
        self.comparison
    }

    /// Shapes and types of the outputs, as far as they can be told; one entry per output.
    ///
    /// # Errors
    /// When the inputs or arguments are such that the operator cannot run.
    pub fn infer_outputs(&self, context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
        let mut outputs = match self.inference {
            Inference::Unknown => Vec::new(),
            Inference::SameAsInput(index) => vec![context.info(index); context.output_count()],
            Inference::Function(infer) => infer(context)?,
        };
        outputs.resize(context.output_count(), TensorInfo::unknown());
        Ok(outputs)
    }

    /// Whether inference may run the operator on inputs whose elements are known.
    pub fn infers_by_running(&self) -> bool {
        self.by_running
    }

    /// What one run costs.
    pub fn run_cost(&self, context: &CostContext<'_>) -> Cost {
        self.cost.map_or_else(|| Cost::copying(context), |cost| cost(context))
    }
}
