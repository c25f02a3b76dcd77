//! The header of a `.npy` file: a Python literal such as
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.

use caffe2_tensor::{DataType, Shape};

use crate::files::{FileError, FileErrorKind};

/// Longest header that is read; NumPy's own readers stop at 10,000 bytes.
pub(super) const MAX_HEADER: usize = 65_535;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) descr: Descr,
    pub(super) shape: Shape,
    /// The first index runs fastest.
    pub(super) fortran_order: bool,
}

/// The elements as they stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Descr {
    /// Numbers or truth values.
    Numbers(DataType, Endian),
    /// Byte strings of this width, filled up with NULs.
    Bytes(usize),
    /// Unicode strings of so many code points of four bytes, filled up with NULs.
    Unicode(usize, Endian),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Endian {
    const NATIVE: Endian = if cfg!(target_endian = "little") { Endian::Little } else { Endian::Big };
}

impl Descr {
    /// Bytes of an element.
    pub(super) fn item_size(self) -> Option<usize> {
        match self {
            Descr::Numbers(data_type, _) => data_type.item_size(),
            Descr::Bytes(width) => Some(width),
            Descr::Unicode(width, _) => width.checked_mul(4),
        }
    }
}

impl Header {
    /// Parses the text of a header.
    pub(super) fn parse(text: &[u8]) -> Result<Header, FileError> {
        let mut parser = Parser { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        parser.expect(b'{')?;
        while !parser.eat(b'}') {
            let key = parser.string()?;
            parser.expect(b':')?;
            match key {
                b"descr" => descr = Some(parser.descr()?),
                b"fortran_order" => fortran_order = Some(parser.boolean()?),
                b"shape" => shape = Some(parser.shape()?),
                other => return Err(bad(format!("unknown key `{}`", other.escape_ascii()))),
            }
            if !parser.eat(b',') {
                parser.expect(b'}')?;
                break;
            }
        }
        parser.end()?;
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, shape, fortran_order }),
            _ => Err(bad("`descr`, `fortran_order` and `shape` must all be there")),
        }
    }
}

fn bad(what: impl std::fmt::Display) -> FileError {
    FileError::malformed(format!("the header of the array is malformed: {what}"))
}

