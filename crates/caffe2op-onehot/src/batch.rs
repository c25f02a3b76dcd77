//! `BatchOneHot`: the categories in each column of a matrix as columns of zeros and ones.
//!
//! Column `j` of the data becomes `lengths[j]` columns, one for each of its values, which lie one after the other in
//! the third input: `Y[i, c] = 1 if X[i, j] == values[c] else 0` (Caffe2 `one_hot_ops.cc`).

use caffe2_operator::{
    ArgError, Args, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, register_cpu_operator,
};

/// `BatchOneHot`: the categories in each column of a matrix as columns of zeros and ones.
#[derive(Debug)]
pub struct BatchOneHotOp;

impl OperatorType for BatchOneHotOp {
    const TYPE: &'static str = "BatchOneHot";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Writes the categories in each column of a matrix as columns of zeros and ones, one for each value \
                 that the column may have.",
            )
            .inputs(3)
            .outputs(1)
            .input("data", "int32 or int64 matrix; dimensions after the first count as one")
            .input("lengths", "int32 tensor: how many values each column of data may have")
            .input("values", "tensor of the type of data: the values of all columns, one after the other")
            .output("output", "matrix of the type of data, with a column for each value")
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(BatchOneHotOp)
    }
}

/// The shape of the output.
fn output_shape(data: &Shape, lengths: &Shape, values: &Shape) -> Result<Shape, OpError> {
    let Some(&rows) = data.first() else {
        return Err(OpError::input(0, "expected at least one dimension, found a scalar"));
    };
    let columns = data.size_from(1);
    if lengths.numel() != columns {
        let message = format!("expected {columns} elements for the columns of {data}, found {lengths}");
        return Err(OpError::input(1, message));
    }
    Ok(Shape::new(&[rows, values.numel()])?)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shapes = context.shape(0).zip(context.shape(1)).zip(context.shape(2));
    let shape = shapes.map(|((data, lengths), values)| output_shape(data, lengths, values)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

fn compute<T: Element + From<bool>>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let (data, lengths, values) =
        (io.input_slice::<T>(0)?, io.input_slice::<i32>(1)?, io.input_slice::<T>(2)?);
    let shape = output_shape(io.input(0)?.shape(), io.input(1)?.shape(), io.input(2)?.shape())?;
    if let Some((at, length)) = lengths.iter().enumerate().find(|(_, length)| **length < 0) {
        return Err(OpError::input(1, format!("length {at} is {length}, expected 0 or more")));
    }
    let sum = lengths.iter().map(|&length| i64::from(length)).fold(0, i64::saturating_add);
    if usize::try_from(sum) != Ok(values.len()) {
        return Err(OpError::input(
            2,
            format!("found {} values, but the lengths sum up to {sum}", values.len()),
        ));
    }
    let y = io.output_slice::<T>(0, &shape)?;
    if y.is_empty() {
        return Ok(());
    }
    for (row, y) in data.chunks_exact(lengths.len().max(1)).zip(y.chunks_exact_mut(values.len())) {
        let mut places = y.iter_mut().zip(values);
        for (element, &length) in row.iter().zip(lengths) {
            for (y, value) in places.by_ref().take(usize::try_from(length).unwrap_or(0)) {
                *y = T::from(element == value);
            }
        }
    }
    Ok(())
}

impl Operator for BatchOneHotOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [i32, i64], T => compute::<T>(io))
    }
}

register_cpu_operator!(BatchOneHotOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(data: Tensor, lengths: &[i32], values: &[i64]) -> Result<Tensor, String> {
        let def = OperatorDef::new("BatchOneHot").inputs(["d", "l", "v"]).output("y");
        let lengths = Tensor::from_slice([lengths.len()], lengths).unwrap();
        let values = Tensor::from_slice([values.len()], values).unwrap();
        let mut y = run_operator(&def, [data, lengths, values]).map_err(|e| e.to_string())?;
        Ok(y.remove(0))
    }

    #[test]
    fn each_column_has_its_values() {
        let data = || Tensor::from_slice([2, 2], &[0i64, 1, 7, 0]).unwrap();
        let want = Tensor::from_slice([2, 5], &[1i64, 0, 1, 0, 1, 0, 1, 0, 1, 0]).unwrap();
        assert_eq!(run(data(), &[2, 3], &[0, 7, 1, 0, 1]), Ok(want));
        assert_eq!(run(data(), &[0, 0], &[]), Ok(Tensor::zeros::<i64>([2, 0]).unwrap()));
    }

    #[test]
    fn counts_must_fit() {
        let data = || Tensor::zeros::<i64>([2, 2]).unwrap();
        for (lengths, count) in [(&[2, 1][..], 2), (&[2], 2), (&[3, -1], 2), (&[i32::MAX, i32::MAX], 2)] {
            assert!(run(data(), lengths, &vec![0; count]).is_err(), "{lengths:?}");
        }
        assert!(run(data(), &[3, -1], &[0, 1]).unwrap_err().contains("length 1 is -1"));
        assert!(run(Tensor::scalar(1i64).unwrap(), &[1], &[1]).is_err());
        assert!(run(Tensor::zeros::<f32>([1, 1]).unwrap(), &[1], &[1]).unwrap_err().contains("float"));
    }
}
