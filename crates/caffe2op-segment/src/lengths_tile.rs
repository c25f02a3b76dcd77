//! `LengthsTile`: each row repeated as often as its length says.
//!
//! Row i of DATA appears `LENGTHS[i]` times in a row in the output; of any type, strings included (Caffe2
//! `lengths_tile_op.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, dispatch_input_type, f16, register_cpu_operator,
};

use crate::segments::{lengths, row_count, rows_shape, vector};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct LengthsTileOp;

impl OperatorType for LengthsTileOp {
    const TYPE: &'static str = "LengthsTile";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Repeats each row of DATA as often as LENGTHS says, in order.")
            .inputs(2)
            .outputs(1)
            .input("DATA", "tensor of any type and at least one dimension")
            .input("LENGTHS", "int32 vector with the number of repetitions of each row, 0 or more")
            .output("OUTPUT", "tensor of the same type; its number of rows is the sum of LENGTHS")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LengthsTileOp)
    }
}

impl Operator for LengthsTileOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let data_type = io.input_type(0)?;
        let (data, lengths) = (io.input(0)?, lengths(io, 1)?);
        check_count(data.shape(), lengths.len())?;
        let mut total = 0usize;
        for (i, &length) in lengths.iter().enumerate() {
            let length = usize::try_from(length);
            let length = length.map_err(|_| {
                OpError::input(1, format!("length {i} is {}; lengths must not be negative", lengths[i]))
            })?;
            total = total
                .checked_add(length)
                .ok_or_else(|| OpError::input(1, "the lengths sum to more than memory can hold"))?;
        }
        let (shape, row_len) = (rows_shape(data.shape(), total)?, data.shape().size_from(1));
        if data_type == DataType::String {
            let strings = data.as_strings().map_err(|source| OpError::Input { index: 0, source })?;
            let out = io.output(0)?.overwrite_strings(shape);
            tile(strings, lengths, row_len, out.map_err(|source| OpError::Output { index: 0, source })?);
            return Ok(());
        }
        dispatch_input_type!(io, 0, [f32, f64, f16, i8, i16, i32, i64, u8, u16, bool], T => {
            tile(io.input_slice::<T>(0)?, lengths, row_len, io.output_slice::<T>(0, shape)?);
            Ok(())
        })
    }
}

fn tile<T: Clone>(data: &[T], lengths: &[i32], row_len: usize, out: &mut [T]) {
    if row_len == 0 {
        return;
    }
    let mut out = out.chunks_exact_mut(row_len);
    for (row, &length) in data.chunks_exact(row_len).zip(lengths) {
        // No length is negative.
        out.by_ref().take(length as usize).for_each(|y| y.clone_from_slice(row));
    }
}

fn check_count(data: &Shape, lengths: usize) -> Result<(), OpError> {
    let rows = row_count(data)?;
    if rows == lengths {
        return Ok(());
    }
    Err(OpError::input(1, format!("expected a length for each of the {rows} rows, found {lengths}")))
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let data = context.shape(0);
    data.map(row_count).transpose()?;
    let lengths = context.shape(1).map(|lengths| vector(1, lengths)).transpose()?;
    data.zip(lengths).map_or(Ok(()), |(data, lengths)| check_count(data, lengths))?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape: None }])
}

register_cpu_operator!(LengthsTileOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn of(data: Tensor, lengths: &[i32]) -> Result<Tensor, String> {
        let lengths = Tensor::from_slice([lengths.len()], lengths).unwrap();
        let y =
            run_operator(&OperatorDef::new("LengthsTile").inputs(["d", "l"]).output("y"), [data, lengths]);
        Ok(y.map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn rows_are_repeated() {
        let data = Tensor::from_slice([3, 2], &[1u8, 2, 3, 4, 5, 6]).unwrap();
        let want = Tensor::from_slice([3, 2], &[1u8, 2, 1, 2, 5, 6]).unwrap();
        assert_eq!(of(data, &[2, 0, 1]).unwrap(), want);
        let text = Tensor::from_strings([2], ["a", "b"]).unwrap();
        assert_eq!(of(text, &[0, 2]).unwrap(), Tensor::from_strings([2], ["b", "b"]).unwrap());
        assert_eq!(of(Tensor::zeros::<f32>([1, 0]).unwrap(), &[i32::MAX]).unwrap().dims()[1], 0);
    }

    #[test]
    fn lengths_are_checked() {
        let data = || Tensor::zeros::<f32>([2]).unwrap();
        assert!(of(data(), &[1]).unwrap_err().contains("each of the 2 rows, found 1"));
        assert!(of(data(), &[2, -1]).unwrap_err().contains("length 1 is -1"));
        assert!(of(Tensor::zeros::<f32>([]).unwrap(), &[1]).unwrap_err().contains("at least one dimension"));
        assert!(of(data(), &[i32::MAX, i32::MAX]).is_err());
    }
}
