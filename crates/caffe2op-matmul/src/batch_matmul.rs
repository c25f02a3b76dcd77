//! `BatchMatMul`: products of the matrices in two batches.
//!
//! | argument | default | |
//! |---|---|---|
//! | `trans_a`, `trans_b` | 0 | whether the matrices, the last two dimensions, are transposed; of no effect on a vector |
//! | `broadcast` | 0 | whether batch dimensions may differ and follow numpy's rules |
//!
//! A vector is a row on the left and a column on the right, of which the output has no dimension; the product of two
//! vectors is `[1]` (Caffe2 `batch_matmul_op.h`).

use std::sync::OnceLock;

use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
use caffe2_kernels::isa::multiply_add;
use caffe2_kernels::{Isa, KernelError, Threads};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct BatchMatMulOp {
    args: BatchArgs,
    dims: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct BatchArgs {
    transposed: [bool; 2],
    broadcast: bool,
}

/// The last dimensions of an operand, as they are stored and as they count.
struct Matrix<'a> {
    batch: &'a [usize],
    stored: (usize, usize),
    transposed: bool,
}

impl Matrix<'_> {
    fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.stored;
        if self.transposed { (columns, rows) } else { (rows, columns) }
    }

    /// Matrix `at` of the batch.
    fn get<'v>(&self, values: &'v [f32], at: usize) -> Result<MatRef<'v>, KernelError> {
        let (rows, columns) = self.stored;
        let len = rows * columns;
        let values = values.get(at * len..(at + 1) * len).unwrap_or(&[]);
        Ok(MatRef::new(values, rows, columns)?.transposed_if(self.transposed))
    }

    /// The batch dimension of axis `axis` of `rank`; 1 before the first.
    fn dim(&self, axis: usize, rank: usize) -> usize {
        (axis + self.batch.len()).checked_sub(rank).and_then(|at| self.batch.get(at)).copied().unwrap_or(1)
    }

    /// The position of the matrix that product `index` takes, where the output has these batch dimensions.
    fn at(&self, index: usize, output: &[usize]) -> usize {
        if self.batch == output {
            return index;
        }
        let (mut rest, mut stride, mut at) = (index, 1, 0);
        for (axis, size) in output.iter().enumerate().rev() {
            let dim = self.dim(axis, output.len());
            at += if dim == 1 { 0 } else { rest % size * stride };
            stride *= dim;
            rest /= size;
        }
        at
    }
}

impl BatchArgs {
    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let transposed = |name| args.get::<i32>(name).map(|value| value != 0);
        let broadcast = args.get::<i32>("broadcast")? != 0;
        Ok(BatchArgs { transposed: [transposed("trans_a")?, transposed("trans_b")?], broadcast })
    }

    fn matrix<'a>(&self, index: usize, shape: &'a Shape) -> Result<Matrix<'a>, OpError> {
        match shape.dims() {
            [] => Err(OpError::input(index, "expected at least one dimension, found a scalar")),
            &[n] => {
                let stored = if index == 0 { (1, n) } else { (n, 1) };
                Ok(Matrix { batch: &[], stored, transposed: false })
            }
            [batch @ .., rows, columns] => {
                Ok(Matrix { batch, stored: (*rows, *columns), transposed: self.transposed[index] })
            }
        }
    }

    /// The operands taken apart; puts batch dimensions into `dims`, and the shape of the output behind.
    fn plan<'a>(
        &self,
        a: &'a Shape,
        b: &'a Shape,
        dims: &mut Vec<usize>,
    ) -> Result<(Matrix<'a>, Matrix<'a>, Shape), OpError> {
        let (left, right) = (self.matrix(0, a)?, self.matrix(1, b)?);
        let ((rows, inner), (inner_b, columns)) = (left.size(), right.size());
        if inner != inner_b {
            let message =
                format!("matrices of B {b} are {inner_b} x {columns}, but those of A {a} {rows} x {inner}");
            return Err(OpError::input(1, message));
        }
        let vector = a.rank() == 1 || b.rank() == 1;
        if !self.broadcast && !vector && left.batch != right.batch {
            let message = format!("batches of A {a} and B {b} differ; argument `broadcast` would allow that");
            return Err(OpError::input(1, message));
        }
        dims.clear();
        let rank = left.batch.len().max(right.batch.len());
        for axis in 0..rank {
            match (left.dim(axis, rank), right.dim(axis, rank)) {
                (1, n) | (n, 1) => dims.push(n),
                (n, m) if n == m => dims.push(n),
                _ => {
                    return Err(OpError::input(1, format!("batches of A {a} and B {b} do not fit together")));
                }
            }
        }
        if a.rank() > 1 {
            dims.push(rows);
        }
        if b.rank() > 1 {
            dims.push(columns);
        }
        if dims.is_empty() {
            dims.push(1);
        }
        let shape = Shape::new(dims)?;
        dims.truncate(rank);
        Ok((left, right, shape))
    }
}

