//! `GivenTensorFill` and its kin: a tensor of the values in the argument.
//!
//! | operator | type of the output | `values` are in |
//! |---|---|---|
//! | `GivenTensorFill` | float, or what `dtype` says | `floats`, `ints`, `strings` |
//! | `GivenTensorDoubleFill` | double | `floats` |
//! | `GivenTensorBoolFill` | bool | `ints` |
//! | `GivenTensorInt16Fill` | int16 | `ints` |
//! | `GivenTensorIntFill` | int32 | `ints` |
//! | `GivenTensorInt64Fill` | int64 | `ints` |
//! | `GivenTensorStringFill` | string | `strings` |
//! | `GivenTensorByteStringToUInt8Fill` | uint8 | `strings`, one of them |
//!
//! The values become a tensor when the operator is made; the output shares it until somebody writes there
//! (Caffe2 `given_tensor_fill_op.cc`, `given_tensor_byte_string_to_uint8_fill_op.cc`). Long lists of numbers that come
//! from a file are decoded into the output instead, when the operator runs.

use std::fmt;
use std::marker::PhantomData;

use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::{
    ArgElement, ArgError, Args, DataType, Element, InferContext, LongList, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, Tensor, TensorError, TensorInfo, register_cpu_operator,
};

use crate::data_type;
use crate::shape::FillShape;

/// An operator type that makes a tensor of given values; implemented for the type that its elements have
/// when no argument says otherwise.
pub trait Given: Sized + 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator makes, in words.
    const DOC: &'static str;
    /// Where the operator differs from Caffe2's.
    const DIFFERENCES: &'static str = "";

    /// Adds the arguments to the schema, but for those that tell the shape.
    fn describe(schema: OpSchema) -> OpSchema;

    /// The type of the output.
    ///
    /// # Errors
    /// When the arguments say something else than the operator makes.
    fn data_type(args: &Args<'_>) -> Result<DataType, ArgError>;

    /// The values.
    ///
    /// # Errors
    /// When there is one that does not fit the type.
    fn values(args: &Args<'_>) -> Result<Values, ArgError>;

    /// The number of values, without a look at each.
    ///
    /// # Errors
    /// When they are in another field than the type needs.
    fn count(args: &Args<'_>) -> Result<usize, ArgError> {
        match Self::data_type(args)? {
            DataType::Float | DataType::Double => count_of::<f32>(args),
            DataType::String => count_of::<Bytes>(args),
            DataType::Bool => count_of::<bool>(args),
            _ => count_of::<i64>(args),
        }
    }
}

/// The values of a fill.
#[derive(Debug)]
pub enum Values {
    /// A tensor of one dimension.
    Whole(Tensor),
    /// A list that is still in the form of the file.
    Long(LongValues),
}

/// Writes a list to a tensor of a shape.
type Write = dyn Fn(&mut Tensor, &Shape) -> Result<(), OpError> + Send;

/// A long list of numbers, and how it becomes a tensor.
pub struct LongValues {
    count: usize,
    write: Box<Write>,
}

impl LongValues {
    fn new<T: ArgElement + Element>(list: LongList<T>) -> LongValues {
        let count = list.len();
        let write = move |output: &mut Tensor, shape: &Shape| {
            let slots = output.overwrite(shape).map_err(|source| OpError::Output { index: 0, source })?;
            Ok(list.read_into(slots)?)
        };
        LongValues { count, write: Box::new(write) }
    }
}

impl fmt::Debug for LongValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongValues({})", self.count)
    }
}

/// The operator of each [`Given`]; see the [crate].
#[derive(Debug)]
pub struct GivenTensorFillOp<G> {
    shape: FillShape,
    values: Values,
    given: PhantomData<fn() -> G>,
}

impl<G: Given> OperatorType for GivenTensorFillOp<G> {
    const TYPE: &'static str = G::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(G::TYPE)
            .doc(G::DOC)
            .differences(G::DIFFERENCES)
            .fill_using(FillShape::describe)
            .output("Y", "tensor of the values in the shape")
            .infer(infer::<G>);
        G::describe(schema)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        G::data_type(args)?;
        Ok(GivenTensorFillOp { shape: FillShape::read(args)?, values: G::values(args)?, given: PhantomData })
    }
}

fn infer<G: Given>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = FillShape::read(context.args())?.infer(context)?;
    let (data_type, count) = (G::data_type(context.args())?, G::count(context.args())?);
    match shape {
        Some(shape) if shape.numel() != count => Err(wrong_count(&shape, count).into()),
        shape => Ok(vec![TensorInfo { data_type: Some(data_type), shape }]),
    }
}

