//! `SparseLengthsSum`, `SparseLengthsMean`, `SparseLengthsWeightedSum`: sums of rows of an embedding table.
//!
//! | input | | |
//! |---|---|---|
//! | DATA | float or float16 | the table, a row per index of its first dimension |
//! | WEIGHT | float | `SparseLengthsWeightedSum` only: a factor per entry of INDICES |
//! | INDICES | int32 or int64 | rows of the table |
//! | LENGTHS | int32 | how many of the indices belong to each row of the output, in order |
//!
//! `output[i] = Σ weight[p] · data[indices[p]]` over the positions p of group i; a group without indices gives zeros
//! (Caffe2 `lengths_reducer_ops.h`). Rows of the output are shared among threads; each is summed in order, so that
//! the number of threads changes nothing.

use std::marker::PhantomData;

use caffe2_kernels::Isa;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, Element, InferContext, OpError, OpIo, OpSchema,
    Operator, OperatorType, TensorInfo, dispatch_input_type, f16, register_cpu_operator,
};

use crate::reduction::{Mean, Reduction, Sum, WeightedSum};
use crate::rows::{Value, reduce_segments};
use crate::segments::{Segments, infer_groups, row_count, rows_shape, vector};

/// What tells one [`SparseLengthsOp`] from another.
pub trait SparseReduction: Reduction {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// Whether there is an input with weights.
    const WEIGHTED: bool = false;
}

impl SparseReduction for Sum {
    const TYPE: &'static str = "SparseLengthsSum";
    const DOC: &'static str = "Sums rows of DATA: LENGTHS cuts INDICES into groups, and row i of the output is the sum \
         of the rows of DATA that group i names. An empty group gives zeros.";
}

impl SparseReduction for Mean {
    const TYPE: &'static str = "SparseLengthsMean";
    const DOC: &'static str = "Averages rows of DATA: LENGTHS cuts INDICES into groups, and row i of the output is the \
         mean of the rows of DATA that group i names. An empty group gives zeros.";
}

impl SparseReduction for WeightedSum {
    const TYPE: &'static str = "SparseLengthsWeightedSum";
    const DOC: &'static str = "Sums rows of DATA with weights: LENGTHS cuts INDICES into groups, and row i of the output \
         is the sum of the rows of DATA that group i names, each multiplied by its entry of WEIGHT. An empty group \
         gives zeros.";
    const WEIGHTED: bool = true;
}

/// The operator of each [`SparseReduction`].
#[derive(Debug)]
pub struct SparseLengthsOp<R> {
    segments: Segments,
    reduction: PhantomData<fn() -> R>,
}

impl<R: SparseReduction> SparseLengthsOp<R> {
    const INDICES: usize = if R::WEIGHTED { 2 } else { 1 };
    const LENGTHS: usize = Self::INDICES + 1;
}

impl<R: SparseReduction> OperatorType for SparseLengthsOp<R> {
    const TYPE: &'static str = <R as SparseReduction>::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(Self::TYPE)
            .doc(<R as SparseReduction>::DOC)
            .inputs(Self::LENGTHS + 1)
            .outputs(1)
            .input("DATA", "float or float16 tensor of at least one dimension: a table of rows");
        let schema = if R::WEIGHTED {
            schema
                .arg("grad_on_weights", "for gradients only; changes nothing here", 0)
                .input("WEIGHT", "float vector with one weight per index")
        } else {
            schema
        };
        schema
            .input("INDICES", "int32 or int64 vector of rows of DATA, each from 0 to the number of rows less one")
            .input("LENGTHS", "int32 vector of numbers of indices; they sum to the size of INDICES")
            .output("OUTPUT", "float tensor of as many rows as LENGTHS has elements, each of the shape of a row of DATA")
            .infer(infer::<R>)
            .cost(cost::<R>)
            .comparison(Comparison::Tolerance(1e-5))
            .differences(
                "Caffe2 takes any LENGTHS where INDICES is empty, and negative ones where the others sum to the size of \
                 INDICES; here lengths must not be negative and must always sum to it. Rows of no elements, which \
                 Caffe2 refuses, give an empty output.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        if R::WEIGHTED {
            args.get::<i32>("grad_on_weights")?;
        }
        Ok(SparseLengthsOp { segments: Segments::default(), reduction: PhantomData })
    }
}

