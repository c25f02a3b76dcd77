//! `Transpose`: the dimensions in another order.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axes` | reversed | for each dimension of the output, which one of the input it is |
//!
//! A float, double, int32 or int64 tensor (Caffe2 `transpose_op.cc`).

use caffe2_kernels::transpose::transpose;
use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

type Axes = SmallVec<[usize; 6]>;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct TransposeOp {
    /// A permutation; empty: the reversed order.
    axes: Axes,
}

impl OperatorType for TransposeOp {
    const TYPE: &'static str = "Transpose";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Brings the dimensions into another order: dimension k of Y is dimension axes[k] of X.")
            .inputs(1)
            .outputs(1)
            .arg_repeated::<i64>("axes", "permutation of 0, 1, …; the reversed order when absent or empty")
            .input("X", "float, double, int32 or int64 tensor")
            .output("Y", "tensor of the same type")
            .differences(
                "Without axes the order is reversed anew in each run, where Caffe2 keeps that of the first.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let axes: Axes = args.list::<usize>("axes")?.into();
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if sorted.iter().enumerate().any(|(i, &axis)| i != axis) {
            let message = format!("expected each of 0 to {} once, found {axes:?}", axes.len() - 1);
            return Err(ArgError::value("axes", message));
        }
        Ok(TransposeOp { axes })
    }
}

impl TransposeOp {
    /// The axes for an input of this shape.
    fn axes_for(&self, x: &Shape) -> Result<Axes, OpError> {
        match self.axes.len() {
            0 => Ok((0..x.rank()).rev().collect()),
            n if n == x.rank() => Ok(self.axes.clone()),
            n => Err(OpError::input(0, format!("expected {n} dimensions, as `axes` has {n}, found {x}"))),
        }
    }
}

fn permuted(x: &Shape, axes: &[usize]) -> SmallVec<[usize; 6]> {
    axes.iter().map(|&axis| x[axis]).collect()
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = TransposeOp::from_args(context.args())?;
    let shape = |x: &Shape| Ok::<_, OpError>(Shape::new(&permuted(x, &operator.axes_for(x)?))?);
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape: context.shape(0).map(shape).transpose()? }])
}

impl Operator for TransposeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i32, i64], T => {
            let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
            let axes = self.axes_for(shape)?;
            let y = io.output_slice(0, permuted(shape, &axes).as_slice())?;
            Ok(transpose(io.threads(), shape, &axes, x, y)?)
        })
    }
}

register_cpu_operator!(TransposeOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{Tensor, Workspace};

    fn run(x: Tensor, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        workspace.run_operator_once(&def.input("x").output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Transpose")
    }

    #[test]
    fn dimension_k_of_the_output_is_axes_k_of_the_input() {
        let x = Tensor::from_slice([2, 3], &[1i64, 2, 3, 4, 5, 6]).unwrap();
        let y = Tensor::from_slice([3, 2], &[1i64, 4, 2, 5, 3, 6]).unwrap();
        assert_eq!(run(x.clone(), def()).unwrap(), y);
        assert_eq!(run(x.clone(), def().arg("axes", vec![1, 0])).unwrap(), y);
        assert_eq!(run(x.clone(), def().arg("axes", vec![0, 1])).unwrap(), x);
        let x = Tensor::zeros::<f64>([2, 3, 4]).unwrap();
        assert_eq!(run(x, def().arg("axes", vec![1, 2, 0])).unwrap().dims(), [3, 4, 2]);
    }

    #[test]
    fn axes_that_are_no_permutation_are_named() {
        let x = || Tensor::zeros::<f32>([2, 3]).unwrap();
        for axes in [vec![0i64, 0], vec![0, 2], vec![1]] {
            let error = run(x(), def().arg("axes", axes.clone())).unwrap_err();
            assert!(error.contains("`axes`") && error.contains(&format!("{axes:?}")), "{error}");
        }
        assert!(run(x(), def().arg("axes", vec![-1, 0])).unwrap_err().contains("value -1 does not fit"));
        let error = run(x(), def().arg("axes", vec![0])).unwrap_err();
        assert!(error.contains("input 0 `x`: expected 1 dimensions") && error.contains("[2, 3]"), "{error}");
        let bytes = Tensor::zeros::<u8>([2, 3]).unwrap();
        assert!(run(bytes, def()).unwrap_err().contains("uint8 is not supported"));
    }

    #[test]
    fn the_default_follows_the_rank_from_run_to_run() {
        let mut workspace = Workspace::new();
        let net =
            NetDef::new("net").external_input("x").op(def().input("x").output("y")).external_output("y");
        workspace.feed("x", Tensor::zeros::<f32>([2, 3]).unwrap());
        workspace.create_net(&net).unwrap();
        for (dims, want) in [(&[2, 3][..], &[3, 2][..]), (&[2, 3, 4], &[4, 3, 2]), (&[], &[]), (&[5], &[5])] {
            workspace.feed("x", Tensor::zeros::<f32>(dims).unwrap());
            workspace.run_net("net").unwrap();
            assert_eq!(workspace.fetch("y").unwrap().dims(), want);
        }
    }
}
