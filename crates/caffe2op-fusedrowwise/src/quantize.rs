//! Values to rows of codes, in each format.
//!
//! | operator | from | format |
//! |---|---|---|
//! | `FloatToFused8BitRowwiseQuantized`, `HalfFloatTo…` | float, float16 | [`Fused8`] |
//! | `FloatToFused8BitRowwiseQuantizedHalfScaleBias`, `HalfFloatTo…` | float, float16 | [`Fused8Half`] |
//! | `FloatToFused4BitRowwiseQuantized`, `HalfTo…`, the same with `2Bit` | float, float16 | [`FusedBits`] |
//! | `FloatToFused4BitFakeRowwiseQuantized`, `HalfTo…`, the same with `2Bit` | float, float16 | [`FakeBits`] |
//!
//! Those of 4 and 2 bits have the engine `GREEDY`, which searches for ends of each row with a smaller error. (Caffe2
//! `fused_rowwise_8bit_conversion_ops.h`, `fused_rowwise_nbit_conversion_ops.h`, `fused_rowwise_nbitfake_conversion_ops.h`.)

use std::marker::PhantomData;

use caffe2_kernels::rowwise::{
    FakeBits, Fused8, Fused8Half, FusedBits, RowFormat, RowValue, Search, quantize_rows,
};
use caffe2_operator::{
    ArgError, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, f16, register_cpu_operator,
};

use crate::format::{DescribedFormat, with_last};

/// What tells one [`QuantizeRowsOp`] from another.
pub trait Quantizer: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// The type of the values.
    type Value: RowValue + Element;
    /// What the rows become.
    type Format: DescribedFormat;
    /// How the ends of a row are found.
    const SEARCH: Search;
}

/// The engine `GREEDY` of another [`Quantizer`].
#[derive(Debug)]
pub struct Greedy<Q>(PhantomData<fn() -> Q>);

impl<Q: Quantizer> Quantizer for Greedy<Q> {
    const TYPE: &'static str = Q::TYPE;
    type Value = Q::Value;
    type Format = Q::Format;
    const SEARCH: Search = Search::Greedy;
}

/// The operator of each [`Quantizer`].
#[derive(Debug)]
pub struct QuantizeRowsOp<Q>(PhantomData<fn() -> Q>);

impl<Q: Quantizer> OperatorType for QuantizeRowsOp<Q> {
    const TYPE: &'static str = Q::TYPE;

    fn schema() -> OpSchema {
        let input = match (Q::Value::DATA_TYPE, Q::Format::MATRIX) {
            (DataType::Float, false) => "float tensor of at least one dimension",
            (DataType::Float, true) => "float matrix",
            (_, false) => "float16 tensor of at least one dimension",
            (_, true) => "float16 matrix",
        };
        OpSchema::new(Self::TYPE)
            .doc(Q::Format::QUANTIZED)
            .inputs(1)
            .outputs(1)
            .input("input", input)
            .output("output", Q::Format::ROWS)
            .differences(
                "Rows without values have a scale and a bias of some value, where some of Caffe2's kernels read past \
                 their end.",
            )
            .infer(infer::<Q>)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(QuantizeRowsOp(PhantomData))
    }
}

/// The shape of the rows, and the values in each.
fn rows_shape<Q: Quantizer>(shape: &Shape) -> Result<(Shape, usize), OpError> {
    with_last(shape, Q::Format::MATRIX, Q::Format::row_bytes)
}

fn infer<Q: Quantizer>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let shape = context.shape(0).map(rows_shape::<Q>).transpose()?.map(|(shape, _)| shape);
    Ok(vec![TensorInfo { data_type: Some(DataType::UInt8), shape }])
}

impl<Q: Quantizer> Operator for QuantizeRowsOp<Q> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let values = io.input_slice::<Q::Value>(0)?;
        let (shape, width) = rows_shape::<Q>(io.input(0)?.shape())?;
        let rows = io.output_slice::<u8>(0, shape)?;
        quantize_rows::<Q::Format, Q::Value>(io.threads(), values, width, Q::SEARCH, rows)?;
        Ok(())
    }
}

macro_rules! quantizers {
    ($($name:ident: $op_type:literal, $value:ty => $format:ty, $search:ident;)*) => {$(
        #[doc = concat!("`", $op_type, "`.")]
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Quantizer for $name {
            const TYPE: &'static str = $op_type;
            type Value = $value;
            type Format = $format;
            const SEARCH: Search = Search::$search;
        }

        register_cpu_operator!(QuantizeRowsOp<$name>);
    )*};
}

