//! `Normalize` and `NormalizeL1`: division by the L2 or L1 norm along one dimension.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | -1 | the dimension; negative ones count from the end |
//!
//! (Caffe2 `normalize_op.h` and `normalize_l1_op.h`.)

use std::marker::PhantomData;

use caffe2_kernels::Isa;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, Threads, register_cpu_operator,
};

use crate::layout::{BLOCK, GRAIN, grain};
use crate::sums::{ColumnSums, row_sum};

/// What tells one [`NormalizeOp`] from another.
pub trait Norm: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// Where it differs from Caffe2.
    const DIFFERENCES: &'static str;

    /// What the norm is made of: the sum of this of each value.
    fn term(x: f64) -> f64;

    /// What to divide by when the terms sum up to this.
    fn divisor(sum: f64) -> f64;
}

/// The L2 norm, which is at least 1e-12.
#[derive(Debug)]
pub enum L2 {}

impl Norm for L2 {
    const TYPE: &'static str = "Normalize";
    const DOC: &'static str = "Divides by the L2 norm along a dimension, or by 1e-12 where that is smaller.";
    const DIFFERENCES: &'static str = "The norm is summed in double precision, so that large values do not overflow. A \
                                       dimension of 0 gives an empty output, where Caffe2 divides by zero.";

    #[inline(always)]
    fn term(x: f64) -> f64 {
        x * x
    }

    fn divisor(sum: f64) -> f64 {
        let norm = sum.sqrt();
        // Not `max`, which would hide NaN.
        if norm < f64::from(1e-12f32) { f64::from(1e-12f32) } else { norm }
    }
}

/// The L1 norm.
#[derive(Debug)]
pub enum L1 {}

impl Norm for L1 {
    const TYPE: &'static str = "NormalizeL1";
    const DOC: &'static str = "Divides by the L1 norm along a dimension; where that is 0, the result is 0.";
    const DIFFERENCES: &'static str = "Where the norm is 0 the result is 0, where Caffe2 leaves memory as it is. The norm \
                                       is summed in double precision, so that large values do not overflow. A dimension \
                                       of 0 gives an empty output, where Caffe2 divides by zero.";

    #[inline(always)]
    fn term(x: f64) -> f64 {
        x.abs()
    }

    fn divisor(sum: f64) -> f64 {
        // All values are 0 then.
        if sum == 0.0 { 1.0 } else { sum }
    }
}

/// The operator of each [`Norm`].
#[derive(Debug)]
pub struct NormalizeOp<N> {
    axis: i32,
    columns: ColumnSums,
    norm: PhantomData<fn() -> N>,
}

impl<N: Norm> OperatorType for NormalizeOp<N> {
    const TYPE: &'static str = N::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(N::TYPE)
            .doc(N::DOC)
            .inputs(1)
            .outputs(1)
            .arg("axis", "the dimension; negative: from the end", -1)
            .input("X", "float tensor of one or more dimensions")
            .output("Y", "float tensor of X's shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-5))
            .differences(N::DIFFERENCES)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(NormalizeOp { axis: args.get("axis")?, columns: ColumnSums::default(), norm: PhantomData })
    }
}

impl<N: Norm> Operator for NormalizeOp<N> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let axis = axis(self.axis, shape)?;
        let y = io.output_slice::<f32>(0, shape)?;
        if !x.is_empty() {
            let (rows, columns) = (shape[axis], shape.size_from(axis + 1));
            self.find_factors(io.threads(), x, rows, columns);
            multiply(io.threads(), x, &self.columns.sums, rows, columns, y);
        }
        Ok(())
    }
}

impl<N: Norm> NormalizeOp<N> {
    /// Finds the inverse norm of each column of matrices of so many rows and columns.
    fn find_factors(&mut self, threads: &Threads, x: &[f32], rows: usize, columns: usize) {
        self.columns.resize(x.len() / rows);
        if columns == 1 {
            let (isa, at_once) = (Isa::current(), (BLOCK / rows).max(1));
            threads.for_each_block(&mut self.columns.sums, at_once, grain(x.len()), |block, sums| {
                let x = x[block * at_once * rows..].chunks_exact(rows);
                isa.dispatch(
                    #[inline(always)]
                    move || sums.iter_mut().zip(x).for_each(|(sum, x)| *sum = row_sum(x, N::term)),
                );
            });
        } else {
            self.columns.add_up(
                threads,
                x,
                columns,
                #[inline(always)]
                |x, _| N::term(x),
            );
        }
        self.columns.sums.iter_mut().for_each(|sum| *sum = 1.0 / N::divisor(*sum));
    }
}

/// Multiplies each column of matrices of so many rows and columns by a factor of its own.
fn multiply(threads: &Threads, x: &[f32], factors: &[f64], rows: usize, columns: usize, y: &mut [f32]) {
    // A single column is one line with one factor, else each row is a line.
    let line = if columns == 1 { rows } else { columns };
    let (isa, lines) = (Isa::current(), (BLOCK / line).max(1));
    threads.for_each_block(y, lines * line, GRAIN, |block, y| {
        let first = block * lines;
        let x = &x[first * line..][..y.len()];
        isa.dispatch(
            #[inline(always)]
            move || {
                for (i, (y, x)) in y.chunks_mut(line).zip(x.chunks(line)).enumerate() {
                    let pairs = y.iter_mut().zip(x);
                    if columns == 1 {
                        let factor = factors[first + i];
                        pairs.for_each(|(y, &x)| *y = (f64::from(x) * factor) as f32);
                    } else {
                        let factors = &factors[(first + i) / rows * columns..][..columns];
                        pairs.zip(factors).for_each(|((y, &x), factor)| *y = (f64::from(x) * factor) as f32);
                    }
                }
            },
        );
    });
}

fn axis(axis: i32, shape: &Shape) -> Result<usize, OpError> {
    Ok(shape.axis(axis.into()).map_err(|e| ArgError::value("axis", e.to_string()))?)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let wanted = context.args().get("axis")?;
    if let Some(shape) = context.shape(0) {
        axis(wanted, shape)?;
    }
    Ok(vec![context.info(0)])
}

register_cpu_operator!(NormalizeOp<L2>);
register_cpu_operator!(NormalizeOp<L1>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(op: &str, axis: i32, shape: &[usize], x: &[f32]) -> Result<Vec<f32>, String> {
        let def = OperatorDef::new(op).input("x").output("y").arg("axis", axis);
        let y = run_operator(&def, [Tensor::from_slice(shape, x).unwrap()]).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn norms_are_along_the_axis() {
        let x = [3.0, -4.0, 0.0, 0.0];
        assert_eq!(run("Normalize", 1, &[2, 2], &x).unwrap(), [0.6, -0.8, 0.0, 0.0]);
        assert_eq!(run("NormalizeL1", -1, &[2, 2], &x).unwrap(), [3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0]);
        assert_eq!(run("Normalize", 0, &[2, 2], &x).unwrap(), [1.0, -1.0, 0.0, 0.0]);
        assert!(run("NormalizeL1", 0, &[0, 2], &[]).unwrap().is_empty());
        assert!(run("Normalize", 0, &[0, 2], &[]).unwrap().is_empty());
        assert!(run("Normalize", 2, &[2, 2], &x).unwrap_err().contains("`axis`"));
    }
}
