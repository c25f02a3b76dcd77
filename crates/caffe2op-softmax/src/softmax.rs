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
    ArgError, Args, Comparison, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
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
            .infer_same_as_input(0)
            .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(SoftmaxOp { axis: args.get("axis")? })
    }
}

impl Operator for SoftmaxOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice(0)?, io.input(0)?.shape());
        let axis = shape.axis(self.axis.into());
        let axis = axis.map_err(|e| OpError::input(0, format!("argument `axis`: {e}, found {shape}")))?;
        softmax(io.threads(), x, shape.size_from(axis), io.output_slice(0, shape)?);
        Ok(())
    }
}

register_cpu_operator!(SoftmaxOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{ArgDefault, Tensor, Workspace};

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
