//! `Quantize`, and the engines of `Int8Quantize`: `code = round(x * (1 / scale) + zero_point)`, ties to even, kept within
//! the codes.
//!
//! | argument | default | |
//! |---|---|---|
//! | `Y_scale` | none | difference between the values of neighbouring codes; when absent it is chosen, with the zero point |
//! | `Y_zero_point` | 0 | the code whose value is 0; only with `Y_scale` |
//! | `activation_precision` | 8 | bits of a code |
//! | `preserve_activation_sparsity` | false | whether to choose the middle code for 0 where there are values on both sides |
//! | `force_scale_power_of_two` | false | whether to choose a power of two |
//!
//! `Quantize` exists as the engines `DNNLOWP`, `DNNLOWP_ROWWISE`, whose codes are bytes, `DNNLOWP_16` and
//! `DNNLOWP_ROWWISE_16`, whose codes are uint16; there is no default one (Caffe2 `quantize_dnnlowp_op.cc`,
//! `caffe2_dnnlowp_utils.cc`, fbgemm `QuantUtils.cc`).

use std::marker::PhantomData;

use caffe2_kernels::int8::{Code, Quantization, RangeRule, choose_quantization, quantize_server};
use caffe2_operator::{
    ArgError, Args, DataType, Element, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo,
    register_cpu_operator,
};

use crate::quantize::{positive, schema, set_parameters};

/// What tells one [`ServerQuantizeOp`] from another.
pub trait ServerQuantizer: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// The type of the codes.
    type Code: Code + Element;

    /// The schema.
    fn schema() -> OpSchema;
}

/// An engine of `Int8Quantize`.
#[derive(Debug)]
pub(crate) enum Int8 {}

/// An engine of `Quantize` with codes of some type.
#[derive(Debug)]
pub(crate) struct Any<C>(PhantomData<fn() -> C>);

impl ServerQuantizer for Int8 {
    const TYPE: &'static str = "Int8Quantize";
    type Code = u8;

    fn schema() -> OpSchema {
        schema()
    }
}

impl<C: Code + Element> ServerQuantizer for Any<C> {
    const TYPE: &'static str = "Quantize";
    type Code = C;

    fn schema() -> OpSchema {
        OpSchema::new("Quantize")
            .doc(
                "Quantizes floats: code = round(x * (1 / scale) + zero_point), ties to even, kept within 0 and the largest \
                 code of so many bits. Of 8 bits in bytes the sum is rounded once before, and NaN becomes 255; otherwise \
                 product and sum are rounded, and NaN becomes 0. There are only the engines DNNLOWP and DNNLOWP_ROWWISE, \
                 whose codes are uint8, DNNLOWP_16 and DNNLOWP_ROWWISE_16, whose codes are uint16.",
            )
            .inputs(1..=2)
            .outputs(1)
            .arg_optional::<f32>(
                "Y_scale",
                "difference between the values of neighbouring codes, positive; when absent, scale and zero point are \
                 chosen such that codes reach from the smallest to the largest value, and to 0",
            )
            .arg("Y_zero_point", "the code whose value is 0; only with Y_scale", 0)
            .fill_using(describe_choice)
            .input("X", "float tensor")
            .input("Qparam", "refused: there are no blobs of this kind here")
            .output("Y", "8-bit tensor of X's shape, or one with uint16 codes")
            .differences(
                "Qparam, for which there are no blobs here, is refused, and so are values without a finite range, more \
                 bits than the codes have, and a Y_scale that is not positive or in another field than that for floats; \
                 powers of two beyond those of a 32-bit integer are scales too.",
            )
            .infer(|context| {
                const ENGINES: [&str; 4] = ["DNNLOWP", "DNNLOWP_ROWWISE", "DNNLOWP_16", "DNNLOWP_ROWWISE_16"];
                let engine = context.args().def().engine().split(',').find(|engine| ENGINES.contains(engine));
                let sixteen = engine.is_some_and(|engine| engine.ends_with("_16"));
                let data_type = if sixteen { DataType::UInt16 } else { DataType::UInt8 };
                Ok(vec![TensorInfo { data_type: Some(data_type), shape: context.shape(0).cloned() }])
            })
    }
}

/// Adds the arguments that say how a scale and a zero point are chosen.
pub(crate) fn describe_choice(schema: OpSchema) -> OpSchema {
    schema
        .arg("activation_precision", "bits of a code; engines only", 8)
        .arg(
            "preserve_activation_sparsity",
            "whether to choose the middle code for 0 where there are values on both sides of it; engines only",
            false,
        )
        .arg(
            "force_scale_power_of_two",
            "whether to choose a power of two for the scale, the next one above; engines only",
            false,
        )
}