impl<R: SparseReduction> Operator for SparseLengthsOp<R> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f16], T => {
            dispatch_input_type!(io, Self::INDICES, [i32, i64], I => self.compute::<T, I>(io))
        })
    }
}

impl<R: SparseReduction> SparseLengthsOp<R> {
    fn compute<T: Value, I: Element + Index>(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (data, indices) = (io.input_slice::<T>(0)?, io.input_slice::<I>(Self::INDICES)?);
        let shape = io.input(0)?.shape();
        let rows = row_count(shape)?;
        vector(Self::INDICES, io.input(Self::INDICES)?.shape())?;
        let weights = if R::WEIGHTED { io.input_slice::<f32>(1)? } else { &[] };
        if R::WEIGHTED {
            check_weights(vector(1, io.input(1)?.shape())?, indices.len())?;
        }
        self.segments.read_lengths(io, Self::LENGTHS, indices.len(), "indices")?;
        check_indices(Self::INDICES, indices, rows)?;
        let out = io.output_slice::<f32>(0, rows_shape(shape, self.segments.count())?)?;
        let row_len = shape.size_from(1);
        reduce_segments::<R, T>(
            io.threads(),
            &self.segments,
            out,
            #[inline(always)]
            |p| {
                let start = indices[p].row() * row_len;
                (if R::WEIGHTED { weights[p] } else { 1.0 }, &data[start..start + row_len])
            },
        );
        Ok(())
    }
}

/// An integer that names a row.
trait Index: Copy + Sync + std::fmt::Debug {
    /// The row that an index names.
    fn row(self) -> usize;

    /// Whether one of the indices is negative, or not below `rows`.
    fn any_beyond(indices: &[Self], rows: usize) -> bool;
}

macro_rules! indices {
    ($($integer:ty as $unsigned:ty),*) => {$(
        impl Index for $integer {
            #[inline(always)]
            fn row(self) -> usize {
                self as usize
            }

            #[inline(always)]
            fn any_beyond(indices: &[$integer], rows: usize) -> bool {
                // Negative indices are the largest unsigned ones. Vector code needs a loop without exits.
                let rows = <$unsigned>::try_from(rows).unwrap_or(<$unsigned>::MAX).min(1 << (<$integer>::BITS - 1));
                indices.iter().fold(false, |any, index| any | (*index as $unsigned >= rows))
            }
        }
    )*};
}

indices!(i32 as u32, i64 as u64);

/// Whether each index names one of the rows.
fn check_indices<I: Index>(input: usize, indices: &[I], rows: usize) -> Result<(), OpError> {
    let any_beyond = Isa::current().dispatch(
        #[inline(always)]
        || I::any_beyond(indices, rows),
    );
    if !any_beyond {
        return Ok(());
    }
    let p = indices.iter().position(|index| I::any_beyond(&[*index], rows)).unwrap_or(0);
    let message = format!("index {p} is {:?}; expected 0 or more, and less than {rows}", indices[p]);
    Err(OpError::input(input, message))
}

fn infer<R: SparseReduction>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let index = SparseLengthsOp::<R>::INDICES;
    let indices = context.shape(index).map(|shape| vector(index, shape)).transpose()?;
    if R::WEIGHTED {
        let weights = context.shape(1).map(|shape| vector(1, shape)).transpose()?;
        weights.zip(indices).map_or(Ok(()), |(weights, indices)| check_weights(weights, indices))?;
    }
    infer_groups(context, SparseLengthsOp::<R>::LENGTHS)
}

fn check_weights(weights: usize, indices: usize) -> Result<(), OpError> {
    if weights == indices {
        return Ok(());
    }
    Err(OpError::input(1, format!("expected a weight for each of the {indices} indices, found {weights}")))
}

/// A multiply-add for each element of each row that is read; of DATA only these rows are read.
fn cost<R: SparseReduction>(context: &CostContext<'_>) -> Cost {
    let data = context.inputs.first();
    let row_len = data.and_then(|data| data.shape.as_ref()).map_or(0, |shape| shape.size_from(1) as u64);
    let read = context.input_numel(SparseLengthsOp::<R>::INDICES).saturating_mul(row_len);
    let mut cost = Cost::with_macs(context, if R::WEIGHTED { read } else { 0 });
    if let Some(data) = data {
        let item = data.data_type.and_then(DataType::item_size).unwrap_or(0) as u64;
        cost.bytes_read =
            cost.bytes_read.saturating_sub(data.byte_len()).saturating_add(read.saturating_mul(item));
    }
    cost
}

