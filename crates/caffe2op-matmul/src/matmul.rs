//! `MatMul`: `Y = A * B`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis_a`, `axis_b` | 1 | the dimensions before the axis are the rows of the matrix, the rest its columns |
//! | `trans_a`, `trans_b` | 0 | whether the matrix is transposed |
//!
//! The output is a matrix; a third input gives it another shape of as many elements (Caffe2 `matmul_op.h`).

use caffe2_kernels::byte_rows;
use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, Tensor, TensorInfo, Threads, WeightBytes, register_cpu_operator,
};

/// One of the matrices: which input, where its columns begin, and whether it is transposed.
#[derive(Debug, Clone, Copy)]
struct Operand {
    index: usize,
    name: &'static str,
    axis: i32,
    transposed: bool,
}

impl Operand {
    /// Rows and columns as they are stored.
    fn stored(&self, shape: &Shape) -> Result<(usize, usize), OpError> {
        let axis = shape.axis(self.axis.into()).map_err(|e| {
            OpError::input(self.index, format!("argument `{}`: {e}, found {shape}", self.name))
        })?;
        Ok((shape.size_to(axis), shape.size_from(axis)))
    }

    /// Rows and columns in the product.
    fn size(&self, shape: &Shape) -> Result<(usize, usize), OpError> {
        let (rows, columns) = self.stored(shape)?;
        Ok(if self.transposed { (columns, rows) } else { (rows, columns) })
    }

    fn matrix<'a>(&self, tensor: &'a Tensor) -> Result<MatRef<'a>, OpError> {
        let (rows, columns) = self.stored(tensor.shape())?;
        let values = tensor.as_slice().map_err(|source| OpError::Input { index: self.index, source })?;
        Ok(MatRef::new(values, rows, columns)?.transposed_if(self.transposed))
    }
}

/// The operator; see the [crate].
#[derive(Debug)]
pub struct MatMulOp {
    a: Operand,
    b: Operand,
}

impl MatMulOp {
    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let transposed = |name| args.get::<i32>(name).map(|value| value != 0);
        let (axis_a, axis_b) = (args.get("axis_a")?, args.get("axis_b")?);
        Ok(MatMulOp {
            a: Operand { index: 0, name: "axis_a", axis: axis_a, transposed: transposed("trans_a")? },
            b: Operand { index: 1, name: "axis_b", axis: axis_b, transposed: transposed("trans_b")? },
        })
    }

    /// The shape of the output, from those of both matrices and of the third input.
    fn output(&self, a: &Shape, b: &Shape, like: Option<&Shape>) -> Result<Shape, OpError> {
        let ((rows, inner), (inner_b, columns)) = (self.a.size(a)?, self.b.size(b)?);
        if inner != inner_b {
            let message = format!("B {b} is {inner_b} x {columns}, but A {a} is {rows} x {inner}");
            return Err(OpError::input(1, message));
        }
        let output = Shape::new(&[rows, columns])?;
        match like {
            Some(like) if like.numel() != output.numel() => {
                Err(OpError::input(2, format!("expected as many elements as {output} has, found {like}")))
            }
            Some(like) => Ok(like.clone()),
            None => Ok(output),
        }
    }
}

impl OperatorType for MatMulOp {
    const TYPE: &'static str = "MatMul";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Product of two matrices. Tensors are taken as matrices: the dimensions before the axis are the rows, \
                 the rest the columns.",
            )
            .inputs(2..=3)
            .outputs(1)
            .arg("axis_a", "first dimension of A that belongs to the columns; negative: from the end", 1)
            .arg("axis_b", "first dimension of B that belongs to the columns; negative: from the end", 1)
            .arg("trans_a", "other than 0: A is transposed", 0)
            .arg("trans_b", "other than 0: B is transposed", 0)
            .input("A", "float tensor, of M x K elements")
            .input(
                "B",
                "float tensor, of K x N elements; multiplied from its bytes if it is kept so (ByteWeightDequant, \
                 keep_codes)",
            )
            .input("like", "optional tensor of any type whose shape the output takes")
            .output("Y", "float tensor [M, N], or of the third input's shape")
            .infer(infer)
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-5))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        MatMulOp::read(args)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let op = MatMulOp::read(context.args())?;
    let (Some(a), Some(b)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let output = op.output(a, b, context.shape(2))?;
    let known = context.input_count() < 3 || context.shape(2).is_some();
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape: known.then_some(output) }])
}

