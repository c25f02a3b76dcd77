//! Long lists of numbers that stay in their binary form until they are wanted.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    Argument, ProtoError, ProtoErrorKind,
    wire::{Reader, WireFault, WireType},
};

/// Field numbers of `Argument`.
const NAME: u32 = 1;
const FLOATS: u32 = 5;
const INTS: u32 = 6;

/// Numbers that are decoded at a time: as many as the first-level cache has room for.
const PIECE: usize = 4096;

/// Bytes of an unpacked float: its key and its value.
const FLOAT_WITH_KEY: usize = 5;

/// The field of an [`Argument`] that a list of numbers stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberField {
    /// `floats`.
    Floats,
    /// `ints`.
    Ints,
}

impl NumberField {
    /// The name of the field.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Floats => "floats",
            Self::Ints => "ints",
        }
    }
}

/// A long list of numbers of an argument: a slice of the input, not decoded.
#[derive(Clone)]
pub struct EncodedNumbers {
    field: NumberField,
    packed: bool,
    len: usize,
    bytes: Bytes,
    _release: Option<Arc<Release>>,
}

/// Is told which bytes of the input are no longer needed.
pub(super) type ReleaseFn = Arc<dyn Fn(Range<usize>) + Send + Sync>;

/// Tells, when it goes, that nobody needs some bytes of the input any more.
struct Release {
    range: Range<usize>,
    tell: ReleaseFn,
}

impl Drop for Release {
    fn drop(&mut self) {
        (self.tell)(self.range.clone());
    }
}

impl EncodedNumbers {
    /// An argument that consists of a name and one run of numbers, taken apart; `None` for any other. `argument` is
    /// its binary form, which begins at byte `offset` of the input.
    pub(super) fn split(
        argument: &Bytes,
        offset: usize,
        release: Option<&ReleaseFn>,
    ) -> Option<(Argument, EncodedNumbers)> {
        let mut reader = Reader::new(argument);
        let mut rest = Argument::default();
        let mut numbers = None;
        while !reader.is_done() {
            let start = reader.at();
            match reader.key().ok()? {
                (NAME, WireType::Length) => {
                    let name = reader.length_delimited().ok()?;
                    rest.name = Some(std::str::from_utf8(name).ok()?.to_owned());
                }
                (number @ (FLOATS | INTS), wire) if numbers.is_none() => {
                    let field = if number == FLOATS { NumberField::Floats } else { NumberField::Ints };
                    let (len, range) = run(&mut reader, start, field, wire).ok()??;
                    let bytes = argument.slice(range.clone());
                    let _release = release.map(|tell| {
                        let range = offset + range.start..offset + range.end;
                        Arc::new(Release { range, tell: Arc::clone(tell) })
                    });
                    let packed = wire == WireType::Length;
                    numbers = Some(EncodedNumbers { field, packed, len, bytes, _release });
                }
                _ => return None,
            }
        }
        Some((rest, numbers.filter(|numbers| numbers.len > 0)?))
    }

    /// The field that the numbers stand in.
    #[must_use]
    pub fn field(&self) -> NumberField {
        self.field
    }

    /// How many numbers there are, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a list without numbers is never kept so")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Decodes the numbers in order, a few thousand at a time, and calls `take` with each piece: a nameless argument
    /// that has them in [`EncodedNumbers::field`].
    ///
    /// # Errors
    /// The first error of `take`. When the input is a mapped file that somebody changed, so that the bytes are no
    /// longer this many numbers.
    pub fn for_each_piece<E: From<ProtoError>>(
        &self,
        mut take: impl FnMut(&Argument) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut piece = Argument::default();
        let mut reader = Reader::new(&self.bytes);
        let mut left = self.len;
        while left > 0 {
            let count = left.min(PIECE);
            self.decode(&mut reader, count, &mut piece).map_err(|_| changed())?;
            left -= count;
            take(&piece)?;
        }
        Ok(())
    }

    fn decode(&self, reader: &mut Reader<'_>, count: usize, to: &mut Argument) -> Result<(), WireFault> {
        match self.field {
            NumberField::Floats => {
                let key = if self.packed { 0 } else { FLOAT_WITH_KEY - 4 };
                let bytes = reader.take((count * (key + 4)) as u64)?;
                to.floats.clear();
                if self.packed {
                    to.floats.extend(bytes.as_chunks().0.iter().map(|float| f32::from_le_bytes(*float)));
                } else {
                    let floats = bytes.as_chunks::<FLOAT_WITH_KEY>().0.iter();
                    to.floats.extend(floats.map(|[_, a, b, c, d]| f32::from_le_bytes([*a, *b, *c, *d])));
                }
            }
            NumberField::Ints => {
                to.ints.clear();
                for _ in 0..count {
                    if !self.packed {
                        reader.key()?;
                    }
                    to.ints.push(reader.varint()?.cast_signed());
                }
            }
        }
        Ok(())
    }

    /// The same list over fewer bytes, as if the file under it had changed.
    #[cfg(test)]
    pub(super) fn cut_short(&self) -> EncodedNumbers {
        EncodedNumbers { bytes: self.bytes.slice(..self.bytes.len() - 1), ..self.clone() }
    }

    /// Decodes the numbers into the argument that they were taken from.
    pub(super) fn restore(&self, argument: &mut Argument) -> Result<(), ProtoError> {
        match self.field {
            NumberField::Floats => argument.floats.reserve_exact(self.len),
            NumberField::Ints => argument.ints.reserve_exact(self.len),
        }
        self.for_each_piece(|piece| {
            argument.floats.extend_from_slice(&piece.floats);
            argument.ints.extend_from_slice(&piece.ints);
            Ok(())
        })
    }
}

/// The length of the run of numbers whose first key stands at `start`, and its bytes: those of the values where they
/// are packed, else all from `start` on. `None` where a key is written in more bytes than it needs.
fn run(
    reader: &mut Reader<'_>,
    start: usize,
    field: NumberField,
    wire: WireType,
) -> Result<Option<(usize, Range<usize>)>, WireFault> {
    let first = reader.at();
    if first != start + 1 {
        return Ok(None);
    }
    let len = match (field, wire) {
        (NumberField::Floats, WireType::Fixed32) => {
            reader.take(4)?;
            1 + reader.skip_alike(start, 1, 4)
        }
        (NumberField::Ints, WireType::Varint) => {
            reader.varint()?;
            1 + reader.skip_varints_alike(start)?
        }
        (_, WireType::Length) => {
            let bytes = reader.length_delimited()?.len();
            let range = reader.at() - bytes..reader.at();
            let mut values = reader.within(range.start, range.end);
            let mut len = bytes / 4;
            if field == NumberField::Ints {
                len = 0;
                while !values.is_done() {
                    values.varint()?;
                    len += 1;
                }
            }
            return Ok(Some((len, range)));
        }
        _ => return Ok(None),
    };
    Ok(Some((len, start..reader.at())))
}

fn changed() -> ProtoError {
    ProtoError::new(ProtoErrorKind::Malformed, "the input has changed since it was read first")
}

impl PartialEq for EncodedNumbers {
    fn eq(&self, other: &Self) -> bool {
        (self.field, self.packed, self.len, &self.bytes)
            == (other.field, other.packed, other.len, &other.bytes)
    }
}

impl fmt::Debug for EncodedNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {} bytes", self.len, self.field.name(), self.bytes.len())
    }
}
