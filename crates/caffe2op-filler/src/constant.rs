//! `ConstantFill`: a tensor whose elements are all the same.
//!
//! | argument | default | |
//! |---|---|---|
//! | `value` | 0, false, "" | the value, in the field that `dtype` needs |
//! | `dtype` | FLOAT | number of the type; when absent, an integer `value` makes it INT64 |
//!
//! A second input of one element, whose type is `dtype`'s, gives the value instead. A value of -0 fills with 0, as in
//! Caffe2, which clears memory then (`filler_op.h`).

use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, Tensor,
    TensorError, TensorInfo, register_cpu_operator,
};

use crate::data_type;
use crate::shape::FillShape;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ConstantFillOp {
    shape: FillShape,
    /// One element.
    value: Tensor,
    data_type: DataType,
}

impl OperatorType for ConstantFillOp {
    const TYPE: &'static str = "ConstantFill";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("A tensor whose elements all have one value.")
            .fill_using(FillShape::describe)
            .inputs(0..=2)
            .arg_any(
                "value",
                "value of the elements: in field f for FLOAT and DOUBLE, s for STRING, i for the others; 0, false or \
                 the empty string when absent",
            )
            .arg_optional::<i32>(
                "dtype",
                "number of the output's type: FLOAT, DOUBLE, BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16 or STRING; \
                 when absent, INT64 if value is an integer, else FLOAT",
            )
            .input("value", "optional tensor of one element, of the output's type, that gives the value; no string")
            .output("Y", "tensor of the value in the shape")
            .differences("A value that does not fit dtype is an error when the operator is made, not when it runs.")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let data_type = data_type_of(args, TYPES)?;
        Ok(ConstantFillOp { shape: FillShape::read(args)?, value: value_of(args, data_type)?, data_type })
    }
}

/// The types that `ConstantFill` makes; strings are last.
pub(crate) const TYPES: &[DataType] = &{
    use DataType::{Bool, Double, Float, Int8, Int16, Int32, Int64, String, UInt8, UInt16};
    [Float, Double, Bool, Int8, Int16, Int32, Int64, UInt8, UInt16, String]
};

/// The type that `dtype` says, one of the `supported`, or else the field that holds `value`.
pub(crate) fn data_type_of(args: &Args<'_>, supported: &[DataType]) -> Result<DataType, ArgError> {
    if let Some(number) = args.get_optional::<i32>("dtype")? {
        return data_type::by_number(number, supported);
    }
    match args.raw("value")? {
        None => Ok(DataType::Float),
        Some(value) if value.f.is_some() => Ok(DataType::Float),
        Some(value) if value.i.is_some() => Ok(DataType::Int64),
        Some(_) => {
            Err(ArgError::value("value", "expected a number in field `f` or `i`, as there is no `dtype`"))
        }
    }
}

/// The value, as a tensor of one element.
pub(crate) fn value_of(args: &Args<'_>, data_type: DataType) -> Result<Tensor, ArgError> {
    macro_rules! scalar {
        ($($data_type:ident: $rust:ty),*) => {
            match data_type {
                $(DataType::$data_type => {
                    Tensor::scalar(args.get_optional::<$rust>("value")?.unwrap_or_default())
                })*
                _ => Tensor::from_strings([], args.get_optional::<Bytes>("value")?.or(Some(Bytes::new()))),
            }
        };
    }
    let mut value =
        scalar!(Float: f32, Double: f64, Bool: bool, Int8: i8, Int16: i16, Int32: i32, Int64: i64,
                        UInt8: u8, UInt16: u16)
        .map_err(|e| ArgError::value("value", e.to_string()))?;
    drop_sign_of_zero(&mut value);
    Ok(value)
}

fn drop_sign_of_zero(value: &mut Tensor) {
    // -0 + 0 is 0, and anything else stays what it is.
    if let Ok(values) = value.as_mut_slice::<f32>() {
        values.iter_mut().for_each(|v| *v += 0.0);
    } else if let Ok(values) = value.as_mut_slice::<f64>() {
        values.iter_mut().for_each(|v| *v += 0.0);
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = FillShape::read(context.args())?.infer(context)?;
    let data_type = data_type_of(context.args(), TYPES)?;
    value_of(context.args(), data_type)?;
    if context.input_count() > 1 {
        check_value(data_type, context.data_type(1), context.shape(1))?;
    }
    Ok(vec![TensorInfo { data_type: Some(data_type), shape }])
}

/// Whether the second input, as far as it is known, can be the value of a fill of type `wanted`.
fn check_value(wanted: DataType, found: Option<DataType>, shape: Option<&Shape>) -> Result<(), OpError> {
    if wanted == DataType::String {
        return Err(OpError::input(1, "expected none for a fill with strings: the value is an argument"));
    }
    if let Some(found) = found.filter(|found| *found != wanted) {
        return Err(OpError::Input { index: 1, source: TensorError::Type { wanted, found } });
    }
    match shape {
        Some(shape) if shape.numel() != 1 => {
            Err(OpError::input(1, format!("expected a value of one element, found {shape}")))
        }
        _ => Ok(()),
    }
}

impl Operator for ConstantFillOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        if io.input_count() > 1 {
            self.take_value(io)?;
        }
        io.output(0)?.fill(&shape, &self.value).map_err(|source| OpError::Output { index: 0, source })
    }
}

