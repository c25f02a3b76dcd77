//! The scale and the bias behind the codes of a row.

use crate::dequant::Affine;
use crate::half::{f16, from_f32, to_f32};

/// The type of a scale and a bias: a float of 32 or 16 bits, stored in little-endian order.
pub trait Parameter: Send + Sync + 'static {
    /// Bytes of scale and bias together.
    const TAIL_BYTES: usize;

    /// The nearest value of the type.
    fn round(x: f32) -> f32;

    /// Scale and bias from the bytes of a tail, [`Parameter::TAIL_BYTES`] of them.
    fn read(tail: &[u8]) -> Affine;

    /// Writes scale and bias, which are values of the type, to the bytes of a tail.
    fn write(line: Affine, tail: &mut [u8]);
}

impl Parameter for f32 {
    const TAIL_BYTES: usize = 8;

    #[inline(always)]
    fn round(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn read(tail: &[u8]) -> Affine {
        match tail {
            [a, b, c, d, e, f, g, h] => Affine {
                scale: f32::from_le_bytes([*a, *b, *c, *d]),
                bias: f32::from_le_bytes([*e, *f, *g, *h]),
            },
            _ => unreachable!("a tail of another length"),
        }
    }

    #[inline(always)]
    fn write(line: Affine, tail: &mut [u8]) {
        tail[..4].copy_from_slice(&line.scale.to_le_bytes());
        tail[4..].copy_from_slice(&line.bias.to_le_bytes());
    }
}

impl Parameter for f16 {
    const TAIL_BYTES: usize = 4;

    /// NaN keeps nothing but its sign, as in Caffe2's `Half`.
    #[inline(always)]
    fn round(x: f32) -> f32 {
        if x.is_nan() { f32::from_bits(0x7fc0_0000).copysign(x) } else { to_f32(from_f32(x)) }
    }

    #[inline(always)]
    fn read(tail: &[u8]) -> Affine {
        match tail {
            [a, b, c, d] => Affine {
                scale: to_f32(f16::from_le_bytes([*a, *b])),
                bias: to_f32(f16::from_le_bytes([*c, *d])),
            },
            _ => unreachable!("a tail of another length"),
        }
    }

    #[inline(always)]
    fn write(line: Affine, tail: &mut [u8]) {
        tail[..2].copy_from_slice(&from_f32(line.scale).to_le_bytes());
        tail[2..].copy_from_slice(&from_f32(line.bias).to_le_bytes());
    }
}
