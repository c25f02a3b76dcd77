//! `Unique`: the distinct elements of a vector, in rising order.
//!
//! The second output, if there is one, says where among them each element of X is:
//! `unique[remapping[i]] = X[i]` (Caffe2 `unique_ops.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

/// `Unique`: each value of a vector once.
#[derive(Debug, Default)]
pub struct UniqueOp {
    /// The elements, sorted, each once.
    sorted: Vec<i64>,
}

impl OperatorType for UniqueOp {
    const TYPE: &'static str = "Unique";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Finds the distinct elements of a vector, in rising order, and where each element is among them.")
            .inputs(1)
            .outputs(1..=2)
            .input("indices", "int32 or int64 tensor of one dimension")
            .output("unique_indices", "tensor of the same type and of one dimension: each element once, rising")
            .output("remapping", "int32 tensor of the shape of X: the position of each element in unique_indices")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(UniqueOp::default())
    }
}

/// Input 0 must be a vector, whose length an int32 holds.
fn check(x: &Shape) -> Result<(), OpError> {
    match x.dims() {
        [len] if i32::try_from(*len).is_ok() => Ok(()),
        _ => Err(OpError::input(0, format!("expected one dimension, of less than 2^31 elements, found {x}"))),
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    context.shape(0).map(check).transpose()?;
    Ok(vec![
        TensorInfo { data_type: context.data_type(0), shape: None },
        TensorInfo { data_type: Some(DataType::Int32), shape: context.shape(0).cloned() },
    ])
}

impl UniqueOp {
    fn compute<T: Element + Into<i64> + TryFrom<i64>>(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
        check(shape)?;
        self.sorted.clear();
        self.sorted.extend(x.iter().map(|&element| element.into()));
        self.sorted.sort_unstable();
        self.sorted.dedup();
        let unique = io.output_slice::<T>(0, [self.sorted.len()])?;
        for (y, &element) in unique.iter_mut().zip(&self.sorted) {
            // Each of them came from a `T`.
            *y = T::try_from(element).unwrap_or_default();
        }
        if io.output_count() > 1 {
            for (place, &element) in io.output_slice::<i32>(1, shape)?.iter_mut().zip(x) {
                *place = self.sorted.partition_point(|&other| other < element.into()) as i32;
            }
        }
        Ok(())
    }
}

impl Operator for UniqueOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [i32, i64], T => self.compute::<T>(io))
    }
}

register_cpu_operator!(UniqueOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    #[test]
    fn distinct_elements_rise_and_places_lead_back() {
        let def = OperatorDef::new("Unique").input("x").outputs(["u", "r"]);
        let x = [5i64, i64::MIN, 5, i64::MAX, -1];
        let y = run_operator(&def, [Tensor::from_slice([5], &x).unwrap()]).unwrap();
        assert_eq!(y[0].as_slice::<i64>().unwrap(), [i64::MIN, -1, 5, i64::MAX]);
        assert_eq!(y[1].as_slice::<i32>().unwrap(), [2, 0, 2, 3, 1]);
        let alone = OperatorDef::new("Unique").input("x").output("u");
        let y = run_operator(&alone, [Tensor::zeros::<i32>([3]).unwrap()]).unwrap();
        assert_eq!(y[0], Tensor::zeros::<i32>([1]).unwrap());
        for wrong in [Tensor::zeros::<i32>([1, 2]), Tensor::scalar(1i32), Tensor::zeros::<f32>([1])] {
            assert!(run_operator(&alone, [wrong.unwrap()]).is_err());
        }
    }
}
