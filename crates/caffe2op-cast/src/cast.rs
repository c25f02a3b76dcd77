//! `Cast`: the same elements as another type.
//!
//! | argument | default | |
//! |---|---|---|
//! | `to` | FLOAT | the type, by its number or by its name in whatever case |
//! | `from_type` | none | changes nothing; a name must be one of a type |
//!
//! Fractions are cut off; integers that are too large keep their low bits (Caffe2 `cast_op.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    dispatch_input_type, register_cpu_operator,
};

use caffe2_operator::proto::tensor_proto::DataType as Proto;

use crate::number::{From, Into};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct CastOp {
    to: DataType,
    /// One element in words.
    text: String,
}

impl OperatorType for CastOp {
    const TYPE: &'static str = "Cast";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Converts each element to another type. Fractions are cut off; an integer that is too large for its \
                 type keeps its low bits; a float that is too large for int32, or for int64 when that is the type, \
                 or NaN becomes the smallest integer of that size, of which smaller types keep the low bits. What \
                 is not 0 is true. Strings are decimal, with six digits behind the point for floats.",
            )
            .inputs(1)
            .outputs(1)
            .arg_any("to", "the type, by its number or by its name in whatever case; FLOAT when absent")
            .arg_any("from_type", "changes nothing, as the input knows its type; a name must be one of a type")
            .input("X", "tensor of any type but float16 and string")
            .output("Y", "tensor of the same shape and the type `to`, which is neither float16 nor BYTE")
            .differences("BYTE is an error, where Caffe2 ends the process.")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(CastOp { to: data_type(args)?, text: String::new() })
    }
}

/// The type that an argument tells by name or number; `Err` is what it holds otherwise.
fn proto_type(args: &Args<'_>, name: &'static str) -> Result<Option<Result<Proto, String>>, ArgError> {
    Ok(match args.raw(name)? {
        None => None,
        Some(arg) if arg.s.is_some() => {
            let text = args.get_optional::<String>(name)?.unwrap_or_default();
            Some(Proto::from_str_name(&text.to_ascii_uppercase()).ok_or(format!("`{text}`")))
        }
        Some(_) => {
            let number = args.get_optional::<i32>(name)?.unwrap_or_default();
            Some(Proto::try_from(number).map_err(|_| number.to_string()))
        }
    })
}

/// What `to` says.
fn data_type(args: &Args<'_>) -> Result<DataType, ArgError> {
    // Caffe2 reads it as it reads `to`, but lets any number pass.
    let from = proto_type(args, "from_type")?;
    let named = args.raw("from_type")?.is_some_and(|arg| arg.s.is_some());
    if let Some(Err(found)) = from.filter(|_| named) {
        return Err(ArgError::value("from_type", format!("expected the name of a type, found {found}")));
    }
    let found = match proto_type(args, "to")? {
        None => return Ok(DataType::Float),
        Some(Ok(proto)) => {
            let known = Some(proto).filter(|proto| *proto != Proto::Byte).and_then(DataType::from_proto);
            match known {
                Some(to) if to != DataType::Float16 => return Ok(to),
                _ => format!("{} ({})", proto as i32, proto.as_str_name()),
            }
        }
        Some(Err(found)) => found,
    };
    let known = DataType::ALL.into_iter().filter(|t| *t != DataType::Float16).map(|t| {
        let proto = t.to_proto();
        format!("{} ({})", proto as i32, proto.as_str_name())
    });
    let known = known.collect::<Vec<_>>().join(", ");
    Err(ArgError::value("to", format!("expected one of {known}; found {found}")))
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    Ok(vec![TensorInfo { data_type: Some(data_type(context.args())?), shape: context.shape(0).cloned() }])
}

fn convert<T: From, U: Into>(io: &mut OpIo<'_>) -> Result<(), OpError> {
    let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
    let y = io.output_slice::<U>(0, shape)?;
    const BLOCK: usize = 1 << 14;
    io.threads().for_each_block(y, BLOCK, 4 * BLOCK, |block, y| {
        let x = x.get(block * BLOCK..).unwrap_or_default();
        y.iter_mut().zip(x).for_each(|(y, x)| *y = U::from_any(x.to_any()));
    });
    Ok(())
}

