//! `Flatten`: a matrix of the same elements.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axis` | 1 | the dimensions before it become the rows, the rest the columns |
//!
//! A tensor of any type, strings included (Caffe2 `flatten_op.cc`).

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct FlattenOp {
    axis: usize,
}

impl OperatorType for FlattenOp {
    const TYPE: &'static str = "Flatten";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Makes a matrix of a tensor: the dimensions before axis are the rows, the rest the columns.")
            .inputs(1)
            .outputs(1)
            .arg("axis", "first dimension of the columns, from 0 to the number of dimensions", 1)
            .input("X", "tensor of any type with at least axis dimensions")
            .output("Y", "matrix of the same type with the same elements")
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let axis = args.get::<i32>("axis")?;
        match usize::try_from(axis) {
            Ok(axis) => Ok(FlattenOp { axis }),
            Err(_) => Err(ArgError::value("axis", format!("expected 0 or more, found {axis}"))),
        }
    }
}

impl FlattenOp {
    fn output_shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let axis = self.axis;
        if axis > x.rank() {
            let message = format!("expected at least {axis} dimensions, as `axis` is {axis}, found {x}");
            return Err(OpError::input(0, message));
        }
        Ok(Shape::new(&[x.size_to(axis), x.size_from(axis)])?)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = FlattenOp::from_args(context.args())?;
    let shape = context.shape(0).map(|x| operator.output_shape(x)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for FlattenOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        let (x, y) = (io.input(0)?, io.output(0)?);
        let shape = self.output_shape(x.shape())?;
        y.assign_reshaped(x, &shape).map_err(|source| OpError::Output { index: 0, source })
    }
}

register_cpu_operator!(FlattenOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{ArgDefault, Tensor, Workspace};

    fn run(x: Tensor, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        workspace.run_operator_once(&def.input("x").output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Flatten")
    }

    #[test]
    fn the_axis_parts_rows_from_columns() {
        assert_eq!(FlattenOp::schema().arg_spec("axis").unwrap().default, ArgDefault::Int(1));
        let x = Tensor::from_slice([1, 2, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap();
        for (axis, dims) in [(0, [1, 6]), (1, [1, 6]), (2, [2, 3]), (3, [6, 1])] {
            let y = run(x.clone(), def().arg("axis", axis)).unwrap();
            assert_eq!(y, Tensor::from_slice(dims, &[1u8, 2, 3, 4, 5, 6]).unwrap());
        }
        let scalar = Tensor::from_strings([], ["a"]).unwrap();
        assert_eq!(run(scalar, def().arg("axis", 0)).unwrap(), Tensor::from_strings([1, 1], ["a"]).unwrap());
    }

    #[test]
    fn an_axis_that_is_not_there_names_the_shape() {
        let error = run(Tensor::zeros::<f32>([2, 3]).unwrap(), def().arg("axis", 3)).unwrap_err();
        assert!(
            error.contains("input 0 `x`: expected at least 3 dimensions") && error.contains("[2, 3]"),
            "{error}"
        );
        let error = run(Tensor::new(), def().arg("axis", -1)).unwrap_err();
        assert!(error.contains("`axis`: expected 0 or more, found -1"), "{error}");
        assert!(run(Tensor::new(), def()).unwrap_err().contains("never written"));
    }
}