impl ConstantFillOp {
    /// Takes over the value that the second input holds in this run.
    fn take_value(&mut self, io: &OpIo<'_>) -> Result<(), OpError> {
        let value = io.input(1)?;
        check_value(self.data_type, Some(io.input_type(1)?), Some(value.shape()))?;
        self.value.copy_from(value).map_err(|source| OpError::Input { index: 1, source })?;
        drop_sign_of_zero(&mut self.value);
        Ok(())
    }
}

register_cpu_operator!(ConstantFillOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::Workspace;
    use caffe2_operator::proto::OperatorDef;

    fn run(def: OperatorDef) -> Result<Tensor, String> {
        run_in(&mut Workspace::new(), def)
    }

    fn run_in(workspace: &mut Workspace, def: OperatorDef) -> Result<Tensor, String> {
        workspace.run_operator_once(&def.output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("ConstantFill")
    }

    #[test]
    fn defaults_are_those_of_caffe2() {
        assert_eq!(run(def()).unwrap(), Tensor::scalar(0.0f32).unwrap());
        assert_eq!(run(def().arg("value", 7)).unwrap(), Tensor::scalar(7i64).unwrap());
        assert_eq!(run(def().arg("value", 0.5f32)).unwrap(), Tensor::scalar(0.5f32).unwrap());
        assert_eq!(run(def().arg("dtype", 4)).unwrap(), Tensor::from_strings([], [""]).unwrap());
        assert_eq!(run(def().arg("dtype", 5)).unwrap(), Tensor::scalar(false).unwrap());
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(run(def().arg("value", -0.0f32)).unwrap(), Tensor::scalar(0.0f32).unwrap());
        assert_eq!(
            run(def().arg("value", -0.0f32).arg("dtype", 13)).unwrap(),
            Tensor::scalar(0.0f64).unwrap()
        );
        assert_eq!(run(def().arg("value", -1e-45f32)).unwrap(), Tensor::scalar(-1e-45f32).unwrap());
    }

    #[test]
    fn the_value_must_be_in_the_field_of_the_type() {
        for (dtype, field) in
            [(1, "f"), (13, "f"), (5, "i"), (7, "i"), (9, "i"), (2, "i"), (10, "i"), (6, "i"), (8, "i")]
        {
            let error = run(def().arg("dtype", dtype).arg("value", "x")).unwrap_err();
            assert!(
                error.contains(&format!("`value`: expected a value in field `{field}`, found `s`")),
                "{error}"
            );
        }
        assert!(run(def().arg("dtype", 4).arg("value", 1)).unwrap_err().contains("field `s`"));
        assert!(run(def().arg("dtype", 6).arg("value", 256)).unwrap_err().contains("256 does not fit u8"));
        assert!(run(def().arg("value", "x")).unwrap_err().contains("`value`: expected a number"));
        assert!(run(def().arg("dtype", 12)).unwrap_err().contains("found 12 (FLOAT16)"));
        assert!(
            run(def().arg("dtype", "int32")).unwrap_err().contains("`dtype`: expected a value in field `i`")
        );
    }

    #[test]
    fn a_second_input_gives_the_value() {
        let mut w = Workspace::new();
        w.feed("x", Tensor::zeros::<u8>([2, 1]).unwrap());
        let valued = || def().inputs(["x", "v"]).arg("value", 3.0f32);
        w.feed("v", Tensor::from_slice([1, 1], &[2.5f32]).unwrap());
        assert_eq!(run_in(&mut w, valued()).unwrap(), Tensor::from_slice([2, 1], &[2.5f32, 2.5]).unwrap());
        w.feed("v", Tensor::scalar(-0.0f32).unwrap());
        assert_eq!(run_in(&mut w, valued()).unwrap(), Tensor::zeros::<f32>([2, 1]).unwrap());
        w.feed("v", Tensor::zeros::<f32>([2]).unwrap());
        assert!(
            run_in(&mut w, valued())
                .unwrap_err()
                .contains("input 1 `v`: expected a value of one element, found [2]")
        );
        w.feed("v", Tensor::scalar(1i32).unwrap());
        assert!(
            run_in(&mut w, valued()).unwrap_err().contains("wanted a tensor of float, found one of int32")
        );
        let strings = def().inputs(["x", "v"]).arg("dtype", 4);
        assert!(run_in(&mut w, strings).unwrap_err().contains("input 1 `v`: expected none"));
    }

    #[test]
    fn an_outsized_shape_is_refused_before_memory_is_taken() {
        let mut w = Workspace::new();
        w.set_memory_limit(1000);
        let error = run_in(&mut w, def().arg("shape", vec![251])).unwrap_err();
        assert!(error.contains("output 0 `y`") && error.contains("1000"), "{error}");
        assert_eq!(run_in(&mut w, def().arg("shape", vec![250])).unwrap().numel(), 250);
        assert!(run(def().arg("shape", vec![1i64 << 32, 1 << 32])).unwrap_err().contains("`shape`"));
        assert!(run(def().arg("shape", vec![1i64 << 50]).arg("dtype", 4)).unwrap_err().contains("memory"));
    }
}
