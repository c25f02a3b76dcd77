//! `LengthsSum`, `LengthsMean`, `LengthsMax`: groups of rows that follow one another, each made one row.
//!
//! LENGTHS tells how many rows of DATA belong to each row of the output, in order; a group without rows gives zeros
//! (Caffe2 `segment_reduction_op.h`, `lengths_reducer_ops.h`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, dispatch_input_type,
    register_cpu_operator,
};

use crate::reduction::{Max, Mean, Reduction, Sum};
use crate::rows::reduce_segments;
use crate::segments::{Segments, infer_groups, row_count, rows_shape};

/// The operator of each [`Reduction`].
#[derive(Debug)]
pub struct LengthsOp<R> {
    segments: Segments,
    reduction: PhantomData<fn() -> R>,
}

impl<R: Reduction> OperatorType for LengthsOp<R> {
    const TYPE: &'static str = R::LENGTHS;

    fn schema() -> OpSchema {
        OpSchema::new(R::LENGTHS)
            .doc(R::DOC)
            .inputs(2)
            .outputs(1)
            .input("DATA", "float tensor of at least one dimension")
            .input("LENGTHS", "int32 vector of numbers of rows; they sum to the first dimension of DATA")
            .output("OUTPUT", "float tensor of as many rows as LENGTHS has elements, each of the shape of a row of DATA")
            .infer(|context| infer_groups(context, 1))
            .comparison(R::COMPARISON)
            .differences(
                "Caffe2 takes negative lengths where the others sum to the number of rows; here they are refused.",
            )
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(LengthsOp { segments: Segments::default(), reduction: PhantomData })
    }
}

impl<R: Reduction> Operator for LengthsOp<R> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32], T => {
            let (data, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
            self.segments.read_lengths(io, 1, row_count(shape)?, "rows")?;
            let out = io.output_slice::<f32>(0, rows_shape(shape, self.segments.count())?)?;
            reduce_segments::<R>(io.threads(), &self.segments, data, out);
            Ok(())
        })
    }
}

register_cpu_operator!(LengthsOp<Sum>);
register_cpu_operator!(LengthsOp<Mean>);
register_cpu_operator!(LengthsOp<Max>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn of(op: &str, data: Tensor, lengths: &[i32]) -> Result<Vec<f32>, String> {
        let lengths = Tensor::from_slice([lengths.len()], lengths).unwrap();
        let y = run_operator(&OperatorDef::new(op).inputs(["d", "l"]).output("y"), [data, lengths]);
        Ok(y.map_err(|e| e.to_string())?[0].as_slice::<f32>().unwrap().to_vec())
    }

    fn data() -> Tensor {
        Tensor::from_slice([3, 2], &[-1.0f32, 2.0, -3.0, 4.0, 5.0, 6.0]).unwrap()
    }

    #[test]
    fn rows_that_follow_one_another_become_one() {
        assert_eq!(of("LengthsSum", data(), &[2, 0, 1]).unwrap(), [-4.0, 6.0, 0.0, 0.0, 5.0, 6.0]);
        assert_eq!(of("LengthsMean", data(), &[2, 0, 1]).unwrap(), [-2.0, 3.0, 0.0, 0.0, 5.0, 6.0]);
        assert_eq!(of("LengthsMax", data(), &[2, 0, 1]).unwrap(), [-1.0, 4.0, 0.0, 0.0, 5.0, 6.0]);
    }

    #[test]
    fn lengths_and_data_are_checked() {
        assert!(of("LengthsSum", data(), &[4, -1]).unwrap_err().contains("more than the 3 rows"));
        assert!(of("LengthsSum", data(), &[-1, 4]).unwrap_err().contains("length 0 is -1"));
        assert!(of("LengthsSum", data(), &[2]).unwrap_err().contains("sum to the 3 rows, but sum to 2"));
        let scalar = Tensor::from_slice([], &[1.0f32]).unwrap();
        assert!(of("LengthsMax", scalar, &[1]).unwrap_err().contains("at least one dimension"));
        assert_eq!(of("LengthsMax", Tensor::zeros::<f32>([0, 2]).unwrap(), &[0, 0]).unwrap(), [0.0; 4]);
        assert_eq!(of("LengthsMax", Tensor::zeros::<f32>([2, 0]).unwrap(), &[2, 0]).unwrap(), [0.0; 0]);
    }
}
