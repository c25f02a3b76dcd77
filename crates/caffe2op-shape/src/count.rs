//! `Size`, `HasElements`, `IsEmpty`: how many elements there are, and whether there are any.
//!
//! No arguments; tensors of any type; the result has no dimensions (Caffe2 `utility_ops.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, Element, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

/// What tells one [`CountOp`] from another.
pub trait Count: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator tells, in words.
    const DOC: &'static str;
    /// Whether it takes more than one input.
    const MANY: bool = false;
    /// The type of the result.
    type Result: Element;

    /// The result for inputs of so many elements in all.
    fn of(elements: usize) -> Self::Result;
}

macro_rules! counts {
    ($($name:ident, $doc:literal, $many:literal, $result:ty, $of:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}

        impl Count for $name {
            const TYPE: &'static str = stringify!($name);
            const DOC: &'static str = $doc;
            const MANY: bool = $many;
            type Result = $result;

            fn of(elements: usize) -> $result {
                $of(elements)
            }
        }

        register_cpu_operator!(CountOp<$name>);
    )*};
}

counts! {
    Size, "How many elements a tensor has.", false, i64, |n| i64::try_from(n).unwrap_or(i64::MAX);
    HasElements, "Whether any of the tensors has an element.", true, bool, |n| n > 0;
    IsEmpty, "Whether a tensor has no element.", false, bool, |n| n == 0;
}

/// The operator of each [`Count`].
#[derive(Debug)]
pub struct CountOp<C> {
    what: PhantomData<fn() -> C>,
}

impl<C: Count> OperatorType for CountOp<C> {
    const TYPE: &'static str = C::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(C::TYPE)
            .doc(C::DOC)
            .outputs(1)
            .input("X", "tensor of any type")
            .output("Y", "tensor of no dimensions: int64 of Size, otherwise bool")
            .infer(|_| Ok(vec![TensorInfo::new(C::Result::DATA_TYPE, Shape::scalar())]))
            .infer_by_running();
        if C::MANY { schema.inputs(1..) } else { schema.inputs(1) }
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CountOp { what: PhantomData })
    }
}

impl<C: Count> Operator for CountOp<C> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let mut elements = 0usize;
        for i in 0..io.input_count() {
            elements = elements.saturating_add(io.input(i)?.numel());
        }
        io.output_slice::<C::Result>(0, [])?.fill(C::of(elements));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    #[test]
    fn elements_are_counted() {
        let (full, empty) =
            (Tensor::zeros::<u8>([2, 3]).unwrap(), Tensor::from_strings([0], [""; 0]).unwrap());
        let run = |op: &str, x: &Tensor| {
            run_operator(&OperatorDef::new(op).input("x").output("y"), [x.clone()]).unwrap().remove(0)
        };
        assert_eq!(run("Size", &full), Tensor::scalar(6i64).unwrap());
        assert_eq!(run("HasElements", &empty), Tensor::scalar(false).unwrap());
        assert_eq!(run("IsEmpty", &empty), Tensor::scalar(true).unwrap());
        let many = OperatorDef::new("HasElements").inputs(["a", "b"]).output("y");
        assert_eq!(run_operator(&many, [empty, full]).unwrap()[0], Tensor::scalar(true).unwrap());
        // A tensor without content has a shape all the same.
        assert_eq!(run("Size", &Tensor::new()), Tensor::scalar(0i64).unwrap());
    }
}
