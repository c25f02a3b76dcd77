//! `Int8GivenTensorFill` and `Int8GivenIntTensorFill`: 8-bit tensors of the values in an argument.
//!
//! | argument | default | |
//! |---|---|---|
//! | `values` | required | the bytes of one string; for `Int8GivenIntTensorFill` integers |
//! | `shape` | none | the shape; a scalar when absent |
//! | `Y_scale` | 1 | difference between the values of neighbouring codes |
//! | `Y_zero_point` | 0 | the code whose value is 0 |
//!
//! The bytes of a string are shared with the definition and not copied (Caffe2 `int8_given_tensor_fill_op.h`).

use std::marker::PhantomData;

use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, Tensor,
    TensorError, TensorInfo, register_cpu_operator,
};

/// What tells one [`Int8FillOp`] from another.
pub trait Int8Values: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator makes, in words.
    const DOC: &'static str;
    /// Where it differs from Caffe2's.
    const DIFFERENCES: &'static str;
    /// The type of the values.
    const DATA_TYPE: DataType;

    /// Adds the argument `values` to the schema.
    fn describe(schema: OpSchema) -> OpSchema;

    /// The values as a tensor of one dimension.
    ///
    /// # Errors
    /// When the argument holds something else.
    fn read(args: &Args<'_>) -> Result<Tensor, ArgError>;
}

/// `Int8GivenTensorFill`.
#[derive(Debug)]
pub(crate) enum OfBytes {}

/// `Int8GivenIntTensorFill`.
#[derive(Debug)]
pub(crate) enum OfInts {}

fn of_values(error: TensorError) -> ArgError {
    ArgError::value("values", error.to_string())
}

impl Int8Values for OfBytes {
    const TYPE: &'static str = "Int8GivenTensorFill";
    const DOC: &'static str = "An 8-bit tensor of the bytes of a string, which are shared and not copied.";
    const DIFFERENCES: &'static str = "The string has exactly as many bytes as the shape has elements; Caffe2 reads past the end of a short one, \
         and ignores the rest of a long one.";
    const DATA_TYPE: DataType = DataType::UInt8;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.arg_required::<Bytes>("values", "one string: the codes, in row-major order")
    }

    fn read(args: &Args<'_>) -> Result<Tensor, ArgError> {
        let bytes = args.get::<Bytes>("values")?;
        Tensor::from_bytes([bytes.len()], bytes).map_err(of_values)
    }
}

impl Int8Values for OfInts {
    const TYPE: &'static str = "Int8GivenIntTensorFill";
    const DOC: &'static str = "An 8-bit tensor of 32-bit integers, such as a bias.";
    const DIFFERENCES: &'static str =
        "There are exactly as many values as the shape has elements; Caffe2 does not compare.";
    const DATA_TYPE: DataType = DataType::Int32;

    fn describe(schema: OpSchema) -> OpSchema {
        schema.arg_repeated_required::<i32>("values", "the integers, in row-major order")
    }

    fn read(args: &Args<'_>) -> Result<Tensor, ArgError> {
        let values = args.list::<i32>("values")?;
        Tensor::from_slice([values.len()], &values).map_err(of_values)
    }
}

/// The operator of each [`Int8Values`].
#[derive(Debug)]
pub struct Int8FillOp<V> {
    shape: Shape,
    values: Tensor,
    scale: f32,
    zero_point: i32,
    of: PhantomData<fn() -> V>,
}

impl<V: Int8Values> OperatorType for Int8FillOp<V> {
    const TYPE: &'static str = V::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(V::TYPE)
            .doc(V::DOC)
            .inputs(0)
            .outputs(1)
            .fill_using(V::describe)
            .arg_repeated::<i64>("shape", "shape of the output; a scalar when absent")
            .arg("Y_scale", "difference between the values of neighbouring codes", 1.0f32)
            .arg("Y_zero_point", "the code whose value is 0", 0)
            .output("Tensor", "8-bit tensor of the values")
            .differences(V::DIFFERENCES)
            .infer(infer::<V>)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (shape, values) = (shape(args)?, V::read(args)?);
        if shape.numel() != values.numel() {
            let message =
                format!("{} values, but shape {shape} has {} elements", values.numel(), shape.numel());
            return Err(ArgError::value("values", message));
        }
        let (scale, zero_point) = (args.get("Y_scale")?, args.get("Y_zero_point")?);
        Ok(Int8FillOp { shape, values, scale, zero_point, of: PhantomData })
    }
}

fn shape(args: &Args<'_>) -> Result<Shape, ArgError> {
    Shape::from_i64s(&args.list::<i64>("shape")?).map_err(|e| ArgError::value("shape", e.to_string()))
}

fn infer<V: Int8Values>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    Ok(vec![TensorInfo::new(V::DATA_TYPE, shape(context.args())?)])
}

impl<V: Int8Values> Operator for Int8FillOp<V> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let y = io.output_int8(0)?;
        let shared = y.values.share_reshaped(&self.values, &self.shape);
        shared.map_err(|source| OpError::Output { index: 0, source })?;
        (y.scale, y.zero_point) = (self.scale, self.zero_point);
        Ok(())
    }
}

register_cpu_operator!(Int8FillOp<OfBytes>);
register_cpu_operator!(Int8FillOp<OfInts>);

#[cfg(test)]
mod tests {
    use caffe2_operator::Workspace;
    use caffe2_operator::proto::OperatorDef;

    fn fill(def: OperatorDef) -> Result<caffe2_operator::Int8Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.run_operator_once(&def.output("y")).map_err(|e| e.to_string())?;
        workspace.fetch_int8("y").map_err(|e| e.to_string())
    }

    #[test]
    fn values_fill_the_shape_exactly() {
        let bytes = |shape: Vec<i64>| {
            OperatorDef::new("Int8GivenTensorFill").arg("values", "abc").arg("shape", shape)
        };
        let y = fill(bytes(vec![3, 1]).arg("Y_scale", 0.5f32).arg("Y_zero_point", -7)).unwrap();
        assert_eq!((y.scale, y.zero_point, y.values.dims()), (0.5, -7, &[3, 1][..]));
        assert_eq!(y.values.as_slice::<u8>().unwrap(), b"abc");
        for shape in [vec![], vec![2], vec![4], vec![2, 2]] {
            let error = fill(bytes(shape)).unwrap_err();
            assert!(error.contains("`values`: 3 values, but shape"), "{error}");
        }
        assert!(fill(bytes(vec![-1])).unwrap_err().contains("`shape`"));
        let ints =
            OperatorDef::new("Int8GivenIntTensorFill").arg("values", vec![-70_000]).arg("shape", vec![1]);
        assert_eq!(fill(ints).unwrap().values.as_slice::<i32>().unwrap(), [-70_000]);
    }
}