/// A parser of the few Python literals that stand in a header.
struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    fn expect(&mut self, wanted: u8) -> Result<(), FileError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(wanted)))) }
    }

    fn unexpected(&self, wanted: &str) -> FileError {
        match self.rest.first() {
            Some(_) => {
                let found = &self.rest[..self.rest.len().min(20)];
                bad(format!("expected {wanted}, found `{}`", found.escape_ascii()))
            }
            None => bad(format!("expected {wanted}, found its end")),
        }
    }

    fn end(&mut self) -> Result<(), FileError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("its end")) }
    }

    /// A string without escapes.
    fn string(&mut self) -> Result<&'a [u8], FileError> {
        let quote = self.peek().filter(|b| b"'\"".contains(b)).ok_or_else(|| self.unexpected("a string"))?;
        let after = &self.rest[1..];
        let length = after.iter().position(|&b| b == quote).ok_or_else(|| bad("a string does not end"))?;
        self.rest = &after[length + 1..];
        Ok(&after[..length])
    }

    fn boolean(&mut self) -> Result<bool, FileError> {
        self.peek();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("`True` or `False`"))
    }

    fn descr(&mut self) -> Result<Descr, FileError> {
        if self.peek() == Some(b'[') {
            return Err(unsupported("a list of fields").help("save each field as an array of its own"));
        }
        parse_descr(self.string()?)
    }

    fn shape(&mut self) -> Result<Shape, FileError> {
        self.expect(b'(')?;
        let mut dims = Vec::new();
        while !self.eat(b')') {
            dims.push(self.number()?);
            if !self.eat(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Shape::from_i64s(&dims).map_err(bad)
    }

    fn number(&mut self) -> Result<i64, FileError> {
        self.peek();
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
        let (number, rest) = self.rest.split_at(digits);
        let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
        let number = number.ok_or_else(|| self.unexpected("a dimension"))?;
        // Python 2 wrote long integers so.
        self.rest = rest.strip_prefix(b"L").unwrap_or(rest);
        Ok(number)
    }
}

fn unsupported(descr: &str) -> FileError {
    let message = format!("tensors have no elements of dtype `{descr}`");
    FileError::new(FileErrorKind::Unsupported, message)
}

/// Reads a type such as `<f4`: byte order, kind, bytes (or code points) of an element.
fn parse_descr(text: &[u8]) -> Result<Descr, FileError> {
    let shown = text.escape_ascii().to_string();
    let (endian, text) = match text {
        [b'<', rest @ ..] => (Endian::Little, rest),
        [b'>', rest @ ..] => (Endian::Big, rest),
        [b'|' | b'=', rest @ ..] => (Endian::NATIVE, rest),
        rest => (Endian::NATIVE, rest),
    };
    let Some((&kind, size)) = text.split_first() else { return Err(bad("the dtype is empty")) };
    let size: Option<usize> = std::str::from_utf8(size).ok().and_then(|s| s.parse().ok());
    let data_type = match (kind, size) {
        (b'O', _) => {
            let message =
                format!("arrays of Python objects (dtype `{shown}`) are not read, they can hold code");
            return Err(FileError::new(FileErrorKind::Unsupported, message)
                .help("save strings with dtype `S`: `a.astype('S')`"));
        }
        (b'S' | b'a', Some(width)) => return Ok(Descr::Bytes(width)),
        (b'U', Some(width)) => return Ok(Descr::Unicode(width, endian)),
        (b'f', Some(4)) => DataType::Float,
        (b'f', Some(8)) => DataType::Double,
        (b'f', Some(2)) => DataType::Float16,
        (b'i', Some(1)) => DataType::Int8,
        (b'i', Some(2)) => DataType::Int16,
        (b'i', Some(4)) => DataType::Int32,
        (b'i', Some(8)) => DataType::Int64,
        (b'u', Some(1)) => DataType::UInt8,
        (b'u', Some(2)) => DataType::UInt16,
        (b'b', Some(1)) => DataType::Bool,
        (b'u', Some(_)) => return Err(unsupported(&shown).help("convert it: `a.astype('i8')`")),
        (b'f', Some(_)) => return Err(unsupported(&shown).help("convert it: `a.astype('f8')`")),
        (b'c', Some(_)) => return Err(unsupported(&shown).help("save `a.real` and `a.imag`")),
        (b'M' | b'm', _) => return Err(unsupported(&shown).help("convert it: `a.astype('i8')`")),
        _ => return Err(unsupported(&shown)),
    };
    Ok(Descr::Numbers(data_type, endian))
}

/// The type as NumPy writes it, of this machine's byte order made explicit as little.
pub(super) fn descr_of(data_type: DataType, string_width: usize) -> String {
    match data_type {
        DataType::Float => "<f4".into(),
        DataType::Double => "<f8".into(),
        DataType::Float16 => "<f2".into(),
        DataType::Int8 => "|i1".into(),
        DataType::Int16 => "<i2".into(),
        DataType::Int32 => "<i4".into(),
        DataType::Int64 => "<i8".into(),
        DataType::UInt8 => "|u1".into(),
        DataType::UInt16 => "<u2".into(),
        DataType::Bool => "|b1".into(),
        DataType::String => format!("|S{string_width}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, String> {
        Header::parse(text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn headers_of_numpy_are_read() {
        let header =
            parse("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n").unwrap();
        assert_eq!(header.descr, Descr::Numbers(DataType::Float, Endian::Little));
        assert_eq!((header.shape.dims(), header.fortran_order), ([2, 3].as_slice(), false));
        let header = parse("{\"shape\": (3L,), 'fortran_order':True,'descr':\t'>U7'}").unwrap();
        assert_eq!(header.descr, Descr::Unicode(7, Endian::Big));
        assert_eq!((header.shape.dims(), header.fortran_order), ([3].as_slice(), true));
        let header = parse("{'descr': '|b1', 'fortran_order': False, 'shape': (), }").unwrap();
        assert_eq!((header.shape.rank(), header.shape.numel()), (0, 1));
    }

    #[test]
    fn what_is_written_is_read() {
        for data_type in DataType::ALL {
            let descr = parse_descr(descr_of(data_type, 5).as_bytes()).unwrap();
            assert_eq!(descr.item_size(), data_type.item_size().or(Some(5)), "{data_type}");
        }
    }

    #[test]
    fn other_types_are_named_with_a_remedy() {
        for (descr, remedy) in [
            ("<u4", "a.astype('i8')"),
            ("<u8", "a.astype('i8')"),
            ("<c8", "a.real"),
            ("<f16", "a.astype('f8')"),
            ("|O", "a.astype('S')"),
            ("<M8[ns]", "a.astype('i8')"),
            ("|V8", ""),
            ("<f", ""),
            ("<i3", ""),
        ] {
            let error = parse_descr(descr.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), FileErrorKind::Unsupported, "{error}");
            let text = error.to_string();
            assert!(text.contains(&format!("`{descr}`")) && text.contains(remedy), "{text}");
        }
        let fields = parse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }").unwrap_err();
        assert!(fields.contains("list of fields"), "{fields}");
    }

    #[test]
    fn broken_headers_say_what_was_expected() {
        for (text, words) in [
            ("", "expected `{`, found its end"),
            ("[]", "expected `{`, found `[]`"),
            ("{'descr", "does not end"),
            ("{'descr' '<f4'}", "expected `:`"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "`True` or `False`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (x,)}", "expected a dimension"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                "expected a dimension",
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "-2"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "multiply"),
            ("{'descr': '<f4', 'fortran_order': False}", "must all be there"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "expected its end"),
            ("{'color': 'red'}", "unknown key `color`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