impl OperatorType for BatchMatMulOp {
    const TYPE: &'static str = "BatchMatMul";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Products of the matrices that are the last two dimensions of both inputs, as numpy.matmul has them.")
            .inputs(2)
            .outputs(1)
            .arg("trans_a", "other than 0: the matrices of A are transposed; no effect on a vector", 0)
            .arg("trans_b", "other than 0: the matrices of B are transposed; no effect on a vector", 0)
            .arg("use_scratch", "has no effect: Caffe2 uses it on graphics processors only", 0)
            .arg("broadcast", "other than 0: dimensions before the last two may be 1 or absent in one input", 0)
            .input("A", "float tensor [.., M, K], or [K]")
            .input("B", "float tensor [.., K, N], or [K]")
            .output("Y", "float tensor [.., M, N], without the dimension that a vector lacks; [1] of two vectors")
            .differences(
                "The product of a transposed matrix and a vector has as many elements as the transpose has rows; Caffe2 \
                 gives it as many as the columns, and leaves some unwritten or writes outside its memory. A scalar, or \
                 vectors and matrices without inner size, on which Caffe2 may crash, are an error or give zeros.",
            )
            .infer(infer)
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-5))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(BatchMatMulOp { args: BatchArgs::read(args)?, dims: Vec::new() })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = BatchArgs::read(context.args())?;
    let (Some(a), Some(b)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let (_, _, shape) = args.plan(a, b, &mut Vec::new())?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

fn cost(context: &CostContext<'_>) -> Cost {
    let inner = || {
        let a = context.inputs.first()?.shape.as_ref()?;
        Some(BatchArgs::read(context.args).ok()?.matrix(0, a).ok()?.size().1 as u64)
    };
    Cost::with_macs(context, context.output_numel(0).saturating_mul(inner().unwrap_or(0)))
}

impl Operator for BatchMatMulOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (a, b) = (io.input(0)?.shape(), io.input(1)?.shape());
        let (a_values, b_values) = (io.input_slice::<f32>(0)?, io.input_slice::<f32>(1)?);
        let (a, b, shape) = self.args.plan(a, b, &mut self.dims)?;
        let y = io.output_slice::<f32>(0, shape)?;
        let products = Products { a, a_values, b, b_values, dims: &self.dims };
        products.run(io.threads(), y).map_err(|e| OpError::Other(e.to_string()))
    }
}

/// Multiply-adds of a product from which on threads share the product itself, and not the batch.
const LARGE: usize = 1 << 20;
/// Multiply-adds of a product up to which the kernel for large ones costs more than it gains.
const TINY: usize = 512;
/// Multiply-adds per block of small products, and in all below which sharing costs more than it gains.
const BLOCK: usize = 1 << 16;

struct Products<'a> {
    a: Matrix<'a>,
    a_values: &'a [f32],
    b: Matrix<'a>,
    b_values: &'a [f32],
    /// The batch dimensions of the output.
    dims: &'a [usize],
}