impl CastOp {
    fn write_strings<T: From>(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<T>(0)?, io.input(0)?.shape());
        let y = io.output(0)?.overwrite_strings(shape);
        for (y, x) in y.map_err(|source| OpError::Output { index: 0, source })?.iter_mut().zip(x) {
            self.text.clear();
            x.write(&mut self.text);
            if y != self.text.as_bytes() {
                *y = self.text.as_bytes().to_vec().into();
            }
        }
        Ok(())
    }

    fn compute<T: From>(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        match self.to {
            DataType::Float => convert::<T, f32>(io),
            DataType::Double => convert::<T, f64>(io),
            DataType::Int8 => convert::<T, i8>(io),
            DataType::Int16 => convert::<T, i16>(io),
            DataType::Int32 => convert::<T, i32>(io),
            DataType::Int64 => convert::<T, i64>(io),
            DataType::UInt8 => convert::<T, u8>(io),
            DataType::UInt16 => convert::<T, u16>(io),
            DataType::Bool => convert::<T, bool>(io),
            DataType::String => self.write_strings::<T>(io),
            to => Err(OpError::Other(format!("cannot cast to {to}"))),
        }
    }
}

impl Operator for CastOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        dispatch_input_type!(io, 0, [f32, f64, i8, i16, i32, i64, u8, u16, bool], T => self.compute::<T>(io))
    }
}

register_cpu_operator!(CastOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn def() -> OperatorDef {
        OperatorDef::new("Cast").input("x").output("y")
    }

    fn run(def: OperatorDef, x: &[f64]) -> Result<Tensor, String> {
        let x = Tensor::from_slice([x.len()], x).unwrap();
        run_operator(&def, [x]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_become_those_of_other_types() {
        let far = [300.7, -1.5, 3e9, 1e20, f64::NAN, -f64::INFINITY];
        let y = run(def().arg("to", 2), &far).unwrap();
        assert_eq!(y.as_slice::<i32>().unwrap(), [300, -1, i32::MIN, i32::MIN, i32::MIN, i32::MIN]);
        let y = run(def().arg("to", "Int64"), &far).unwrap();
        assert_eq!(y.as_slice::<i64>().unwrap(), [300, -1, 3_000_000_000, i64::MIN, i64::MIN, i64::MIN]);
        let y = run(def().arg("to", "UINT8"), &far).unwrap();
        assert_eq!(y.as_slice::<u8>().unwrap(), [44, 255, 0, 0, 0, 0]);
        let y = run(def(), &[0.1]).unwrap();
        assert_eq!(y.as_slice::<f32>().unwrap(), [0.1]);
        let y = run(def().arg("to", 5), &[0.0, -0.0, f64::NAN, 0.1]).unwrap();
        assert_eq!(y.as_slice::<bool>().unwrap(), [false, false, true, true]);
        let y = run(def().arg("to", "string"), &[1.9, -0.0, -f64::NAN, f64::INFINITY]).unwrap();
        assert_eq!(y, Tensor::from_strings([4], ["1.900000", "-0.000000", "-nan", "inf"]).unwrap());
    }

    #[test]
    fn other_types_are_refused_by_name() {
        for number in [0, 3, 12, 14, 99, -1, i64::MAX] {
            assert!(run(def().arg("to", number), &[]).unwrap_err().contains("`to`"), "{number}");
        }
        for (name, found) in [("int", "`int`"), ("", "``"), ("byte", "3 (BYTE)"), ("Float16", "12 (FLOAT16)")]
        {
            let error = run(def().arg("to", name), &[]).unwrap_err();
            assert!(error.contains(&format!("found {found}")), "{error}");
        }
        let error = run(def().arg("from_type", "int"), &[]).unwrap_err();
        assert!(error.contains("`from_type`: expected the name of a type, found `int`"), "{error}");
        let error =
            run_operator(&def(), [Tensor::from_strings([1], ["1"]).unwrap()]).unwrap_err().to_string();
        assert!(error.contains("string is not supported"), "{error}");
    }
}
