//! Rows of bytes with a scale and a bias of their own.

use super::{ByteRows, CodeLine};
use crate::Isa;
use crate::isa::multiply_add_once;
use crate::rowwise::{Bits, CodedRows, FusedRows, Rounding, RowFormat};

impl<F: RowFormat<Packing = Bits<8>>> ByteRows for FusedRows<'_, F> {
    fn rows(&self) -> usize {
        CodedRows::rows(self)
    }

    fn width(&self) -> usize {
        CodedRows::width(self)
    }

    #[inline(always)]
    fn bytes(&self) -> (&[u8], usize) {
        self.all()
    }

    #[inline(always)]
    fn line(&self, row: usize) -> CodeLine {
        let line = CodedRows::line(self, row);
        CodeLine { slope: line.scale.into(), first: line.bias.into() }
    }

    #[inline(always)]
    fn expand(&self, row: usize, start: usize, out: &mut [f32]) {
        let line = CodedRows::line(self, row);
        let bytes = &self.codes(row)[start..][..out.len()];
        match F::ROUNDING {
            Rounding::Twice => super::fill(bytes, out, |q| q * line.scale + line.bias),
            // The bits do not depend on which of the two ways it takes.
            Rounding::Once => {
                let fused = Isa::detected() != Isa::Portable;
                super::fill(bytes, out, |q| multiply_add_once(fused, q, line.scale, line.bias));
            }
        }
    }
}