register_cpu_operator!(SparseLengthsOp<Sum>);
register_cpu_operator!(SparseLengthsOp<Mean>);
register_cpu_operator!(SparseLengthsOp<WeightedSum>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace, f16, run_operator};

    fn of(op: &str, table: Tensor, indices: &[i64], lengths: &[i32]) -> Result<Vec<f32>, String> {
        let indices = Tensor::from_slice([indices.len()], indices).unwrap();
        let lengths = Tensor::from_slice([lengths.len()], lengths).unwrap();
        let def = OperatorDef::new(op).inputs(["d", "i", "l"]).output("y");
        let y = run_operator(&def, [table, indices, lengths]).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<f32>().unwrap().to_vec())
    }

    fn table() -> Tensor {
        Tensor::from_slice([3, 2], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()
    }

    #[test]
    fn groups_of_rows_become_one_each() {
        let half = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(f16::from_f32);
        for table in [table(), Tensor::from_slice([3, 2], &half).unwrap()] {
            let sum = of("SparseLengthsSum", table.clone(), &[2, 0, 2], &[2, 0, 1]).unwrap();
            assert_eq!(sum, [6.0, 8.0, 0.0, 0.0, 5.0, 6.0]);
            let mean = of("SparseLengthsMean", table, &[2, 0, 2], &[2, 0, 1]).unwrap();
            assert_eq!(mean, [3.0, 4.0, 0.0, 0.0, 5.0, 6.0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sum =
            |indices: &[i64], lengths: &[i32]| of("SparseLengthsSum", table(), indices, lengths).unwrap_err();
        assert!(
            sum(&[0, 3], &[2]).contains("input 1 `i`: index 1 is 3; expected 0 or more, and less than 3")
        );
        assert!(sum(&[-1], &[1]).contains("index 0 is -1"));
        assert!(sum(&[i64::MIN], &[1]).contains("index 0"));
        assert!(sum(&[0], &[-1, 2]).contains("length 0 is -1"));
        assert!(sum(&[0], &[0]).contains("must sum to the 1 indices, but sum to 0"));
        assert!(sum(&[], &[1]).contains("sum to more than the 0 indices"));
        assert!(sum(&[0], &[i32::MAX, i32::MAX]).contains("more than the 1 indices"));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (rows, len) = (100, 37);
        let values: Vec<f32> = (0..rows * len).map(|i| (i as f32 * 0.7).sin()).collect();
        let indices: Vec<i32> = (0..3000).map(|i| (i * 31) % rows as i32).collect();
        let weights: Vec<f32> = (0..3000).map(|i| (i as f32).cos()).collect();
        let lengths: Vec<i32> = (0..300).map(|i| i % 21).collect();
        let used = lengths.iter().sum::<i32>() as usize;
        let run = |threads| {
            let mut workspace = Workspace::new();
            workspace.set_threads(threads);
            workspace.feed("d", Tensor::from_slice([rows, len], &values).unwrap());
            workspace.feed("w", Tensor::from_slice([used], &weights[..used]).unwrap());
            workspace.feed("i", Tensor::from_slice([used], &indices[..used]).unwrap());
            workspace.feed("l", Tensor::from_slice([lengths.len()], &lengths).unwrap());
            let def = OperatorDef::new("SparseLengthsWeightedSum").inputs(["d", "w", "i", "l"]).output("y");
            workspace.run_operator_once(&def).unwrap();
            workspace.fetch("y").unwrap().as_slice::<f32>().unwrap().to_vec()
        };
        let got = run(1);
        assert_eq!(got, run(2));
        let mut p = 0;
        for (i, &length) in lengths.iter().enumerate() {
            for j in 0..len {
                let term =
                    |p: usize| f64::from(weights[p]) * f64::from(values[indices[p] as usize * len + j]);
                let want: f64 = (p..p + length as usize).map(term).sum();
                assert!((f64::from(got[i * len + j]) - want).abs() < 1e-5);
            }
            p += length as usize;
        }
    }
}
