//! Rows of codes to values, in each format: `value = code * scale + bias`.
//!
//! | operator | format | to |
//! |---|---|---|
//! | `Fused8BitRowwiseQuantizedToFloat`, `…ToHalfFloat` | [`Fused8`], rounded once | float, float16 |
//! | `Fused8BitRowwiseQuantizedHalfScaleBiasToFloat`, `…ToHalfFloat` | [`Fused8Half`] | float, and float |
//! | `Fused4BitRowwiseQuantizedToFloat`, `…ToHalf`, the same with `2Bit` | [`FusedBits`] | float, float16 |
//!
//! (Caffe2 `fused_rowwise_8bit_conversion_ops.h`, `fused_rowwise_nbit_conversion_ops.h`.)

use std::marker::PhantomData;

use caffe2_kernels::rowwise::{
    Bits, Fused8, Fused8Half, FusedBits, FusedRows, RowFormat, RowValue, dequantize_rows,
};
use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    RowWeight, Shape, Tensor, TensorError, TensorInfo, f16, register_cpu_operator,
};

use crate::format::{DescribedFormat, with_last};

/// What tells one [`DequantizeRowsOp`] from another.
pub trait Dequantizer: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the rows are.
    type Format: DescribedFormat;
    /// The type of the values.
    type Value: RowValue + Element;
    /// What the operator computes, in words.
    const DOC: &'static str;
    /// Makes the output a tensor that is kept as the bytes of the input, where that can be; nothing to do if it is
    /// already.
    const KEEP: Option<KeepFn> = None;
}

/// Gives a tensor of values this shape, kept as rows of so many bytes.
type KeepFn = fn(&Tensor, usize, &Shape, &mut Tensor) -> Result<(), TensorError>;

fn keep<F: RowFormat<Packing = Bits<8>>>(
    rows: &Tensor,
    row_bytes: usize,
    shape: &Shape,
    values: &mut Tensor,
) -> Result<(), TensorError> {
    let unchanged = values.coded::<RowWeight<F>>().is_some_and(|kept| kept.is_of(rows, row_bytes));
    if unchanged && values.shape() == shape {
        return Ok(());
    }
    values.set_coded(shape, RowWeight::<F>::new(rows, row_bytes)?)
}

/// The operator of each [`Dequantizer`].
#[derive(Debug)]
pub struct DequantizeRowsOp<D> {
    keep_codes: bool,
    what: PhantomData<fn() -> D>,
}

impl<D: Dequantizer> OperatorType for DequantizeRowsOp<D> {
    const TYPE: &'static str = D::TYPE;

    fn schema() -> OpSchema {
        let output = match D::Value::DATA_TYPE {
            DataType::Float => "float tensor of the values",
            _ => "float16 tensor of the values",
        };
        let schema = OpSchema::new(Self::TYPE)
            .doc(D::DOC)
            .inputs(1)
            .outputs(1)
            .input("rows", D::Format::ROWS)
            .output("values", output)
            .infer(infer::<D>);
        if D::KEEP.is_none() {
            return schema;
        }
        schema.arg(
            "keep_codes",
            "the output shares the bytes of the input: FC, FCTransposed, MatMul and Conv multiply by them, and any other \
             reader has floats made of them, once (not in Caffe2)",
            false,
        )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let keep_codes = D::KEEP.is_some() && args.get("keep_codes")?;
        Ok(DequantizeRowsOp { keep_codes, what: PhantomData })
    }
}

/// The shape of the values, and the bytes of a row.
fn values_shape<D: Dequantizer>(shape: &Shape) -> Result<(Shape, usize), OpError> {
    with_last(shape, false, D::Format::width)
}

fn infer<D: Dequantizer>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = context.shape(0).map(values_shape::<D>).transpose()?.map(|(shape, _)| shape);
    Ok(vec![TensorInfo { data_type: Some(D::Value::DATA_TYPE), shape }])
}

impl<D: Dequantizer> Operator for DequantizeRowsOp<D> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let bytes = io.input_slice::<u8>(0)?;
        let rows = io.input(0)?;
        let (shape, row_bytes) = values_shape::<D>(rows.shape())?;
        if let Some(keep) = D::KEEP.filter(|_| self.keep_codes) {
            let kept = keep(rows, row_bytes, &shape, io.output(0)?);
            return kept.map_err(|source| OpError::Output { index: 0, source });
        }
        let values = io.output_slice::<D::Value>(0, shape)?;
        dequantize_rows(io.threads(), &FusedRows::<D::Format>::new(bytes, row_bytes)?, values)?;
        Ok(())
    }
}

