//! `SparseLengthsSum` and its kin: sums of rows of an embedding table.
//!
//! | input | | |
//! |---|---|---|
//! | DATA | | the table; see below |
//! | WEIGHT | float | factors, of those with weights in their name: one per entry of INDICES, or, if positional, per place in a group |
//! | INDICES | int32 or int64 | rows of the table |
//! | LENGTHS | int32 | how many of the indices belong to each row of the output, in order |
//! | SCALE_BIAS | float | only `…8BitsRowwise`: a scale and a bias per row of the table |
//!
//! `output[i] = Σ weight[p] · data[indices[p]]` over the positions p of group i; a group without indices gives zeros.
//!
//! | operators | table |
//! |---|---|
//! | `SparseLengthsSum`, `…Mean`, `…WeightedSum`, `…PositionalWeightedSum` | float or float16 |
//! | `SparseLengthsSumFused8BitRowwise`, `…MeanFused…`, `…WeightedSumFused…` | bytes, with a scale and a bias behind each row |
//! | the same with `4Bit`, `2Bit` | codes of 4 and 2 bits |
//! | `SparseLengthsSum8BitsRowwise`, `…Mean8Bits…`, `…WeightedSum8Bits…`, `…WeightedMean8Bits…` | bytes |
//!
//! Of codes it is the sum of `weight · scale · code`, and that of `weight · bias` (Caffe2 `lengths_reducer_ops.h`,
//! `lengths_reducer_fused_8bit_rowwise_ops.h`, `lengths_reducer_fused_nbit_rowwise_ops.h`,
//! `lengths_reducer_rowwise_8bit_ops.h`). Rows of the output are shared among threads; each is summed in order, so that
//! the number of threads changes nothing.

use std::marker::PhantomData;

use caffe2_kernels::index::RowIndex;
use caffe2_kernels::lookup::{PerIndex, Positional, Table, Unweighted, Weights, sum_rows};
use caffe2_kernels::rowwise::{Fused8, FusedBits};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, Element, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, TensorInfo, check_row_indices, dispatch_input_type, register_cpu_operator,
};

use crate::reduction::{Mean, Sum};
use crate::segments::{Segments, row_count, vector};
use crate::table::{Fused, Plain, Separate, TableKind, Work, check_lines};

/// What is made of the rows of a group.
pub trait SparseReduction: 'static {
    /// What it computes, in words.
    const DOC: &'static str;
    /// Whether the sum is divided by the number of rows.
    const MEAN: bool = false;
    /// What rows are multiplied by.
    type Weighting: Weighting;
}

/// The sum of rows that are multiplied by weights.
#[derive(Debug)]
pub enum WeightedSum {}

/// The sum of rows that are multiplied by weights for their place in the group.
#[derive(Debug)]
pub enum PositionalWeightedSum {}

/// The sum of rows that are multiplied by weights, divided by the number of rows.
#[derive(Debug)]
pub enum WeightedMean {}

impl SparseReduction for Sum {
    const DOC: &'static str = "Sums rows of DATA: LENGTHS cuts INDICES into groups, and row i of the output is the sum \
         of the rows of DATA that group i names. An empty group gives zeros.";
    type Weighting = Nothing;
}

impl SparseReduction for Mean {
    const DOC: &'static str = "Averages rows of DATA: LENGTHS cuts INDICES into groups, and row i of the output is the \
         mean of the rows of DATA that group i names. An empty group gives zeros.";
    const MEAN: bool = true;
    type Weighting = Nothing;
}

impl SparseReduction for WeightedSum {
    const DOC: &'static str = "Sums rows of DATA with weights: LENGTHS cuts INDICES into groups, and row i of the output \
         is the sum of the rows of DATA that group i names, each multiplied by its entry of WEIGHT. An empty group \
         gives zeros.";
    type Weighting = ByIndex;
}

impl SparseReduction for PositionalWeightedSum {
    const DOC: &'static str = "Sums rows of DATA with weights: LENGTHS cuts INDICES into groups, and row i of the output \
         is the sum of the rows of DATA that group i names, the first of them multiplied by the first entry of WEIGHT, \
         and so on. An empty group gives zeros.";
    type Weighting = ByPlace;
}

impl SparseReduction for WeightedMean {
    const DOC: &'static str = "Averages rows of DATA with weights: LENGTHS cuts INDICES into groups, and row i of the \
         output is the sum of the rows of DATA that group i names, each multiplied by its entry of WEIGHT, divided by \
         their number. An empty group gives zeros.";
    const MEAN: bool = true;
    type Weighting = ByIndex;
}

/// What rows are multiplied by.
pub trait Weighting: 'static {
    /// What the input WEIGHT is, in words, if there is one.
    const WEIGHT: Option<&'static str>;
    /// Whether there is a weight for each index.
    const BY_INDEX: bool = false;
    /// The weights as kernels take them.
    type Weights<'w>: Weights;

    /// The weights in an input.
    fn of(weights: &[f32]) -> Self::Weights<'_>;
}

/// Rows are not multiplied.
#[derive(Debug)]
pub enum Nothing {}

