//! What an operator is.

use crate::{ArgError, Args, OpError, OpIo, OpSchema};

/// The part of an operator that a net runs.
pub trait Operator: Send {
    /// Computes all outputs from all inputs; called once per run of the net. What an operator needs
    /// between runs it keeps in `self`.
    ///
    /// # Errors
    /// When an input is not what the operator needs. The net stops there; outputs may have been written
    /// in part.
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError>;
}

/// How an operator type comes to be: what an operator crate writes, and
/// [`register_cpu_operator!`](crate::register_cpu_operator) makes known.
///
/// ```
/// use caffe2_operator::{ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType};
///
/// /// Adds a constant to every element.
/// struct AddConstantOp {
///     value: f32,
/// }
///
/// impl OperatorType for AddConstantOp {
///     const TYPE: &'static str = "AddConstant";
///
///     fn schema() -> OpSchema {
///         OpSchema::new(Self::TYPE)
///             .inputs(1)
///             .outputs(1)
///             .arg("value", "what is added", 1.0f32)
///             .infer_same_as_input(0)
///     }
///
///     fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
///         Ok(AddConstantOp { value: args.get("value")? })
///     }
/// }
///
/// impl Operator for AddConstantOp {
///     fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
///         let x = io.input(0)?;
///         let values = io.input_slice::<f32>(0)?;
///         let y = io.output_slice::<f32>(0, x.shape())?;
///         for (y, x) in y.iter_mut().zip(values) {
///             *y = x + self.value;
///         }
///         Ok(())
///     }
/// }
///
/// caffe2_operator::register_cpu_operator!(AddConstantOp);
/// # fn main() {}
/// ```
pub trait OperatorType: Operator + Sized + 'static {
    /// The name of the type in an `OperatorDef`.
    const TYPE: &'static str;

    /// The schema: counts, in-place rules, arguments, inference, documentation.
    fn schema() -> OpSchema;

    /// Makes an operator. Every argument is read here, once; the definition has passed the schema.
    ///
    /// # Errors
    /// When an argument cannot be read or makes no sense.
    fn from_args(args: &Args<'_>) -> Result<Self, ArgError>;
}
