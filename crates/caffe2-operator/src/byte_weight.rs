//! Weights that are kept as the bytes they are stored as.

mod matrix;
mod rows;

pub use matrix::WeightBytes;
pub use rows::RowWeight;

use caffe2_kernels::Threads;
use caffe2_kernels::byte_rows::ByteMatrix;
use caffe2_kernels::dequant::{CodeMap, dequantize};
use caffe2_tensor::{CodedElements, Tensor, TensorError};

use crate::OpError;

/// A float tensor that is kept as a byte for each element and a rule that gives the bytes their values.
///
/// `ByteWeightDequant` makes tensors of it when it is told to keep the codes. Products look for it in their weights and
/// multiply by the bytes; all other readers of such a tensor see floats, which are made for the first of them.
///
/// ```
/// use caffe2_kernels::dequant::CodeMap;
/// use caffe2_operator::{ByteWeight, Tensor};
///
/// let codes = Tensor::from_slice([4], &[0u8, 51, 102, 255])?;
/// let mut weights = Tensor::new();
/// weights.set_coded([2, 2], ByteWeight::new(&codes, CodeMap::from_range(-1.0, 4.0))?)?;
/// assert_eq!(weights.coded::<ByteWeight>().unwrap().codes(), [0, 51, 102, 255]);
/// assert_eq!(weights.as_slice::<f32>()?, [-1.0, 0.0, 1.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ByteWeight {
    /// The bytes, shared with whoever else has them; a write elsewhere does not reach them.
    codes: Tensor,
    map: CodeMap,
}

impl ByteWeight {
    /// The weights of these codes, whose memory is shared: a tensor of `uint8`, or of one string.
    ///
    /// # Errors
    /// When `codes` is another kind of tensor.
    pub fn new(codes: &Tensor, map: CodeMap) -> Result<ByteWeight, TensorError> {
        let codes = match codes.as_strings() {
            Ok([bytes]) => Tensor::from_bytes([bytes.len()], bytes.clone())?,
            _ => codes.clone().within(None),
        };
        codes.as_slice::<u8>()?;
        Ok(ByteWeight { codes, map })
    }

    /// The bytes.
    pub fn codes(&self) -> &[u8] {
        self.codes.as_slice().unwrap_or(&[])
    }

    /// The rule that gives them their values.
    pub fn map(&self) -> CodeMap {
        self.map
    }

    /// Whether these are the weights of `codes` by the rule `map`, without a look at the bytes: they are where they
    /// were, and since they are shared nobody has written them.
    pub fn is_of(&self, codes: &[u8], map: CodeMap) -> bool {
        let own = self.codes();
        own.as_ptr() == codes.as_ptr() && own.len() == codes.len() && same(self.map, map)
    }

    /// The weights as a matrix.
    ///
    /// # Errors
    /// When there are not `rows * width` of them.
    pub fn matrix(&self, rows: usize, width: usize) -> Result<ByteMatrix<'_>, OpError> {
        Ok(ByteMatrix::new(self.codes(), rows, width, self.map)?)
    }
}

/// Whether two rules are the same, to the bit: NaN, too, equals itself.
fn same(a: CodeMap, b: CodeMap) -> bool {
    let bits = |map| match map {
        CodeMap::Affine(line) => (0, [line.scale, line.bias, 0.0].map(f32::to_bits)),
        CodeMap::Offset { first, line } => (1, [line.scale, line.bias, first].map(f32::to_bits)),
        CodeMap::ZeroPoint { zero_point, scale } => (3, [scale.to_bits(), zero_point.cast_unsigned(), 0]),
        CodeMap::Centred { sum, scale } => (2, [sum, scale, 0.0].map(f32::to_bits)),
    };
    bits(a) == bits(b)
}

impl CodedElements for ByteWeight {
    fn expand(&self, out: &mut [f32]) {
        dequantize(&Threads::single(), self.codes(), self.map, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::bytes::Bytes;

    fn map() -> CodeMap {
        CodeMap::from_range(0.0, 255.0)
    }

    #[test]
    fn codes_are_shared_from_tensors_and_strings() {
        let file = Bytes::from(vec![1u8, 2, 3]);
        let foreign = Tensor::from_bytes([3], file.clone()).unwrap();
        let text = Tensor::from_strings([1], [file.clone()]).unwrap();
        for codes in [&foreign, &text] {
            let weight = ByteWeight::new(codes, map()).unwrap();
            assert_eq!(weight.codes().as_ptr(), file.as_ptr());
            assert!(weight.is_of(&file, map()) && !weight.is_of(&file[..2], map()));
            assert!(!weight.is_of(&[1, 2, 3], map()) && !weight.is_of(&file, CodeMap::from_range(0.0, 1.0)));
        }
        for wrong in [Tensor::scalar(1.0f32), Tensor::from_strings([2], ["a", "b"]), Ok(Tensor::new())] {
            assert!(ByteWeight::new(&wrong.unwrap(), map()).is_err());
        }
    }

    #[test]
    fn a_write_to_the_codes_does_not_reach_the_weights() {
        let mut codes = Tensor::from_slice([2], &[1u8, 2]).unwrap();
        let weight = ByteWeight::new(&codes, map()).unwrap();
        codes.as_mut_slice::<u8>().unwrap().fill(9);
        assert_eq!(weight.codes(), [1, 2]);
        assert!(!weight.is_of(codes.as_slice().unwrap(), map()));
    }

    #[test]
    fn a_matrix_has_all_of_them() {
        let codes = Tensor::from_slice([6], &[0u8; 6]).unwrap();
        let nan = CodeMap::from_range(f32::NAN, 1.0);
        let weight = ByteWeight::new(&codes, nan).unwrap();
        assert!(weight.is_of(codes.as_slice().unwrap(), nan));
        assert!(weight.matrix(2, 3).is_ok() && weight.matrix(2, 2).is_err());
    }
}