/// There is a weight for each index.
#[derive(Debug)]
pub enum ByIndex {}

/// There is a weight for each place in a group.
#[derive(Debug)]
pub enum ByPlace {}

impl Weighting for Nothing {
    const WEIGHT: Option<&'static str> = None;
    type Weights<'w> = Unweighted;

    fn of(_: &[f32]) -> Unweighted {
        Unweighted
    }
}

impl Weighting for ByIndex {
    const WEIGHT: Option<&'static str> = Some("float vector with one weight per index");
    const BY_INDEX: bool = true;
    type Weights<'w> = PerIndex<'w>;

    fn of(weights: &[f32]) -> PerIndex<'_> {
        PerIndex(weights)
    }
}

impl Weighting for ByPlace {
    const WEIGHT: Option<&'static str> = Some(
        "float vector with one weight per place in a group: as many as the longest group has indices, or more",
    );
    type Weights<'w> = Positional<'w>;

    fn of(weights: &[f32]) -> Positional<'_> {
        Positional(weights)
    }
}

/// The name of the operator that sums rows of one kind of table in one way; implemented for (table, reduction).
pub trait SparseLengths {
    /// The operator type.
    const TYPE: &'static str;
    /// Whether there is the argument `grad_on_weights`.
    const HAS_GRADIENT_HINT: bool = false;
}

/// The operator of each table and reduction that have a name.
#[derive(Debug)]
pub struct SparseLengthsOp<K, R> {
    segments: Segments,
    of: PhantomData<fn() -> (K, R)>,
}

impl<K: TableKind, R: SparseReduction> SparseLengthsOp<K, R> {
    const INDICES: usize = if R::Weighting::WEIGHT.is_some() { 2 } else { 1 };
    const LENGTHS: usize = Self::INDICES + 1;
    const LAST: usize = if K::HAS_LINES_APART { Self::LENGTHS + 1 } else { Self::LENGTHS };
}

impl<K: TableKind, R: SparseReduction> OperatorType for SparseLengthsOp<K, R>
where
    (K, R): SparseLengths,
{
    const TYPE: &'static str = <(K, R)>::TYPE;

    fn schema() -> OpSchema {
        let mut schema =
            OpSchema::new(Self::TYPE).doc(R::DOC).inputs(Self::LAST + 1).outputs(1).input("DATA", K::DATA);
        if <(K, R)>::HAS_GRADIENT_HINT {
            schema = schema.arg("grad_on_weights", "for gradients only; changes nothing here", 0);
        }
        if let Some(weight) = R::Weighting::WEIGHT {
            schema = schema.input("WEIGHT", weight);
        }
        schema = schema
            .input(
                "INDICES",
                "int32 or int64 vector of rows of DATA, each from 0 to the number of rows less one",
            )
            .input("LENGTHS", "int32 vector of numbers of indices; they sum to the size of INDICES");
        if K::HAS_LINES_APART {
            schema =
                schema.input("scale_bias", "float matrix with the scale and the bias of each row of DATA");
        }
        schema
            .output("OUTPUT", "float tensor of as many rows as LENGTHS has elements, each of the values of a row of DATA")
            .infer(infer::<K, R>)
            .cost(cost::<K, R>)
            .comparison(Comparison::Tolerance(1e-5))
            .differences(
                "Lengths must not be negative and must always sum to the size of INDICES, and there must be as many \
                 weights as are read, where Caffe2 does not look in some cases. Rows of no elements, which Caffe2 \
                 refuses, give an empty output where they are floats or bytes with scales apart.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        if <(K, R)>::HAS_GRADIENT_HINT {
            args.get::<i32>("grad_on_weights")?;
        }
        Ok(SparseLengthsOp { segments: Segments::default(), of: PhantomData })
    }
}

impl<K: TableKind, R: SparseReduction> Operator for SparseLengthsOp<K, R> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        K::with(io, Self::LAST, SumRows(self))
    }
}

/// The work of a [`SparseLengthsOp`].
struct SumRows<'a, K, R>(&'a mut SparseLengthsOp<K, R>);

impl<K: TableKind, R: SparseReduction> Work for SumRows<'_, K, R> {
    fn run(self, io: &mut OpIo<'_>, table: &impl Table) -> Result<(), OpError> {
        let indices = SparseLengthsOp::<K, R>::INDICES;
        dispatch_input_type!(io, indices, [i32, i64], I => self.0.sum::<I>(io, table))
    }
}

impl<K: TableKind, R: SparseReduction> SparseLengthsOp<K, R> {
    fn sum<I: Element + RowIndex>(&mut self, io: &mut OpIo<'_>, table: &impl Table) -> Result<(), OpError> {
        let indices = io.input_slice::<I>(Self::INDICES)?;
        vector(Self::INDICES, io.input(Self::INDICES)?.shape())?;
        let mut weights: &[f32] = &[];
        if R::Weighting::WEIGHT.is_some() {
            weights = io.input_slice(1)?;
            check_weights::<R>(vector(1, io.input(1)?.shape())?, indices.len())?;
        }
        self.segments.read_lengths(io, Self::LENGTHS, indices.len(), "indices")?;
        let data = io.input(0)?.shape();
        check_row_indices(Self::INDICES, indices, row_count(data)?)?;
        let out = io.output_slice::<f32>(0, K::rows_shape(data, self.segments.count())?)?;
        let weights = R::Weighting::of(weights);
        let summed = sum_rows(io.threads(), table, indices, self.segments.ends(), &weights, R::MEAN, out);
        // All else was checked before.
        summed.map_err(|error| OpError::input(1, error.to_string()))
    }
}