impl Products<'_> {
    /// Computes all products. Which thread computes what follows from the shapes or changes no bit.
    fn run(&self, threads: &Threads, y: &mut [f32]) -> Result<(), KernelError> {
        let ((rows, inner), (_, columns)) = (self.a.size(), self.b.size());
        let len = rows * columns;
        if y.is_empty() {
            return Ok(());
        }
        if self.b.batch.iter().all(|dim| *dim == 1) && !self.a.transposed {
            // All rows of A, of whatever matrix, are multiplied by the same B.
            let a = MatRef::new(self.a_values, y.len() / columns, inner)?;
            let y = MatMut::new(y, a.rows(), columns)?;
            return matmul(threads, a, self.b.get(self.b_values, 0)?, Bias::None, y);
        }
        let macs = len.saturating_mul(inner);
        if macs >= LARGE {
            return y.chunks_exact_mut(len).enumerate().try_for_each(|(i, y)| self.product(threads, i, y));
        }
        let (per_block, failed) = ((BLOCK / macs.max(1)).max(1), OnceLock::new());
        let grain = if y.len().saturating_mul(inner) > BLOCK { 0 } else { usize::MAX };
        if macs <= TINY {
            threads.for_each_block(y, per_block * len, grain, |block, y| {
                Isa::current().dispatch_fused(
                    #[inline(always)]
                    |fused| {
                        for (i, y) in y.chunks_exact_mut(len).enumerate() {
                            self.tiny_product(fused, block * per_block + i, y);
                        }
                    },
                );
            });
            return Ok(());
        }
        threads.for_each_block(y, per_block * len, grain, |block, y| {
            for (i, y) in y.chunks_exact_mut(len).enumerate() {
                if let Err(error) = self.product(&Threads::single(), block * per_block + i, y) {
                    failed.get_or_init(|| error);
                }
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// The product in the plainest of ways, for matrices so small that any preparation takes longer.
    #[inline(always)]
    fn tiny_product(&self, fused: bool, index: usize, y: &mut [f32]) {
        let ((rows, inner), (_, columns)) = (self.a.size(), self.b.size());
        let a = &self.a_values[self.a.at(index, self.dims) * rows * inner..][..rows * inner];
        let b = &self.b_values[self.b.at(index, self.dims) * inner * columns..][..inner * columns];
        let (a_row, a_column) = if self.a.transposed { (1, rows) } else { (inner, 1) };
        for (r, y) in y.chunks_exact_mut(columns).enumerate() {
            y.fill(0.0);
            for k in 0..inner {
                let x = a[r * a_row + k * a_column];
                if self.b.transposed {
                    for (y, w) in y.iter_mut().zip(b[k..].iter().step_by(inner)) {
                        *y = multiply_add(fused, x, *w, *y);
                    }
                } else {
                    for (y, w) in y.iter_mut().zip(&b[k * columns..][..columns]) {
                        *y = multiply_add(fused, x, *w, *y);
                    }
                }
            }
        }
    }

    fn product(&self, threads: &Threads, index: usize, y: &mut [f32]) -> Result<(), KernelError> {
        let a = self.a.get(self.a_values, self.a.at(index, self.dims))?;
        let b = self.b.get(self.b_values, self.b.at(index, self.dims))?;
        matmul(threads, a, b, Bias::None, MatMut::new(y, a.rows(), b.cols())?)
    }
}

register_cpu_operator!(BatchMatMulOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace, run_operator};

    fn run(a: &[usize], b: &[usize], def: OperatorDef) -> Result<Tensor, String> {
        let ramp = |shape: &[usize]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|v| v as f32).collect();
            Tensor::from_slice(shape, &values).unwrap()
        };
        let def = def.inputs(["a", "b"]).output("y");
        run_operator(&def, [ramp(a), ramp(b)]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("BatchMatMul")
    }

    #[test]
    fn vectors_lack_a_dimension() {
        assert_eq!(run(&[3], &[3], def()).unwrap(), Tensor::from_slice([1], &[5.0f32]).unwrap());
        assert_eq!(run(&[2], &[2, 2], def()).unwrap(), Tensor::from_slice([2], &[2.0f32, 3.0]).unwrap());
        assert_eq!(run(&[2, 2, 3], &[3], def()).unwrap().dims(), [2, 2]);
        let y = run(&[2, 1], &[2], def().arg("trans_a", 1)).unwrap();
        assert_eq!(y, Tensor::from_slice([1], &[1.0f32]).unwrap());
    }

    #[test]
    fn batches_are_broadcast_when_told_to() {
        let y = run(&[2, 1, 1, 1], &[3, 1, 1], def().arg("broadcast", 1)).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 3, 1, 1], &[0.0f32, 0.0, 0.0, 0.0, 1.0, 2.0]).unwrap());
        assert!(run(&[2, 1, 1], &[1, 1], def()).unwrap_err().contains("`broadcast` would allow"));
        assert!(run(&[2, 1, 1], &[3, 1, 1], def().arg("broadcast", 1)).unwrap_err().contains("do not fit"));
        assert_eq!(run(&[0, 2, 1], &[1, 3], def().arg("broadcast", 1)).unwrap().dims(), [0, 2, 3]);
        assert!(run(&[], &[1], def()).unwrap_err().contains("found a scalar"));
        assert!(run(&[2, 3], &[2, 3], def()).unwrap_err().contains("2 x 3"));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let run = |threads, a: &[usize], b: &[usize], def: OperatorDef| {
            let mut workspace = Workspace::new();
            workspace.set_threads(threads);
            for (name, shape) in [("a", a), ("b", b)] {
                let values: Vec<f32> = (0..shape.iter().product()).map(|v: usize| (v as f32).sin()).collect();
                workspace.feed(name, Tensor::from_slice(shape, &values).unwrap());
            }
            workspace.run_operator_once(&def.inputs(["a", "b"]).output("y")).unwrap();
            workspace.fetch("y").unwrap().as_slice::<f32>().unwrap().to_vec()
        };
        let broadcast = || def().arg("broadcast", 1);
        for (a, b, def) in [
            (&[700, 5, 7][..], &[700, 7, 6][..], def()),
            (&[3, 110, 100], &[3, 110, 100], def().arg("trans_b", 1)),
            (&[300, 4, 16], &[16, 9], broadcast()),
            (&[900, 3, 4], &[900, 5, 3], def().arg("trans_a", 1).arg("trans_b", 1)),
            (&[16, 4], &[300, 16, 9], broadcast().arg("trans_a", 1)),
            (&[20, 1, 16, 4], &[15, 16, 9], broadcast().arg("trans_a", 1)),
        ] {
            let one = run(1, a, b, def.clone());
            assert!(one == run(2, a, b, def), "{a:?} {b:?}");
        }
        // All rows at once or matrix by matrix.
        let (one_b, many_b) =
            (run(1, &[3, 2, 8], &[8, 5], broadcast()), run(1, &[3, 2, 8], &[1, 8, 5], broadcast()));
        assert_eq!(one_b, many_b);
        assert_eq!(one_b[10..20], run(1, &[6, 8], &[8, 5], broadcast())[10..20]);
    }
}
