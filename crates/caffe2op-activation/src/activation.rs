//! The operator that applies a function to every element of a float tensor.

use caffe2_operator::{ArgError, Args, InOut, OpError, OpIo, OpSchema, Operator, OperatorType, Threads};

/// A function of one float: what tells one [`ActivationOp`] from another.
pub trait Activation: Send + Sized + 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// Whether the output may replace the input, as a list of pairs.
    const IN_PLACE: &'static [(usize, usize)] = &[(0, 0)];

    /// Adds to the schema what is particular: documentation and arguments.
    fn describe(schema: OpSchema) -> OpSchema;

    /// Reads the arguments.
    ///
    /// # Errors
    /// When one cannot be read.
    fn read(args: &Args<'_>) -> Result<Self, ArgError>;

    /// Applies the function to every element.
    fn apply(&self, threads: &Threads, elements: InOut<'_, f32>);
}

/// The operator of each [`Activation`]: one float tensor in, one of the same shape out.
#[derive(Debug)]
pub struct ActivationOp<A> {
    function: A,
}

impl<A: Activation> OperatorType for ActivationOp<A> {
    const TYPE: &'static str = A::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(A::TYPE)
            .inputs(1)
            .outputs(1)
            .allow_in_place(A::IN_PLACE)
            .input("X", "float tensor")
            .output("Y", "float tensor of the same shape")
            .infer_same_as_input(0);
        A::describe(schema)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ActivationOp { function: A::read(args)? })
    }
}

impl<A: Activation> Operator for ActivationOp<A> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let elements = io.unary(0, 0)?;
        self.function.apply(io.threads(), elements);
        Ok(())
    }
}