impl<G: Given> Operator for GivenTensorFillOp<G> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let shape = self.shape.resolve(io)?;
        let output = io.output(0)?;
        match &self.values {
            Values::Whole(values) => output.share_reshaped(values, &shape).map_err(|error| match error {
                TensorError::Count { shape, found } => wrong_count(&shape, found).into(),
                source => OpError::Output { index: 0, source },
            }),
            Values::Long(values) if values.count != shape.numel() => {
                Err(wrong_count(&shape, values.count).into())
            }
            Values::Long(values) => (values.write)(output, &shape),
        }
    }
}

fn wrong_count(shape: &Shape, found: usize) -> ArgError {
    let message = format!("{found} values, but shape {shape} has {} elements", shape.numel());
    ArgError::value("values", message)
}

fn count_of<T: ArgElement>(args: &Args<'_>) -> Result<usize, ArgError> {
    Ok(args.elements::<T>("values")?.map_or(0, |values| values.len()))
}

fn numbers<T: ArgElement + Element>(args: &Args<'_>) -> Result<Values, ArgError> {
    if let Some(list) = args.long_list::<T>("values")? {
        return Ok(Values::Long(LongValues::new(list)));
    }
    let mut tensor = Tensor::new();
    let values = args.elements::<T>("values")?;
    let count = values.as_ref().map_or(0, ExactSizeIterator::len);
    let slots = tensor.overwrite::<T, _>([count]).map_err(of_values)?;
    for (slot, value) in slots.iter_mut().zip(values.into_iter().flatten()) {
        *slot = value?;
    }
    Ok(Values::Whole(tensor))
}

fn strings(args: &Args<'_>) -> Result<Values, ArgError> {
    let values = args.list::<Bytes>("values")?;
    Tensor::from_strings([values.len()], values).map(Values::Whole).map_err(of_values)
}

/// The elements of the only string, which are shared and not copied.
fn bytes(args: &Args<'_>) -> Result<Tensor, ArgError> {
    match <[Bytes; 1]>::try_from(args.list::<Bytes>("values")?) {
        Ok([bytes]) => Tensor::from_bytes([bytes.len()], bytes).map_err(of_values),
        Err(other) => {
            Err(ArgError::value("values", format!("expected exactly one string, found {}", other.len())))
        }
    }
}

fn of_values(error: TensorError) -> ArgError {
    ArgError::value("values", error.to_string())
}

macro_rules! given_numbers {
    ($($rust:ty: $name:literal, $doc:literal;)*) => {$(
        impl Given for $rust {
            const TYPE: &'static str = $name;
            const DOC: &'static str = $doc;
            fn describe(schema: OpSchema) -> OpSchema {
                let schema = schema.arg_repeated_required::<$rust>("values", "the elements, in row-major order");
                let schema = schema.reads_long_list("values");
                // Those that shapes are kept in.
                let is_index = matches!(<$rust as Element>::DATA_TYPE, DataType::Int32 | DataType::Int64);
                if is_index { schema.infer_by_running() } else { schema }
            }
            fn data_type(_: &Args<'_>) -> Result<DataType, ArgError> {
                Ok(<$rust as Element>::DATA_TYPE)
            }
            fn values(args: &Args<'_>) -> Result<Values, ArgError> {
                numbers::<$rust>(args)
            }
        }
        register_cpu_operator!(GivenTensorFillOp<$rust>);
    )*};
}

given_numbers! {
    f64: "GivenTensorDoubleFill", "A double tensor of given values, which are floats made wider.";
    bool: "GivenTensorBoolFill", "A bool tensor of given values: 0 is false, all else is true.";
    i16: "GivenTensorInt16Fill", "An int16 tensor of given values.";
    i32: "GivenTensorIntFill", "An int32 tensor of given values.";
    i64: "GivenTensorInt64Fill", "An int64 tensor of given values.";
}

impl Given for f32 {
    const TYPE: &'static str = "GivenTensorFill";
    const DOC: &'static str = "A tensor of given values: of floats, or of another type that dtype names.";

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .arg_any(
                "dtype",
                "type of the output: number or name of FLOAT, DOUBLE, BOOL, INT16, INT32, INT64 or STRING; FLOAT when \
                 absent",
            )
            .arg_any_required("values", "the elements, in row-major order: floats, ints or strings, as dtype needs")
            .reads_long_list("values")
    }

    fn data_type(args: &Args<'_>) -> Result<DataType, ArgError> {
        use DataType::{Bool, Double, Float, Int16, Int32, Int64, String};
        const SUPPORTED: &[DataType] = &[Float, Double, Bool, Int16, Int32, Int64, String];
        data_type_or(args, SUPPORTED, DataType::Float)
    }

    fn values(args: &Args<'_>) -> Result<Values, ArgError> {
        match f32::data_type(args)? {
            DataType::Double => numbers::<f64>(args),
            DataType::Bool => numbers::<bool>(args),
            DataType::Int16 => numbers::<i16>(args),
            DataType::Int32 => numbers::<i32>(args),
            DataType::Int64 => numbers::<i64>(args),
            DataType::String => strings(args),
            _ => numbers::<f32>(args),
        }
    }
}

