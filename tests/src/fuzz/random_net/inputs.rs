//! Blobs to feed.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use caffe2::{Element, Int8Tensor, Shape, Tensor, f16};

use crate::content::Content;

/// The longest side of a tensor, and the most sides.
const LONGEST: usize = 7;
const MOST_SIDES: usize = 5;

/// A small tensor of any type; now and then an 8-bit tensor, or nothing.
pub(super) fn content(u: &mut Unstructured<'_>) -> Result<Content> {
    let shape = shape(u)?;
    let (kind, mut elements) = (u.int_in_range(0..=23)?, Elements::new(u)?);
    let tensor = match kind {
        0 => elements.tensor(&shape, |v| v),
        1 => elements.tensor(&shape, |v| f16::from_f32(v as f32)),
        2 => elements.tensor(&shape, |v| v as i8),
        3 => elements.tensor(&shape, |v| v as i16),
        4 => elements.tensor(&shape, |v| v as u16),
        5 | 6 => elements.tensor(&shape, |v| v as u8),
        7 => elements.tensor(&shape, |v| v > 0.0),
        8..=10 => elements.tensor(&shape, |v| v as i32),
        11..=13 => elements.tensor(&shape, |v| v as i64),
        14 => {
            let strings: Vec<Bytes> =
                (0..shape.numel()).map(|_| elements.next().to_string().into()).collect();
            Tensor::from_strings(shape, strings).expect("as many strings as the shape has")
        }
        15 => {
            let (scale, zero_point) = (elements.next() as f32, elements.next() as i32);
            let values = elements.tensor(&shape, |v| v as u8);
            return Ok(Content::Int8(Int8Tensor { scale, zero_point, values }));
        }
        16 => Tensor::new(),
        _ => elements.tensor(&shape, |v| v as f32),
    };
    Ok(Content::Tensor(tensor))
}

fn shape(u: &mut Unstructured<'_>) -> Result<Shape> {
    let sides = u.int_in_range(0..=MOST_SIDES)?;
    let dims = (0..sides).map(|_| u.int_in_range(0..=LONGEST)).collect::<Result<Vec<_>>>()?;
    Ok(Shape::new(&dims).expect("a small shape"))
}

/// Numbers, most of them small, that a few bytes of input tell.
struct Elements {
    state: u32,
    /// Whether there are none but small whole numbers, which serve as indices and lengths.
    whole: bool,
}

impl Elements {
    fn new(u: &mut Unstructured<'_>) -> Result<Elements> {
        Ok(Elements { state: u.arbitrary::<u16>()?.into(), whole: u.ratio(1, 2)? })
    }

    fn next(&mut self) -> f64 {
        const EXTREMES: [f64; 8] =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 2_147_483_647.0, -9.3e18, 1e-40];
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (bits, rare) = (self.state >> 16, (self.state >> 8) & 0xff);
        match self.whole {
            true => f64::from(bits % 4),
            false if rare == 0 => EXTREMES[bits as usize % EXTREMES.len()],
            false => f64::from(bits as i16) / 4096.0,
        }
    }

    fn tensor<T: Element>(&mut self, shape: &Shape, convert: impl Fn(f64) -> T) -> Tensor {
        let values: Vec<T> = (0..shape.numel()).map(|_| convert(self.next())).collect();
        Tensor::from_slice(shape.clone(), &values).expect("as many values as the shape has")
    }
}
