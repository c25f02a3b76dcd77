//! `ByteWeightDequant`: `y = q * ((max - min) / 255) + min`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `min`, `max` | -3, 3 | the values of the smallest and the largest code |
//! | `shape` | the input's | shape of the output |
//! | `qmin`, `qmax` | 0, 255 | the smallest and the largest code; not in Caffe2 |
//! | `formula` | `min_max` | or `centred`; not in Caffe2 |
//! | `keep_codes` | false | whether the output is kept as bytes until somebody reads floats; not in Caffe2 |

use caffe2_kernels::dequant::{CodeMap, dequantize};
use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::{
    ArgError, Args, ByteWeight, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    Shape, Tensor, TensorInfo, register_cpu_operator,
};

/// The arguments of [`ByteWeightDequantOp`].
#[derive(Debug, Clone, PartialEq)]
pub struct ByteWeightDequantArgs {
    /// The value that code `qmin` stands for.
    pub min: f32,
    /// The value that code `qmax` stands for.
    pub max: f32,
    /// The smallest code.
    pub qmin: u8,
    /// The largest code; greater than `qmin`.
    pub qmax: u8,
    /// How codes become values.
    pub formula: Formula,
    /// The shape of the output; the input's own when absent.
    pub shape: Option<Shape>,
    /// Whether the output shares the bytes of the input, and floats are made when somebody reads them.
    pub keep_codes: bool,
}

/// How codes become values. Every operation is rounded by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// `(q - qmin) * scale + min` with `scale = (max - min) / (qmax - qmin)`: the line through
    /// (`qmin`, `min`) and (`qmax`, `max`), which is Caffe2's for codes 0 to 255.
    MinMax,
    /// `(2 * q - qmin - qmax) * scale` with the same scale: a range twice as wide, centred on zero,
    /// as the description of the published caffe2-rs crate has it.
    Centred,
}

impl ByteWeightDequantArgs {
    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let formula = match args.get::<String>("formula")?.as_str() {
            "min_max" => Formula::MinMax,
            "centred" => Formula::Centred,
            other => {
                return Err(ArgError::value(
                    "formula",
                    format!("expected `min_max` or `centred`, found `{other}`"),
                ));
            }
        };
        let (qmin, qmax) = (args.get::<u8>("qmin")?, args.get::<u8>("qmax")?);
        if qmin >= qmax {
            return Err(ArgError::value(
                "qmax",
                format!("expected more than qmin, which is {qmin}, found {qmax}"),
            ));
        }
        let shape = args.has("shape").then(|| args.list::<i64>("shape")).transpose()?;
        let shape = shape.map(|dims| Shape::from_i64s(&dims)).transpose();
        Ok(ByteWeightDequantArgs {
            min: args.get("min")?,
            max: args.get("max")?,
            qmin,
            qmax,
            formula,
            shape: shape.map_err(|e| ArgError::value("shape", e.to_string()))?,
            keep_codes: args.get("keep_codes")?,
        })
    }

    /// The rule that these arguments give.
    pub fn code_map(&self) -> CodeMap {
        match self.formula {
            Formula::MinMax => {
                CodeMap::from_range_and_codes(self.min, self.max, self.qmin.into(), self.qmax.into())
            }
            Formula::Centred => CodeMap::centred(self.min, self.max, self.qmin.into(), self.qmax.into()),
        }
    }
}

/// The operator; see the [crate] and `docs/quantization.md`.
#[derive(Debug)]
pub struct ByteWeightDequantOp {
    map: CodeMap,
    shape: Option<Shape>,
    keep_codes: bool,
}

