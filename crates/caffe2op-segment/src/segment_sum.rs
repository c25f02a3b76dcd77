//! `SortedSegmentSum` and `UnsortedSegmentSum`: rows summed by the segment that an id names for each.
//!
//! | argument | default | |
//! |---|---|---|
//! | `num_segments` | -1 | `UnsortedSegmentSum` only: rows of the output; -1: the largest id plus one |
//!
//! Sorted ids count up from 0 without gaps; unsorted ones may come in any order, and a segment without rows gives
//! zeros (Caffe2 `segment_reduction_op.h`).

use caffe2_kernels::Isa;
use caffe2_operator::{
    ArgError, Args, Comparison, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    dispatch_input_type, register_cpu_operator,
};

use crate::reduction::Sum;
use crate::rows::{combine_row, reduce_segments};
use crate::segments::{Segments, infer_segments, row_count, rows_shape, segment_ids};

/// `SortedSegmentSum`.
#[derive(Debug)]
pub struct SortedSegmentSumOp {
    segments: Segments,
}

impl OperatorType for SortedSegmentSumOp {
    const TYPE: &'static str = "SortedSegmentSum";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Sums the rows of DATA that have the same id; the ids count up from 0 without gaps.")
            .inputs(2)
            .outputs(1)
            .input("DATA", "float tensor of at least one dimension")
            .input(
                "SEGMENT_IDS",
                "int32 vector with an id per row of DATA: 0 first, then the same or one more",
            )
            .output(
                "OUTPUT",
                "float tensor of as many rows as there are ids, each of the shape of a row of DATA",
            )
            .infer(|context| infer_segments(context, None))
            .infer_by_running()
            .comparison(Comparison::Tolerance(1e-5))
            .differences("A negative last id, with which Caffe2 writes outside its memory, is refused.")
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SortedSegmentSumOp { segments: Segments::default() })
    }
}

impl Operator for SortedSegmentSumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32], T => {
            let (data, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
            self.segments.read_sorted_ids(io, 1, row_count(shape)?)?;
            let out = io.output_slice::<f32>(0, rows_shape(shape, self.segments.count())?)?;
            reduce_segments::<Sum>(io.threads(), &self.segments, data, out);
            Ok(())
        })
    }
}

/// `UnsortedSegmentSum`.
#[derive(Debug)]
pub struct UnsortedSegmentSumOp {
    segments: Option<usize>,
}

impl OperatorType for UnsortedSegmentSumOp {
    const TYPE: &'static str = "UnsortedSegmentSum";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Sums the rows of DATA that have the same id, in any order. An id that no row has gives zeros.")
            .inputs(2)
            .outputs(1)
            .arg("num_segments", "number of rows of the output; -1: the largest id plus one", -1)
            .input("DATA", "float tensor of at least one dimension")
            .input("SEGMENT_IDS", "int32 vector with an id per row of DATA, each from 0 to num_segments less one")
            .output("OUTPUT", "float tensor of num_segments rows, each of the shape of a row of DATA")
            .infer(infer)
            .infer_by_running()
            .comparison(Comparison::Tolerance(1e-5))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        match args.get::<i32>("num_segments")? {
            -1 => Ok(UnsortedSegmentSumOp { segments: None }),
            n => match usize::try_from(n) {
                Ok(n) => Ok(UnsortedSegmentSumOp { segments: Some(n) }),
                Err(_) => Err(ArgError::value("num_segments", format!("expected -1 or more, found {n}"))),
            },
        }
    }
}

impl Operator for UnsortedSegmentSumOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32], T => {
            let (data, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
            let ids = segment_ids(io, 1, row_count(shape)?)?;
            let largest = ids.iter().max().and_then(|&id| usize::try_from(id).ok());
            let segments = self.segments.unwrap_or_else(|| largest.map_or(0, |id| id.saturating_add(1)));
            if let Some(i) = ids.iter().position(|&id| usize::try_from(id).map_or(true, |id| id >= segments)) {
                let message = format!("id {i} is {}; expected 0 or more, and less than {segments}", ids[i]);
                return Err(OpError::input(1, message));
            }
            let out = io.output_slice::<f32>(0, rows_shape(shape, segments)?)?;
            out.fill(0.0);
            let row_len = shape.size_from(1);
            if row_len > 0 {
                Isa::current().dispatch(
                    #[inline(always)]
                    move || {
                        for (&id, row) in ids.iter().zip(data.chunks_exact(row_len)) {
                            let y = &mut out[id as usize * row_len..][..row_len];
                            combine_row(y, row, #[inline(always)] |y, x| y + x);
                        }
                    },
                );
            }
            Ok(())
        })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    infer_segments(context, UnsortedSegmentSumOp::from_args(context.args())?.segments)
}

register_cpu_operator!(SortedSegmentSumOp);
register_cpu_operator!(UnsortedSegmentSumOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn of(def: OperatorDef, ids: &[i32]) -> Result<Vec<f32>, String> {
        let data = Tensor::from_slice([3, 2], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let ids = Tensor::from_slice([ids.len()], ids).unwrap();
        let y = run_operator(&def.inputs(["d", "s"]).output("y"), [data, ids]).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn sorted_ids_have_no_gaps() {
        let sum = |ids: &[i32]| of(OperatorDef::new("SortedSegmentSum"), ids);
        assert_eq!(sum(&[0, 0, 1]).unwrap(), [4.0, 6.0, 5.0, 6.0]);
        assert_eq!(sum(&[0, 1, 1]).unwrap(), [1.0, 2.0, 8.0, 10.0]);
        assert_eq!(sum(&[0, 0, 0]).unwrap(), [9.0, 12.0]);
        assert!(sum(&[1, 1, 1]).unwrap_err().contains("must start at 0, found 1"));
        assert!(sum(&[0, 2, 2]).unwrap_err().contains("id 1 is 2, after 0"));
        assert!(sum(&[0, 1, -1]).unwrap_err().contains("id 2 is -1, after 1"));
        assert!(sum(&[-1, 0, 0]).unwrap_err().contains("found -1"));
        assert!(sum(&[0, 1]).unwrap_err().contains("each of the 3 rows, found 2"));
    }

    #[test]
    fn unsorted_ids_come_in_any_order() {
        let def = || OperatorDef::new("UnsortedSegmentSum");
        assert_eq!(of(def(), &[2, 0, 2]).unwrap(), [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
        assert_eq!(of(def().arg("num_segments", 2), &[1, 1, 1]).unwrap(), [0.0, 0.0, 9.0, 12.0]);
        assert!(of(def().arg("num_segments", 2), &[1, 2, 1]).unwrap_err().contains("id 1 is 2"));
        assert!(of(def().arg("num_segments", 0), &[0, 0, 0]).unwrap_err().contains("less than 0"));
        assert!(of(def().arg("num_segments", -2), &[0, 0, 0]).unwrap_err().contains("`num_segments`"));
        assert!(of(def(), &[0, -1, 0]).unwrap_err().contains("id 1 is -1"));
        assert!(of(def(), &[0, i32::MAX, 0]).is_err()); // 16 GiB
    }
}