fn cost(context: &CostContext<'_>) -> Cost {
    let macs = || {
        let a = context.inputs.first()?.shape.as_ref()?;
        let (_, inner) = MatMulOp::read(context.args).ok()?.a.size(a).ok()?;
        Some(context.output_numel(0).saturating_mul(inner as u64))
    };
    Cost::with_macs(context, macs().unwrap_or(0))
}

impl Operator for MatMulOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (a, b) = (io.input(0)?, io.input(1)?);
        for (index, tensor) in [a, b].into_iter().enumerate() {
            tensor.check_type(DataType::Float).map_err(|source| OpError::Input { index, source })?;
        }
        let like = if io.input_count() > 2 { Some(io.input_shape(2)?) } else { None };
        let shape = self.output(a.shape(), b.shape(), like.as_ref())?;
        // Before the output is taken: floats may have to be made.
        let a = self.a.matrix(a)?;
        let y = io.output_slice(0, shape)?;
        self.multiply(io.threads(), a, b, y)
    }
}

impl MatMulOp {
    /// `y = a * b`; `b` by its bytes where it is kept as such.
    fn multiply(&self, threads: &Threads, a: MatRef<'_>, b: &Tensor, y: &mut [f32]) -> Result<(), OpError> {
        let y = MatMut::new(y, a.rows(), self.b.size(b.shape())?.1)?;
        let (rows, columns) = self.b.stored(b.shape())?;
        match WeightBytes::of(b, rows, columns) {
            Some(bytes) if self.b.transposed => {
                byte_rows::matmul_transposed(threads, a, &bytes, Bias::None, y)?;
            }
            Some(bytes) => byte_rows::matmul(threads, a, &bytes, Bias::None, y)?,
            None => matmul(threads, a, self.b.matrix(b)?, Bias::None, y)?,
        }
        Ok(())
    }
}

register_cpu_operator!(MatMulOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(shapes: &[&[usize]], def: OperatorDef) -> Result<Tensor, String> {
        let ramp = |shape: &&[usize]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|v| v as f32).collect();
            Tensor::from_slice(*shape, &values).unwrap()
        };
        let def = def.inputs(["a", "b", "like"].into_iter().take(shapes.len())).output("y");
        run_operator(&def, shapes.iter().map(ramp)).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("MatMul")
    }

    #[test]
    fn matrices_may_be_transposed_and_reshaped() {
        let y = run(&[&[2, 2], &[2, 2]], def()).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 2], &[2.0f32, 3.0, 6.0, 11.0]).unwrap());
        let y = run(&[&[2, 1], &[1, 2]], def().arg("trans_a", 1).arg("trans_b", 1)).unwrap();
        assert_eq!(y, Tensor::from_slice([1, 1], &[1.0f32]).unwrap());
        assert_eq!(run(&[&[2, 3], &[3, 2], &[4, 1]], def()).unwrap().dims(), [4, 1]);
        assert_eq!(run(&[&[2, 3, 4], &[4, 5]], def().arg("axis_a", -1)).unwrap().dims(), [6, 5]);
        assert_eq!(run(&[&[2, 0], &[0, 2]], def()).unwrap(), Tensor::zeros::<f32>([2, 2]).unwrap());
    }

    #[test]
    fn sizes_that_do_not_fit_are_told() {
        let error = run(&[&[2, 3], &[4, 2]], def()).unwrap_err();
        assert!(error.contains("B [4, 2] is 4 x 2, but A [2, 3] is 2 x 3"), "{error}");
        let error = run(&[&[2, 3], &[3, 2], &[5]], def()).unwrap_err();
        assert!(error.contains("expected as many elements as [2, 2] has, found [5]"), "{error}");
        assert!(run(&[&[3], &[3, 2]], def()).unwrap_err().contains("`axis_a`"));
        assert!(run(&[&[3, 1], &[1, 2]], def().arg("axis_b", i32::MIN)).unwrap_err().contains("`axis_b`"));
    }
}
