//! `DiagonalFill`: zeros, but for one value along the diagonal.
//!
//! | argument | default | |
//! |---|---|---|
//! | `value` | 0, false | the value, in the field that `dtype` needs |
//! | `dtype` | FLOAT | number of the type; when absent, an integer `value` makes it INT64 |
//!
//! The diagonal is every element whose position is a multiple of the sum of the strides. In a matrix that is taller
//! than wide it goes on from the first column again, as in Caffe2 (`filler_op.h`). More than two dimensions must be
//! equal.

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, Tensor,
    TensorInfo, register_cpu_operator,
};

use crate::constant::{TYPES, data_type_of, value_of};
use crate::shape::FillShape;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct DiagonalFillOp {
    shape: FillShape,
    /// One element.
    value: Tensor,
    data_type: DataType,
}

impl OperatorType for DiagonalFillOp {
    const TYPE: &'static str = "DiagonalFill";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("A tensor of zeros, but for one value along the diagonal.")
            .fill_using(FillShape::describe)
            .arg_any(
                "value",
                "value on the diagonal: in field f for FLOAT and DOUBLE, i for the others; 0 or false when absent",
            )
            .arg_optional::<i32>(
                "dtype",
                "number of the output's type: FLOAT, DOUBLE, BOOL, INT8, INT16, INT32, INT64, UINT8 or UINT16; when \
                 absent, INT64 if value is an integer, else FLOAT",
            )
            .output("Y", "tensor in the shape, which has two dimensions, or more that are equal")
            .differences("A value that does not fit dtype is an error when the operator is made, not when it runs.")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let data_type = type_of(args)?;
        Ok(DiagonalFillOp { shape: FillShape::read(args)?, value: value_of(args, data_type)?, data_type })
    }
}

fn type_of(args: &Args<'_>) -> Result<DataType, ArgError> {
    let (_string, numbers) = TYPES.split_last().unwrap_or((&DataType::String, &[]));
    data_type_of(args, numbers)
}

/// The distance of neighbours on the diagonal.
fn diagonal_step(shape: &Shape) -> Result<usize, OpError> {
    match shape.dims() {
        [_, columns] => Ok(columns.saturating_add(1)),
        [first, rest @ ..] if rest.len() >= 2 && rest.iter().all(|dim| dim == first) => {
            // Strides of a checked shape are below the number of elements, if there are any.
            Ok((1..=shape.rank()).map(|axis| shape.size_from(axis)).fold(0usize, usize::saturating_add))
        }
        _ => Err(OpError::shape(format!(
            "expected two dimensions, or more that are all equal, for a tensor with a diagonal; found {shape}"
        ))),
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = FillShape::read(context.args())?.infer(context)?;
    shape.as_ref().map_or(Ok(0), diagonal_step)?;
    let data_type = type_of(context.args())?;
    value_of(context.args(), data_type)?;
    Ok(vec![TensorInfo { data_type: Some(data_type), shape }])
}

impl Operator for DiagonalFillOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        let step = diagonal_step(&shape)?;
        macro_rules! fill {
            ($($data_type:ident: $rust:ty),*) => {
                match self.data_type {
                    $(DataType::$data_type => {
                        let y = io.output_slice::<$rust>(0, shape)?;
                        y.fill(<$rust>::default());
                        if let Ok([value]) = self.value.as_slice::<$rust>() {
                            y.iter_mut().step_by(step).for_each(|y| *y = *value);
                        }
                        Ok(())
                    })*
                    other => Err(OpError::Other(format!("no diagonal of {}", other.name()))),
                }
            };
        }
        fill!(Float: f32, Double: f64, Bool: bool, Int8: i8, Int16: i16, Int32: i32, Int64: i64, UInt8: u8,
              UInt16: u16)
    }
}

register_cpu_operator!(DiagonalFillOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::run_operator;

    fn run(shape: Vec<i64>, def: OperatorDef) -> Result<Tensor, String> {
        let def = def.arg("shape", shape).output("y");
        run_operator(&def, []).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("DiagonalFill").arg("value", 2)
    }

    #[test]
    fn the_value_is_on_the_diagonal() {
        let y = run(vec![2, 3], def()).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 3], &[2i64, 0, 0, 0, 2, 0]).unwrap());
        let y = run(vec![2, 2, 2], def().arg("dtype", 6)).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 2, 2], &[2u8, 0, 0, 0, 0, 0, 0, 2]).unwrap());
        assert_eq!(run(vec![0, 3], def()).unwrap().dims(), [0, 3]);
    }

    #[test]
    fn shapes_without_a_diagonal_and_strings_are_refused() {
        for shape in [vec![], vec![3], vec![2, 3, 2]] {
            assert!(run(shape, def()).unwrap_err().contains("with a diagonal"));
        }
        assert!(run(vec![2, 2], def().arg("dtype", 4)).unwrap_err().contains("`dtype`"));
    }
}
