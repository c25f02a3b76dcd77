//! `OneHot`: a row for each index, with a one at the index and zeros elsewhere.
//!
//! `Y[i, j] = 1 if j == indices[i] else 0` (Caffe2 `one_hot_ops.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

/// `OneHot`: a row for each index, with a one at the index and zeros elsewhere.
#[derive(Debug)]
pub struct OneHotOp;

impl OperatorType for OneHotOp {
    const TYPE: &'static str = "OneHot";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Writes each index as a row with a one at the index and zeros elsewhere.")
            .inputs(2)
            .outputs(1)
            .input("indices", "int64 tensor of one dimension, each element from 0 to index_size - 1")
            .input("index_size_tensor", "int64 tensor of one element: the size of a row")
            .output("one_hots", "float matrix with a row for each index")
            .differences(
                "An index outside the row is an error, where Caffe2 writes outside the matrix; without indices the \
                 output is an empty matrix, where Caffe2 leaves it without a type.",
            )
            .infer(infer)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(OneHotOp)
    }
}

fn check(indices: &Shape, size: &Shape) -> Result<(), OpError> {
    if indices.rank() != 1 {
        return Err(OpError::input(0, format!("expected one dimension, found {indices}")));
    }
    if size.numel() != 1 {
        return Err(OpError::input(1, format!("expected one element, found {size}")));
    }
    Ok(())
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    context.shape(0).zip(context.shape(1)).map(|(indices, size)| check(indices, size)).transpose()?;
    let columns = context.values::<i64>(1).map(columns).transpose()?;
    let known = context.shape(0).zip(columns);
    let shape = known.map(|(indices, columns)| Shape::new(&[indices.numel(), columns])).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

/// The size of a row that the second input holds.
fn columns(size: &[i64]) -> Result<usize, OpError> {
    let size = size.first().copied().unwrap_or(0);
    usize::try_from(size)
        .map_err(|_| OpError::input(1, format!("the size of a row is {size}, expected 0 or more")))
}

impl Operator for OneHotOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (indices, size) = (io.input_slice::<i64>(0)?, io.input_slice::<i64>(1)?);
        check(io.input(0)?.shape(), io.input(1)?.shape())?;
        let columns = columns(size)?;
        let is_inside = |index: i64| usize::try_from(index).is_ok_and(|index| index < columns);
        if let Some((at, index)) = indices.iter().enumerate().find(|(_, index)| !is_inside(**index)) {
            let message = format!(
                "index {index} at {at} is outside a row of size {columns}, expected 0 or more and less"
            );
            return Err(OpError::input(0, message));
        }
        let y = io.output_slice::<f32>(0, [indices.len(), columns])?;
        y.fill(0.0);
        if columns == 0 {
            return Ok(());
        }
        for (row, &index) in y.chunks_exact_mut(columns).zip(indices) {
            if let Some(y) = usize::try_from(index).ok().and_then(|index| row.get_mut(index)) {
                *y = 1.0;
            }
        }
        Ok(())
    }
}

register_cpu_operator!(OneHotOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(indices: &[i64], size: &[i64]) -> Result<Tensor, String> {
        let def = OperatorDef::new("OneHot").inputs(["i", "n"]).output("y");
        let vector = |x: &[i64]| Tensor::from_slice([x.len()], x).unwrap();
        let mut y = run_operator(&def, [vector(indices), vector(size)]).map_err(|e| e.to_string())?;
        Ok(y.remove(0))
    }

    #[test]
    fn each_row_has_its_one() {
        let want = [0.0f32, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(run(&[1, 2], &[3]), Ok(Tensor::from_slice([2, 3], &want).unwrap()));
        assert_eq!(run(&[], &[3]), Ok(Tensor::zeros::<f32>([0, 3]).unwrap()));
        assert_eq!(run(&[], &[0]), Ok(Tensor::zeros::<f32>([0, 0]).unwrap()));
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        for (index, size) in [(3, 3), (-1, 3), (0, 0), (i64::MIN, 3), (i64::MAX, 3), (0, i64::MAX), (0, -1)] {
            assert!(run(&[index], &[size]).is_err(), "{index} {size}");
        }
        assert!(run(&[1, 7], &[3]).unwrap_err().contains("index 7 at 1 is outside a row of size 3"));
        assert!(run(&[0], &[1, 2]).is_err() && run(&[0], &[]).is_err());
    }
}