impl OperatorType for ByteWeightDequantOp {
    const TYPE: &'static str = "ByteWeightDequant";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Turns weights that are stored as bytes into floats: y = q * scale + min with \
                 scale = (max - min) / 255, each operation rounded to float.",
            )
            .inputs(1)
            .outputs(1)
            .arg("min", "value that the smallest code stands for", -3.0f32)
            .arg("max", "value that the largest code stands for", 3.0f32)
            .arg_repeated::<i64>("shape", "shape of the output; the input's own shape when absent")
            .arg("qmin", "smallest code: min is its value (not in Caffe2)", 0)
            .arg("qmax", "largest code: max is its value; codes outside qmin..qmax lie on the same line (not in Caffe2)", 255)
            .arg(
                "formula",
                "`min_max`: the line through (qmin, min) and (qmax, max); \
                 `centred`: (2 * q - qmin - qmax) * (max - min) / (qmax - qmin) (not in Caffe2)",
                "min_max",
            )
            .arg(
                "keep_codes",
                "the output shares the bytes of the input: FC, FCTransposed, MatMul and Conv multiply by them, and any \
                 other reader has floats made of them, once (not in Caffe2)",
                false,
            )
            .input("codes", "uint8 tensor, or a string tensor of one element that holds the bytes")
            .output("weights", "float tensor of `shape`")
            .differences(
                "Without `shape` the output has the input's shape (for a string: one dimension), where Caffe2 \
                 makes a scalar of the first code. Another number of codes than `shape` has elements is an error, \
                 where Caffe2 reads past the end of the input or leaves codes out.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let args = ByteWeightDequantArgs::read(args)?;
        Ok(ByteWeightDequantOp { map: args.code_map(), shape: args.shape, keep_codes: args.keep_codes })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = ByteWeightDequantArgs::read(context.args())?.shape;
    // The shape of a string tensor says nothing of the bytes in it.
    let own = || context.shape(0).filter(|_| context.data_type(0) == Some(DataType::UInt8)).cloned();
    let of_string = || match context.values::<Bytes>(0) {
        Some([bytes]) => Shape::new(&[bytes.len()]).ok(),
        _ => None,
    };
    let shape = shape.or_else(own).or_else(of_string);
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape }])
}

impl Operator for ByteWeightDequantOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let codes = io.input_bytes(0)?;
        let input = io.input(0)?;
        let shape: &[usize] = match &self.shape {
            Some(shape) if shape.numel() != codes.len() => {
                let message =
                    format!("{} codes, but shape {shape} has {} elements", codes.len(), shape.numel());
                return Err(OpError::input(0, message));
            }
            Some(shape) => shape.dims(),
            None if input.data_type() == Some(DataType::String) => &[codes.len()],
            None => input.dims(),
        };
        if self.keep_codes {
            return keep(input, codes, self.map, shape, io.output(0)?);
        }
        dequantize(io.threads(), codes, self.map, io.output_slice(0, shape)?);
        Ok(())
    }
}

/// Makes `weights` the tensor that is kept as `codes`, which are the bytes of `input`; nothing to do if it is already.
fn keep(
    input: &Tensor,
    codes: &[u8],
    map: CodeMap,
    shape: &[usize],
    weights: &mut Tensor,
) -> Result<(), OpError> {
    let unchanged = weights.coded::<ByteWeight>().is_some_and(|kept| kept.is_of(codes, map));
    if unchanged && weights.dims() == shape {
        return Ok(());
    }
    let kept = ByteWeight::new(input, map).map_err(|source| OpError::Input { index: 0, source })?;
    weights.set_coded(shape, kept).map_err(|source| OpError::Output { index: 0, source })
}