impl Given for Bytes {
    const TYPE: &'static str = "GivenTensorStringFill";
    const DOC: &'static str = "A tensor of given strings, which may hold any bytes.";

    fn describe(schema: OpSchema) -> OpSchema {
        schema.arg_repeated_required::<Bytes>("values", "the elements, in row-major order")
    }

    fn data_type(_: &Args<'_>) -> Result<DataType, ArgError> {
        Ok(DataType::String)
    }

    fn values(args: &Args<'_>) -> Result<Values, ArgError> {
        strings(args)
    }
}

impl Given for u8 {
    const TYPE: &'static str = "GivenTensorByteStringToUInt8Fill";
    const DOC: &'static str = "A uint8 tensor of the bytes of one string, which are shared and not copied.";
    const DIFFERENCES: &'static str = "The string has exactly as many bytes as the shape has elements, and there is \
                                       exactly one; Caffe2 reads past the end of a short one, and ignores the rest of \
                                       a long one and all further strings.";

    fn describe(schema: OpSchema) -> OpSchema {
        schema
            .arg_repeated_required::<Bytes>("values", "one string: the elements, in row-major order")
            .arg_any("dtype", "type of what is given, not of the output: STRING, by number or name")
    }

    fn data_type(args: &Args<'_>) -> Result<DataType, ArgError> {
        data_type_or(args, &[DataType::String], DataType::String)?;
        Ok(DataType::UInt8)
    }

    fn values(args: &Args<'_>) -> Result<Values, ArgError> {
        bytes(args).map(Values::Whole)
    }

    fn count(args: &Args<'_>) -> Result<usize, ArgError> {
        Ok(bytes(args)?.numel())
    }
}

/// What `dtype` says, by number or by name.
fn data_type_or(args: &Args<'_>, supported: &[DataType], default: DataType) -> Result<DataType, ArgError> {
    match args.raw("dtype")? {
        None => Ok(default),
        Some(arg) if arg.s.is_some() => data_type::by_name(&args.get::<String>("dtype")?, supported),
        Some(_) => data_type::by_number(args.get::<i32>("dtype")?, supported),
    }
}