/// The operator of each [`ServerQuantizer`].
#[derive(Debug)]
pub struct ServerQuantizeOp<Q> {
    given: Option<Quantization>,
    rule: RangeRule,
    quantizer: PhantomData<fn() -> Q>,
}

impl<Q: ServerQuantizer> OperatorType for ServerQuantizeOp<Q> {
    const TYPE: &'static str = Q::TYPE;

    fn schema() -> OpSchema {
        Q::schema()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let (bits, most) = (args.get::<u32>("activation_precision")?, Q::Code::BITS);
        if !(1..=most).contains(&bits) {
            let message = format!("expected 1 to {most} bits, found {bits}");
            return Err(ArgError::value("activation_precision", message));
        }
        let zero_point = args.get("Y_zero_point")?;
        let given = match args.get_optional::<f32>("Y_scale")? {
            Some(scale) if positive(scale)?.recip().is_infinite() => {
                let message = format!("expected a number whose reciprocal is finite, found {scale:e}");
                return Err(ArgError::value("Y_scale", message));
            }
            scale => scale.map(|scale| Quantization { scale, zero_point }),
        };
        let rule = RangeRule {
            bits,
            preserve_sparsity: args.get("preserve_activation_sparsity")?,
            power_of_two: args.get("force_scale_power_of_two")?,
        };
        Ok(ServerQuantizeOp { given, rule, quantizer: PhantomData })
    }
}

impl<Q: ServerQuantizer> Operator for ServerQuantizeOp<Q> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        if io.input_count() > 1 {
            return Err(OpError::input(
                1,
                "expected an `Int8QuantParamsBlob`, for which there are no blobs here",
            ));
        }
        let to = self.given.unwrap_or_else(|| choose_quantization(x, self.rule));
        if !to.scale.is_finite() {
            return Err(OpError::input(0, "the values have no finite range; give `Y_scale`"));
        }
        let y = io.output_int8(0)?;
        let codes = y.values.overwrite(shape).map_err(|source| OpError::Output { index: 0, source })?;
        quantize_server::<Q::Code>(io.threads(), x, to, self.rule.bits, codes);
        set_parameters(y, to);
        Ok(())
    }
}

register_cpu_operator!(ServerQuantizeOp<Int8>, engine = "DNNLOWP");
register_cpu_operator!(ServerQuantizeOp<Int8>, engine = "DNNLOWP_ROWWISE");
register_cpu_operator!(ServerQuantizeOp<Any<u8>>, engine = "DNNLOWP");
register_cpu_operator!(ServerQuantizeOp<Any<u8>>, engine = "DNNLOWP_ROWWISE");
register_cpu_operator!(ServerQuantizeOp<Any<u16>>, engine = "DNNLOWP_16");
register_cpu_operator!(ServerQuantizeOp<Any<u16>>, engine = "DNNLOWP_ROWWISE_16");

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Int8Tensor, Tensor, Workspace};

    fn quantize(engine: &str, values: &[f32], def: OperatorDef) -> Result<Int8Tensor, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::from_slice([values.len()], values).unwrap());
        let def = OperatorDef { engine: Some(engine.into()), ..def.input("x").output("y") };
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch_int8("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Quantize")
    }

    #[test]
    fn parameters_are_given_or_chosen() {
        let y = quantize("DNNLOWP", &[-1.0, 0.0, 3.0], def()).unwrap();
        assert_eq!((y.scale, y.zero_point), (4.0 / 255.0, 64));
        assert_eq!(y.values.as_slice::<u8>().unwrap(), [0, 64, 255]);
        let given = def().arg("Y_scale", 0.5f32).arg("Y_zero_point", 3);
        let y = quantize("DNNLOWP_16", &[-1.0, 0.25, 1e9], given).unwrap();
        assert_eq!(y.values.as_slice::<u16>().unwrap(), [1, 4, 255]);
        let wide = def().arg("activation_precision", 16);
        let y = quantize("DNNLOWP_ROWWISE_16", &[0.0, 1.0], wide).unwrap();
        assert_eq!(y.values.as_slice::<u16>().unwrap(), [0, 65535]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let error = |values: &[f32], def| quantize("DNNLOWP", values, def).unwrap_err();
        assert!(error(&[0.0, f32::INFINITY], def()).contains("no finite range"));
        assert!(error(&[0.0], def().arg("Y_scale", 0.0f32)).contains("expected a positive number, found 0"));
        assert!(error(&[0.0], def().arg("Y_scale", 1e-40f32)).contains("reciprocal"));
        assert!(error(&[0.0], def().arg("activation_precision", 9)).contains("1 to 8 bits, found 9"));
        assert!(quantize("", &[0.0], def()).unwrap_err().contains("registered is engine `DNNLOWP`"));
    }
}
