//! How codes lie in bytes.

/// Codes of `N` bits, 2, 4 or 8, of which several may share a byte: the first in the lowest bits.
#[derive(Debug, Clone, Copy)]
pub enum Bits<const N: usize> {}

/// How codes lie in bytes; implemented by [`Bits`].
pub trait Packing: Send + Sync + 'static {
    /// Bits of a code.
    const BITS: usize;
    /// Codes in a byte.
    const PER_BYTE: usize = 8 / Self::BITS;
    /// The largest code.
    const TOP: u8 = (0xff >> (8 - Self::BITS)) as u8;

    /// Code number `at` of a row.
    #[inline(always)]
    fn code(bytes: &[u8], at: usize) -> u8 {
        bytes[at / Self::PER_BYTE] >> (at % Self::PER_BYTE * Self::BITS) & Self::TOP
    }

    /// `COUNT` codes from number `at` on, as floats. If `at` and `COUNT` are multiples of [`Packing::PER_BYTE`] it is
    /// vector code.
    #[inline(always)]
    fn unpack<const COUNT: usize>(bytes: &[u8], at: usize) -> [f32; COUNT] {
        let mut values = [0.0; COUNT];
        if !at.is_multiple_of(Self::PER_BYTE) || !COUNT.is_multiple_of(Self::PER_BYTE) {
            for (i, value) in values.iter_mut().enumerate() {
                *value = f32::from(Self::code(bytes, at + i));
            }
            return values;
        }
        let bytes = &bytes[at / Self::PER_BYTE..][..COUNT / Self::PER_BYTE];
        if Self::BITS == 8 {
            values.iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(*byte));
            return values;
        }
        // One word of four bytes, shifted by another number of bits for each code.
        let (words, rest) = bytes.as_chunks::<4>();
        let (groups, last) = values.split_at_mut(words.len() * 4 * Self::PER_BYTE);
        for (group, word) in groups.chunks_exact_mut(4 * Self::PER_BYTE).zip(words) {
            let word = u32::from_le_bytes(*word);
            for (i, value) in group.iter_mut().enumerate() {
                // Signed integers are what there are conversions for.
                *value = (word >> (i * Self::BITS) & u32::from(Self::TOP)) as i32 as f32;
            }
        }
        for (i, value) in last.iter_mut().enumerate() {
            *value = f32::from(Self::code(rest, i));
        }
        values
    }

    /// Writes codes, each at most [`Packing::TOP`], to as many bytes as they fill; the rest of the last byte is 0.
    #[inline(always)]
    fn pack(codes: &[u8], bytes: &mut [u8]) {
        for (byte, codes) in bytes.iter_mut().zip(codes.chunks(Self::PER_BYTE)) {
            *byte = codes
                .iter()
                .rev()
                .fold(0, |byte, code| if Self::BITS == 8 { *code } else { byte << Self::BITS | code });
        }
    }
}

impl Packing for Bits<8> {
    const BITS: usize = 8;
}

impl Packing for Bits<4> {
    const BITS: usize = 4;
}

impl Packing for Bits<2> {
    const BITS: usize = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<P: Packing>() {
        for n in (0..100).step_by(P::PER_BYTE) {
            let codes: Vec<u8> = (0..n).map(|i| (i * 7 + i / 3) as u8 & P::TOP).collect();
            let mut bytes = vec![0xff; n / P::PER_BYTE];
            P::pack(&codes, &mut bytes);
            for at in 0..n {
                assert_eq!(P::code(&bytes, at), codes[at]);
                let check = |values: &[f32]| {
                    assert!(values.iter().zip(&codes[at..]).all(|(v, c)| *v == f32::from(*c)), "{n} {at}");
                };
                check(&P::unpack::<1>(&bytes, at));
                if at + 4 <= n {
                    check(&P::unpack::<4>(&bytes, at));
                }
                if at + 16 <= n {
                    check(&P::unpack::<16>(&bytes, at));
                }
                if at + 64 <= n {
                    check(&P::unpack::<64>(&bytes, at));
                }
            }
        }
    }

    #[test]
    fn codes_come_back_in_their_places() {
        round_trip::<Bits<8>>();
        round_trip::<Bits<4>>();
        round_trip::<Bits<2>>();
        let mut byte = [0];
        Bits::<2>::pack(&[1, 2, 3, 0], &mut byte);
        assert_eq!(byte, [0b00_11_10_01]);
        Bits::<4>::pack(&[1, 15], &mut byte);
        assert_eq!(byte, [0xf1]);
    }
}