macro_rules! dequantizers {
    ($($name:ident: $op_type:literal, $format:ty => $value:ty, $doc:expr $(, $keep:expr)?;)*) => {$(
        #[doc = concat!("`", $op_type, "`.")]
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Dequantizer for $name {
            const TYPE: &'static str = $op_type;
            type Format = $format;
            type Value = $value;
            const DOC: &'static str = $doc;
            $(const KEEP: Option<KeepFn> = Some($keep);)?
        }

        register_cpu_operator!(DequantizeRowsOp<$name>);
    )*};
}

const ONCE: &str = "Restores rows of codes: code * scale + bias, rounded once.";
const ONCE_HALF: &str = "Restores rows of codes: code * scale + bias, rounded once to float, then to half.";
const EXACT: &str = "Restores rows of codes: code * scale + bias.";
const EXACT_HALF: &str = "Restores rows of codes: code * scale + bias, rounded to float, then to half.";
const NO_HALF: &str =
    "Restores rows of codes: code * scale + bias. In spite of the name the values are floats.";

dequantizers! {
    Fused8ToFloat: "Fused8BitRowwiseQuantizedToFloat", Fused8 => f32, ONCE, keep::<Fused8>;
    Fused8ToHalf: "Fused8BitRowwiseQuantizedToHalfFloat", Fused8 => f16, ONCE_HALF;
    Fused8HalfToFloat: "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", Fused8Half => f32, EXACT, keep::<Fused8Half>;
    Fused8HalfToHalf: "Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat", Fused8Half => f32, NO_HALF;
    Fused4ToFloat: "Fused4BitRowwiseQuantizedToFloat", FusedBits<4> => f32, EXACT;
    Fused4ToHalf: "Fused4BitRowwiseQuantizedToHalf", FusedBits<4> => f16, EXACT_HALF;
    Fused2ToFloat: "Fused2BitRowwiseQuantizedToFloat", FusedBits<2> => f32, EXACT;
    Fused2ToHalf: "Fused2BitRowwiseQuantizedToHalf", FusedBits<2> => f16, EXACT_HALF;
}

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, f16, run_operator};

    fn dequantize(op: &str, dims: &[usize], bytes: &[u8]) -> Result<Tensor, String> {
        let def = OperatorDef::new(op).input("x").output("y");
        let x = Tensor::from_slice(dims, bytes).unwrap();
        run_operator(&def, [x]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    #[test]
    fn codes_are_read_in_their_order() {
        // Scale 0.5, bias -1.
        let y = dequantize("Fused2BitRowwiseQuantizedToHalf", &[1, 5], &[0b11_10_01_00, 0, 0x38, 0, 0xbc]);
        let want = [-1.0, -0.5, 0.0, 0.5].map(f16::from_f32);
        assert_eq!(y.unwrap(), Tensor::from_slice([1, 4], &want).unwrap());
        let y = dequantize("Fused4BitRowwiseQuantizedToFloat", &[5], &[0x21, 0, 0x38, 0, 0xbc]);
        assert_eq!(y.unwrap(), Tensor::from_slice([2], &[-0.5f32, 0.0]).unwrap());
    }

    #[test]
    fn rows_too_short_for_scale_and_bias_are_refused() {
        for (op, least) in [
            ("Fused8BitRowwiseQuantizedToFloat", 8),
            ("Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", 4),
            ("Fused4BitRowwiseQuantizedToFloat", 4),
            ("Fused2BitRowwiseQuantizedToHalf", 4),
        ] {
            let error = dequantize(op, &[2, least - 1], &vec![0; 2 * least - 2]).unwrap_err();
            let want = format!("bytes of a row: expected at least {least}, found {}", least - 1);
            assert!(error.contains("input 0 `x`") && error.contains(&want), "{error}");
            assert_eq!(dequantize(op, &[2, least], &vec![0; 2 * least]).unwrap().dims(), [2, 0]);
            assert!(dequantize(op, &[0, 0], &[]).unwrap_err().contains("expected at least"));
        }
        assert!(dequantize("Fused8BitRowwiseQuantizedToFloat", &[], &[1]).unwrap_err().contains("dimension"));
    }

    #[test]
    fn codes_that_are_kept_are_the_same_values() {
        for (op, tail) in [
            ("Fused8BitRowwiseQuantizedToFloat", [0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf].as_slice()),
            ("Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", &[0, 0x38, 0, 0xbc]),
        ] {
            let row = [&[0u8, 1, 255][..], tail].concat();
            let x = Tensor::from_slice([2, row.len()], &row.repeat(2)).unwrap();
            let plain = OperatorDef::new(op).input("x").output("y");
            let mut kept = run_operator(&plain.clone().arg("keep_codes", 1), [x.clone()]).unwrap();
            let (kept, wanted) = (kept.remove(0), run_operator(&plain, [x]).unwrap().remove(0));
            assert!(!kept.is_expanded() && wanted.is_expanded());
            assert_eq!(kept, wanted);
            assert_eq!(kept.as_slice::<f32>().unwrap()[..3], [-1.0, -0.5, 126.5]);
        }
    }
}