register_cpu_operator!(GivenTensorFillOp<f32>);
register_cpu_operator!(GivenTensorFillOp<Bytes>);
register_cpu_operator!(GivenTensorFillOp<u8>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::Workspace;
    use caffe2_operator::proto::OperatorDef;

    fn run(workspace: &mut Workspace, def: OperatorDef) -> Result<Tensor, String> {
        workspace.run_operator_once(&def.output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn fill(op: &str) -> OperatorDef {
        OperatorDef::new(op)
    }

    #[test]
    fn values_are_the_tensor_and_are_counted() {
        let w = &mut Workspace::new();
        let values = vec![1.5f32, -0.0, f32::INFINITY, 2.0];
        let y =
            run(w, fill("GivenTensorFill").arg("shape", vec![2, 2]).arg("values", values.clone())).unwrap();
        assert_eq!(y, Tensor::from_slice([2, 2], &values).unwrap());
        let error = run(w, fill("GivenTensorFill").arg("shape", vec![3]).arg("values", values)).unwrap_err();
        assert!(error.contains("`values`: 4 values, but shape [3] has 3 elements"), "{error}");
        let error = run(w, fill("GivenTensorFill").arg("shape", vec![1]).arg("values", vec![1])).unwrap_err();
        assert!(error.contains("`values`: expected a value in field `floats`, found `ints`"), "{error}");
        assert!(run(w, fill("GivenTensorFill")).unwrap_err().contains("`values` is required"));
    }

    #[test]
    fn dtype_by_number_or_name() {
        let w = &mut Workspace::new();
        let ints = || fill("GivenTensorFill").arg("values", vec![7]);
        let want = Tensor::scalar(7i32).unwrap();
        assert_eq!(run(w, ints().arg("dtype", 2)).unwrap(), want);
        assert_eq!(run(w, ints().arg("dtype", "Int32")).unwrap(), want);
        assert!(
            run(w, ints().arg("dtype", "uint8")).unwrap_err().contains("`dtype`: expected one of 1 (FLOAT)")
        );
        assert!(run(w, ints().arg("dtype", 1.0f32)).unwrap_err().contains("`dtype`"));
        let wide = fill("GivenTensorFill").arg("values", vec![40_000]).arg("dtype", 9);
        assert!(run(w, wide).unwrap_err().contains("`values`: value 40000 does not fit i16"));
    }

    #[test]
    fn every_fill_has_the_type_in_its_name() {
        let w = &mut Workspace::new();
        for (op, want) in [
            ("GivenTensorBoolFill", Tensor::scalar(true).unwrap()),
            ("GivenTensorInt16Fill", Tensor::scalar(2i16).unwrap()),
            ("GivenTensorIntFill", Tensor::scalar(2i32).unwrap()),
            ("GivenTensorInt64Fill", Tensor::scalar(2i64).unwrap()),
        ] {
            assert_eq!(run(w, fill(op).arg("values", vec![2])).unwrap(), want, "{op}");
        }
        let double = run(w, fill("GivenTensorDoubleFill").arg("values", vec![0.1f32])).unwrap();
        assert_eq!(double, Tensor::scalar(f64::from(0.1f32)).unwrap());
        let strings = run(w, fill("GivenTensorStringFill").arg("values", vec!["a"])).unwrap();
        assert_eq!(strings, Tensor::from_strings([], ["a"]).unwrap());
    }

    #[test]
    fn the_bytes_of_a_string_are_not_copied() {
        let op = "GivenTensorByteStringToUInt8Fill";
        let w = &mut Workspace::new();
        let bytes = Bytes::from(vec![0u8, 128, 255, 7]);
        let def = || fill(op).arg("values", vec![bytes.clone()]);
        let y = run(w, def().arg("shape", vec![2, 2])).unwrap();
        assert_eq!((y.dims(), y.as_slice::<u8>().unwrap()), (&[2, 2][..], &bytes[..]));
        assert_eq!(y.as_slice::<u8>().unwrap().as_ptr(), bytes.as_ptr());
        assert!(run(w, def().arg("shape", vec![3])).unwrap_err().contains("4 values, but shape [3]"));
        assert!(run(w, def().arg("shape", vec![5])).unwrap_err().contains("4 values, but shape [5]"));
        assert!(run(w, def().arg("dtype", "uint8")).unwrap_err().contains("expected one of 4 (STRING)"));
        let two = fill(op).arg("values", vec!["a", "b"]);
        assert!(run(w, two).unwrap_err().contains("exactly one string, found 2"));
    }

    #[test]
    fn an_input_gives_the_shape_even_in_place() {
        let w = &mut Workspace::new();
        w.feed("y", Tensor::from_strings([1, 2], ["a", "b"]).unwrap());
        let like = || fill("GivenTensorIntFill").input("y").arg("values", vec![7, 8]);
        assert_eq!(run(w, like()).unwrap(), Tensor::from_slice([1, 2], &[7i32, 8]).unwrap());
        w.feed("y", Tensor::from_slice([1], &[2i64]).unwrap());
        let y = run(w, like().arg("input_as_shape", 1).arg("extra_shape", vec![1])).unwrap();
        assert_eq!(y.dims(), [2, 1]);
        let error = run(w, like().arg("input_as_shape", 1)).unwrap_err();
        assert!(error.contains("input 0 `y`: wanted a tensor of int64, found one of int32"), "{error}");
        for (x, why) in
            [(vec![-1i64], "dimension 0"), (vec![], "at least one element"), (vec![1 << 62, 4], "memory")]
        {
            w.feed("y", Tensor::from_slice([x.len()], &x).unwrap());
            let error = run(w, like().arg("input_as_shape", 1)).unwrap_err();
            assert!(error.contains("input 0 `y`") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_write_to_the_output_leaves_the_values_alone() {
        let mut w = Workspace::new();
        let net = caffe2_operator::proto::NetDef::new("init")
            .op(fill("GivenTensorFill").output("y").arg("values", vec![1.0f32]));
        w.create_net(&net).unwrap();
        w.run_net("init").unwrap();
        w.blob_mut("y").unwrap().get_mut::<Tensor>().unwrap().as_mut_slice::<f32>().unwrap()[0] = 5.0;
        assert_eq!(w.fetch("y").unwrap(), Tensor::scalar(5.0f32).unwrap());
        w.run_net("init").unwrap();
        assert_eq!(w.fetch("y").unwrap(), Tensor::scalar(1.0f32).unwrap());
    }
}