quantizers! {
    FloatToFused8: "FloatToFused8BitRowwiseQuantized", f32 => Fused8, Ends;
    HalfToFused8: "HalfFloatToFused8BitRowwiseQuantized", f16 => Fused8, Ends;
    FloatToFused8Half: "FloatToFused8BitRowwiseQuantizedHalfScaleBias", f32 => Fused8Half, Ends;
    HalfToFused8Half: "HalfFloatToFused8BitRowwiseQuantizedHalfScaleBias", f16 => Fused8Half, Ends;
    FloatToFused4: "FloatToFused4BitRowwiseQuantized", f32 => FusedBits<4>, Ends;
    HalfToFused4: "HalfToFused4BitRowwiseQuantized", f16 => FusedBits<4>, FirstEnds;
    FloatToFused2: "FloatToFused2BitRowwiseQuantized", f32 => FusedBits<2>, Ends;
    HalfToFused2: "HalfToFused2BitRowwiseQuantized", f16 => FusedBits<2>, FirstEnds;
    FloatToFake4: "FloatToFused4BitFakeRowwiseQuantized", f32 => FakeBits<4>, FirstEnds;
    HalfToFake4: "HalfToFused4BitFakeRowwiseQuantized", f16 => FakeBits<4>, FirstEnds;
    FloatToFake2: "FloatToFused2BitFakeRowwiseQuantized", f32 => FakeBits<2>, FirstEnds;
    HalfToFake2: "HalfToFused2BitFakeRowwiseQuantized", f16 => FakeBits<2>, FirstEnds;
}

register_cpu_operator!(QuantizeRowsOp<Greedy<FloatToFused4>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<HalfToFused4>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<FloatToFused2>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<HalfToFused2>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<FloatToFake4>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<HalfToFake4>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<FloatToFake2>>, engine = "GREEDY");
register_cpu_operator!(QuantizeRowsOp<Greedy<HalfToFake2>>, engine = "GREEDY");

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn quantize(op: &str, engine: &str, dims: &[usize]) -> Result<Tensor, String> {
        let count = dims.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| ((i * i) as f32).sqrt().sin()).collect();
        let def = OperatorDef { engine: Some(engine.into()), ..OperatorDef::new(op).input("x").output("y") };
        let x = Tensor::from_slice(dims, &values).unwrap();
        run_operator(&def, [x]).map(|mut y| y.remove(0)).map_err(|e| e.to_string())
    }

    #[test]
    fn shapes_are_those_of_the_formats() {
        for (op, dims, want) in [
            ("FloatToFused8BitRowwiseQuantized", &[2, 3, 5][..], &[2, 3, 13][..]),
            ("FloatToFused8BitRowwiseQuantizedHalfScaleBias", &[5], &[9]),
            ("FloatToFused4BitRowwiseQuantized", &[3, 6], &[3, 7]),
            ("FloatToFused2BitRowwiseQuantized", &[3, 8], &[3, 6]),
            ("FloatToFused2BitFakeRowwiseQuantized", &[3, 8], &[3, 16]),
            ("FloatToFused8BitRowwiseQuantized", &[0, 5], &[0, 13]),
            ("FloatToFused4BitRowwiseQuantized", &[2, 0], &[2, 4]),
        ] {
            assert_eq!(quantize(op, "", dims).unwrap().dims(), want, "{op}");
        }
    }

    #[test]
    fn what_does_not_fit_a_format_is_refused() {
        let odd = quantize("FloatToFused4BitRowwiseQuantized", "", &[2, 3]).unwrap_err();
        assert!(odd.contains("input 0 `x`: shape [2, 3]: values of a row: 3 is no multiple of 2"), "{odd}");
        let scalar = quantize("FloatToFused8BitRowwiseQuantized", "", &[]).unwrap_err();
        assert!(scalar.contains("expected at least one dimension, found the shape []"), "{scalar}");
        let vector = quantize("FloatToFused4BitFakeRowwiseQuantized", "", &[4]).unwrap_err();
        assert!(vector.contains("expected a matrix, found the shape [4]"), "{vector}");
        assert!(quantize("HalfToFused4BitRowwiseQuantized", "", &[2]).unwrap_err().contains("float16"));
    }

    #[test]
    fn the_engine_searches_and_others_do_not_have_it() {
        let op = "FloatToFused2BitRowwiseQuantized";
        assert_ne!(quantize(op, "GREEDY", &[1, 64]).unwrap(), quantize(op, "", &[1, 64]).unwrap());
        let op = "FloatToFused8BitRowwiseQuantized";
        assert_eq!(quantize(op, "GREEDY", &[1, 64]).unwrap(), quantize(op, "", &[1, 64]).unwrap());
    }
}