register_cpu_operator!(ByteWeightDequantOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::Workspace;
    use caffe2_operator::proto::NetDef;
    use caffe2_operator::proto::OperatorDef;

    fn run(codes: Tensor, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("q", codes);
        workspace.run_operator_once(&def.input("q").output("w")).map_err(|e| e.to_string())?;
        workspace.fetch("w").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("ByteWeightDequant")
    }

    fn codes(values: &[u8]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_schema_and_of_caffe2() {
        let schema = ByteWeightDequantOp::schema();
        let def = def();
        let read = ByteWeightDequantArgs::read(&Args::new(&def, &schema).unwrap()).unwrap();
        let expected = ByteWeightDequantArgs {
            min: -3.0,
            max: 3.0,
            qmin: 0,
            qmax: 255,
            formula: Formula::MinMax,
            shape: None,
            keep_codes: false,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn code_bounds_put_the_range_where_they_say() {
        let volts = run(
            codes(&[16, 126, 236, 0]),
            def().arg("min", 0.0f32).arg("max", 2.2f32).arg("qmin", 16).arg("qmax", 236),
        );
        assert_eq!(volts.unwrap().as_slice::<f32>().unwrap(), [0.0, 1.1, 2.2, -16.0 * (2.2 / 220.0)]);
    }

    #[test]
    fn the_centred_formula_is_twice_as_wide_and_centred_on_zero() {
        let def = def().arg("min", -1.0f32).arg("max", 4.0f32).arg("formula", "centred");
        let w = run(codes(&[0, 255]), def).unwrap();
        assert_eq!(w.as_slice::<f32>().unwrap(), [-255.0 * (5.0 / 255.0), 255.0 * (5.0 / 255.0)]);
    }

    #[test]
    fn a_string_gives_as_many_weights_as_it_has_bytes() {
        let bytes = Tensor::from_strings([1], [&[0u8, 255][..]]).unwrap();
        assert_eq!(run(bytes, def()).unwrap(), Tensor::from_slice([2], &[-3.0f32, 3.0]).unwrap());
        let two = Tensor::from_strings([2], ["a", "b"]).unwrap();
        assert!(run(two, def()).unwrap_err().contains("exactly one string, found 2"));
    }

    #[test]
    fn what_caffe2_would_read_out_of_bounds_is_an_error_with_both_numbers() {
        for shape in [vec![4i64], vec![2], vec![2, 2], vec![]] {
            let error = run(codes(&[1, 2, 3]), def().arg("shape", shape)).unwrap_err();
            assert!(error.contains("3 codes") && error.contains("elements"), "{error}");
        }
        let error = run(codes(&[1]), def().arg("shape", vec![-1i64])).unwrap_err();
        assert!(error.contains("`shape`") && error.contains("negative"), "{error}");
        let error = run(codes(&[1]), def().arg("shape", vec![1i64 << 40, 1 << 40])).unwrap_err();
        assert!(error.contains("`shape`") && error.contains("memory"), "{error}");
    }

    #[test]
    fn arguments_and_types_that_make_no_sense_are_named() {
        let q = || codes(&[1]);
        assert!(run(q(), def().arg("formula", "other")).unwrap_err().contains("`formula`"));
        assert!(run(q(), def().arg("qmin", 255)).unwrap_err().contains("`qmax`"));
        assert!(run(q(), def().arg("qmax", 256)).unwrap_err().contains("256 does not fit u8"));
        assert!(run(q(), def().arg("min", -3)).unwrap_err().contains("`min`: expected a value in field `f`"));
        let floats = Tensor::from_slice([1], &[1.0f32]).unwrap();
        let error = run(floats, def()).unwrap_err();
        assert!(error.contains("input 0 `q`: wanted a tensor of uint8, found one of float"), "{error}");
        assert!(run(Tensor::new(), def()).unwrap_err().contains("never written"));
    }

    #[test]
    fn codes_that_are_kept_are_the_same_weights() {
        let keep = || def().arg("keep_codes", 1).arg("min", -1.0f32).arg("shape", vec![2i64, 2]);
        let plain = || def().arg("min", -1.0f32).arg("shape", vec![2i64, 2]);
        let text = Tensor::from_strings([1], [&[0u8, 1, 200, 255][..]]).unwrap();
        for q in [codes(&[0, 1, 200, 255]), text] {
            let kept = run(q.clone(), keep()).unwrap();
            assert!(!kept.is_expanded() && kept.coded::<ByteWeight>().is_some());
            assert_eq!(kept, run(q, plain()).unwrap());
            assert!(kept.is_expanded());
        }
        assert!(run(codes(&[1, 2]), keep()).unwrap_err().contains("2 codes"));
    }

    #[test]
    fn codes_are_kept_again_only_when_they_are_others() {
        let net = NetDef::new("n").external_input("q").op(def().input("q").output("w").arg("keep_codes", 1));
        let mut workspace = Workspace::new();
        workspace.feed("q", codes(&[0, 255]));
        workspace.create_net(&net).unwrap();
        workspace.run_net("n").unwrap();
        let first = workspace.fetch("w").unwrap();
        workspace.run_net("n").unwrap();
        assert!(workspace.tensor("w").unwrap().shares_storage_with(&first));
        workspace.feed("q", codes(&[255, 0]));
        workspace.run_net("n").unwrap();
        assert_eq!(workspace.tensor("w").unwrap().as_slice::<f32>().unwrap(), [3.0, -3.0]);
        assert_eq!(first.as_slice::<f32>().unwrap(), [-3.0, 3.0]);
    }

    #[test]
    fn memory_for_floats_is_charged_to_whoever_reads_them_first() {
        let mut workspace = Workspace::new();
        workspace.set_memory_limit(100);
        workspace.feed("q", codes(&[7; 30]));
        let keep = def().input("q").output("w").arg("keep_codes", 1);
        workspace.run_operator_once(&keep).unwrap();
        assert_eq!(workspace.memory().used(), 0);
        let error = workspace.fetch("w").unwrap().as_slice::<f32>().map(drop).unwrap_err().to_string();
        assert!(error.contains("120 bytes") && error.contains("limit"), "{error}");
    }
}
