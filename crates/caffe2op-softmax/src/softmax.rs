//! `Softmax`: `exp(x - max) / sum(exp(x - max))` over rows.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | 1 | the first dimension of the rows; negative ones count from the end |
//!
//! A row is everything from `axis` on, not the dimension `axis` alone: by default, all values of one item of a batch
//! (Caffe2 `softmax_op.cc`).

use caffe2_kernels::softmax::softmax;
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct SoftmaxOp {
    axis: i32,
}

impl OperatorType for SoftmaxOp {
    const TYPE: &'static str = "Softmax";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Makes each row of X sum up to one: Y = exp(X - max) / sum(exp(X - max)). A row is everything from axis \
                 on. A row with NaN or infinity, or with nothing but -infinity, becomes NaN throughout.",
            )
            .inputs(1)
            .outputs(1)
            .arg("axis", "first dimension of the rows; negative: from the end", 1)
            .input("X", "float tensor of at least one dimension, which has the axis")
            .output("Y", "float tensor of the same shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0).saturating_mul(2)))
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SoftmaxOp { axis: args.get("axis")? })
    }
}

impl SoftmaxOp {
    /// The number of elements of a row.
    fn row_len(&self, x: &Shape) -> Result<usize, OpError> {
        let axis = x.axis(self.axis.into());
        let axis = axis.map_err(|e| OpError::input(0, format!("argument `axis`: {e}, found {x}")))?;
        Ok(x.size_from(axis))
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = SoftmaxOp::from_args(context.args())?;
    if let Some(x) = context.shape(0) {
        operator.row_len(x)?;
    }
    Ok(vec![context.info(0)])
}

impl Operator for SoftmaxOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice(0)?, io.input(0)?.shape());
        let row_len = self.row_len(shape)?;
        softmax(io.threads(), x, row_len, io.output_slice(0, shape)?);
        Ok(())
    }
}

register_cpu_operator!(SoftmaxOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{ArgDefault, DataType, OpRegistry, Tensor, Workspace, infer_net};

    fn run(shape: &[usize], def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::zeros::<f32>(shape).unwrap());
        workspace.run_operator_once(&def.input("x").output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Softmax")
    }

    #[test]
    fn rows_are_everything_from_the_axis_on() {
        assert_eq!(SoftmaxOp::schema().arg_spec("axis").unwrap().default, ArgDefault::Int(1));
        for (axis, want) in
            [(None, 0.25), (Some(0), 0.125), (Some(2), 0.5), (Some(-1), 0.5), (Some(-3), 0.125)]
        {
            let def = axis.map_or_else(def, |axis| def().arg("axis", axis));
            let y = run(&[2, 2, 2], def).unwrap();
            assert_eq!(
                (y.dims(), y.as_slice::<f32>().unwrap()),
                (&[2, 2, 2][..], &[want; 8][..]),
                "{axis:?}"
            );
        }
        assert_eq!(run(&[0, 3], def()).unwrap().dims(), [0, 3]);
        assert_eq!(run(&[3, 0], def()).unwrap().dims(), [3, 0]);
    }

    #[test]
    fn an_axis_beyond_the_rank_names_the_shape() {
        let error = run(&[3], def()).unwrap_err();
        assert!(error.contains("`axis`") && error.contains("axis 1") && error.contains("[3]"), "{error}");
        assert!(run(&[], def().arg("axis", 0)).unwrap_err().contains("scalar"));
        assert!(run(&[1, 1], def().arg("axis", 1i64 << 31)).unwrap_err().contains("`axis`"));
        let infer = |dims: &[usize]| {
            let mut known = [("x".to_string(), TensorInfo::new(DataType::Float, Shape::new(dims).unwrap()))]
                .into_iter()
                .collect();
            let net = NetDef::new("n").op(def().input("x").output("y"));
            infer_net(&OpRegistry::linked().unwrap(), &net, &mut known).map(|mut ops| ops.remove(0))
        };
        assert!(infer(&[3]).unwrap_err().to_string().contains("`axis`"));
        assert_eq!(infer(&[2, 3]).unwrap().cost.macs, 12);
    }

    #[test]
    fn it_does_not_work_in_place_and_on_floats_only() {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::zeros::<f64>([1, 1]).unwrap());
        let in_place = workspace.run_operator_once(&def().input("x").output("x")).unwrap_err();
        assert!(in_place.to_string().contains("does not work in place"));
        let double = workspace.run_operator_once(&def().input("x").output("y")).unwrap_err();
        assert!(double.to_string().contains("input 0 `x`: wanted a tensor of float, found one of double"));
    }
}
