//! `Int8Dequantize` and `Dequantize`: `value = (code - zero_point) * scale`, with the scale and the zero point of the
//! input.
//!
//! `Dequantize` exists as the engines `DNNLOWP`, `DNNLOWP_ROWWISE`, which take uint8 codes, `DNNLOWP_16` and
//! `DNNLOWP_ROWWISE_16`, which take uint16 codes; there is no default one (Caffe2 `int8_dequantize_op.h`,
//! `dequantize_dnnlowp_op.cc`).

use std::marker::PhantomData;

use caffe2_kernels::dequant::{CodeMap, dequantize};
use caffe2_operator::{
    ArgError, Args, DataType, Element, OpError, OpIo, OpSchema, Operator, OperatorType, TensorInfo, Threads,
    register_cpu_operator,
};

/// What tells one [`Int8DequantizeOp`] from another.
pub trait Dequantization: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// The type of the codes.
    type Code: Element;

    /// Writes the value of each code.
    fn run(threads: &Threads, codes: &[Self::Code], zero_point: i32, scale: f32, values: &mut [f32]);
}

/// `Int8Dequantize`.
#[derive(Debug)]
pub(crate) enum Int8 {}

/// `Dequantize` of bytes.
#[derive(Debug)]
pub(crate) enum Bytes {}

/// `Dequantize` of codes of 16 bits.
#[derive(Debug)]
pub(crate) enum Words {}

impl Dequantization for Int8 {
    const TYPE: &'static str = "Int8Dequantize";
    type Code = u8;

    fn run(threads: &Threads, codes: &[u8], zero_point: i32, scale: f32, values: &mut [f32]) {
        dequantize(threads, codes, CodeMap::ZeroPoint { zero_point, scale }, values);
    }
}

impl Dequantization for Bytes {
    const TYPE: &'static str = "Dequantize";
    type Code = u8;

    fn run(threads: &Threads, codes: &[u8], zero_point: i32, scale: f32, values: &mut [f32]) {
        Int8::run(threads, codes, zero_point, scale, values);
    }
}

impl Dequantization for Words {
    const TYPE: &'static str = "Dequantize";
    type Code = u16;

    fn run(_: &Threads, codes: &[u16], zero_point: i32, scale: f32, values: &mut [f32]) {
        for (value, code) in values.iter_mut().zip(codes) {
            *value = i32::from(*code).wrapping_sub(zero_point) as f32 * scale;
        }
    }
}

/// The operator of each [`Dequantization`].
#[derive(Debug)]
pub struct Int8DequantizeOp<D>(PhantomData<fn() -> D>);

impl<D: Dequantization> OperatorType for Int8DequantizeOp<D> {
    const TYPE: &'static str = D::TYPE;

    fn schema() -> OpSchema {
        let schema = OpSchema::new(D::TYPE).inputs(1).outputs(1);
        let schema = if D::TYPE == Int8::TYPE {
            schema
                .doc("Restores floats: (code - zero_point) * scale, with scale and zero point of the input.")
                .input("qX", "8-bit tensor of uint8 codes")
        } else {
            schema
                .doc(
                    "Restores floats: (code - zero_point) * scale, with scale and zero point of the input. There are only \
                     the engines DNNLOWP and DNNLOWP_ROWWISE, for uint8 codes, DNNLOWP_16 and DNNLOWP_ROWWISE_16, for \
                     uint16 codes.",
                )
                .input("qX", "8-bit tensor of uint8 or uint16 codes, as the engine takes them")
        };
        schema.output("Y", "float tensor of the same shape").infer(|context| {
            Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape: context.shape(0).cloned() }])
        })
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(Int8DequantizeOp(PhantomData))
    }
}

impl<D: Dequantization> Operator for Int8DequantizeOp<D> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_int8(0)?;
        let codes = x.values.as_slice::<D::Code>().map_err(|source| OpError::Input { index: 0, source })?;
        let values = io.output_slice::<f32>(0, x.values.shape())?;
        D::run(io.threads(), codes, x.zero_point, x.scale, values);
        Ok(())
    }
}

register_cpu_operator!(Int8DequantizeOp<Int8>);
register_cpu_operator!(Int8DequantizeOp<Int8>, engine = "DNNLOWP");
register_cpu_operator!(Int8DequantizeOp<Int8>, engine = "DNNLOWP_ROWWISE");
register_cpu_operator!(Int8DequantizeOp<Bytes>, engine = "DNNLOWP");
register_cpu_operator!(Int8DequantizeOp<Bytes>, engine = "DNNLOWP_ROWWISE");
register_cpu_operator!(Int8DequantizeOp<Words>, engine = "DNNLOWP_16");
register_cpu_operator!(Int8DequantizeOp<Words>, engine = "DNNLOWP_ROWWISE_16");