fn check_weights<R: SparseReduction>(weights: usize, indices: usize) -> Result<(), OpError> {
    if weights == indices || !R::Weighting::BY_INDEX {
        return Ok(());
    }
    Err(OpError::input(1, format!("expected a weight for each of the {indices} indices, found {weights}")))
}

fn infer<K: TableKind, R: SparseReduction>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let vector_of = |index| context.shape(index).map(|shape| vector(index, shape)).transpose();
    let indices = vector_of(SparseLengthsOp::<K, R>::INDICES)?;
    if R::Weighting::WEIGHT.is_some() {
        vector_of(1)?
            .zip(indices)
            .map_or(Ok(()), |(weights, indices)| check_weights::<R>(weights, indices))?;
    }
    let count = vector_of(SparseLengthsOp::<K, R>::LENGTHS)?;
    let data = context.shape(0);
    let rows = data.map(row_count).transpose()?;
    if K::HAS_LINES_APART {
        let last = SparseLengthsOp::<K, R>::LAST;
        rows.zip(context.shape(last)).map_or(Ok(()), |(rows, lines)| check_lines(last, rows, lines))?;
    }
    let shape = data.map(|data| K::rows_shape(data, count.unwrap_or(0))).transpose()?;
    Ok(vec![TensorInfo {
        data_type: Some(caffe2_operator::DataType::Float),
        shape: shape.filter(|_| count.is_some()),
    }])
}

/// A multiply-add for each element of each row that is read; of DATA only these rows are read.
fn cost<K: TableKind, R: SparseReduction>(context: &CostContext<'_>) -> Cost {
    let indices = context.input_numel(SparseLengthsOp::<K, R>::INDICES);
    let data = context.inputs.first();
    let shape = data.and_then(|data| data.shape.as_ref());
    let width = shape.and_then(|data| K::rows_shape(data, 1).ok()).map_or(0, |row| row.numel() as u64);
    let plain = K::DATA == Plain::DATA && R::Weighting::WEIGHT.is_none();
    let mut cost = Cost::with_macs(context, if plain { 0 } else { indices.saturating_mul(width) });
    if let Some(data) = data {
        let rows = shape.and_then(|data| row_count(data).ok()).map_or(0, |rows| rows as u64);
        let row_bytes = data.byte_len().checked_div(rows).unwrap_or(0);
        let read = indices.saturating_mul(row_bytes);
        cost.bytes_read = cost.bytes_read.saturating_sub(data.byte_len()).saturating_add(read);
    }
    cost
}

macro_rules! sparse_lengths {
    ($($op_type:literal: $table:ty, $reduction:ty $(, gradient hint $hint:literal)?;)*) => {$(
        impl SparseLengths for ($table, $reduction) {
            const TYPE: &'static str = $op_type;
            $(const HAS_GRADIENT_HINT: bool = $hint;)?
        }

        register_cpu_operator!(SparseLengthsOp<$table, $reduction>);
    )*};
}

sparse_lengths! {
    "SparseLengthsSum": Plain, Sum;
    "SparseLengthsMean": Plain, Mean;
    "SparseLengthsWeightedSum": Plain, WeightedSum, gradient hint true;
    "SparseLengthsPositionalWeightedSum": Plain, PositionalWeightedSum;
    "SparseLengthsSumFused8BitRowwise": Fused<Fused8>, Sum;
    "SparseLengthsMeanFused8BitRowwise": Fused<Fused8>, Mean;
    "SparseLengthsWeightedSumFused8BitRowwise": Fused<Fused8>, WeightedSum;
    "SparseLengthsSumFused4BitRowwise": Fused<FusedBits<4>>, Sum;
    "SparseLengthsMeanFused4BitRowwise": Fused<FusedBits<4>>, Mean;
    "SparseLengthsWeightedSumFused4BitRowwise": Fused<FusedBits<4>>, WeightedSum;
    "SparseLengthsSumFused2BitRowwise": Fused<FusedBits<2>>, Sum;
    "SparseLengthsMeanFused2BitRowwise": Fused<FusedBits<2>>, Mean;
    "SparseLengthsWeightedSumFused2BitRowwise": Fused<FusedBits<2>>, WeightedSum;
    "SparseLengthsSum8BitsRowwise": Separate, Sum;
    "SparseLengthsMean8BitsRowwise": Separate, Mean;
    "SparseLengthsWeightedSum8BitsRowwise": Separate, WeightedSum;
    "SparseLengthsWeightedMean8BitsRowwise": Separate, WeightedMean;
}

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
