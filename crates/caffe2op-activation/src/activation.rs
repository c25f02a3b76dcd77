//! The operator that applies a function to every element of a float tensor.

use caffe2_operator::{
    ArgError, Args, Cost, InOut, OpError, OpIo, OpSchema, Operator, OperatorType, Threads,
};

/// A function of one float: what tells one [`ActivationOp`] from another.
pub trait Activation: Send + Sized + 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// Whether the output may replace the input, as a list of pairs.
    const IN_PLACE: &'static [(usize, usize)] = &[(0, 0)];
    /// Multiplications for each element, of which `exp` and the like count as one.
    const MACS: u64;

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
            .infer_same_as_input(0)
            .cost(|context| Cost::with_macs(context, context.output_numel(0).saturating_mul(A::MACS)));
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

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{DataType, OpRegistry, Shape, TensorInfo, infer_net};

    #[test]
    fn only_functions_that_multiply_count_multiply_adds() {
        let info = TensorInfo::new(DataType::Float, Shape::new(&[2, 3]).unwrap());
        for (op, macs) in [("Relu", 0), ("Clip", 0), ("LeakyRelu", 6), ("Gelu", 12), ("PRelu", 6)] {
            let def =
                OperatorDef::new(op).inputs(["x", "w"].into_iter().take(1 + usize::from(op == "PRelu")));
            let net = NetDef::new("n").op(def.output("y"));
            let mut known = [("x".to_string(), info.clone())].into_iter().collect();
            let inferred = infer_net(&OpRegistry::linked().unwrap(), &net, &mut known).unwrap();
            assert_eq!((&inferred[0].outputs[0], inferred[0].cost.macs), (&info, macs), "{op}");
        }
    }
}
