//! Reading a net's file in parts, so that the bytes of each operator can go when it has run.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use bytes::Bytes;

use crate::{ProtoError, sniff, wire};

/// Bytes from which on a field is a part by itself; shorter ones share a part of about as many. Fewer in tests.
pub(super) const LONG: usize = if cfg!(test) { 256 } else { 64 << 10 };

/// Bytes that are looked at to tell text.
const HEAD: usize = 64 << 10;

/// Bytes asked of the system at once where the file does not say how long it is.
const STEP: usize = 8 << 20;

/// The content of a file of at most `max_bytes`: parts of whole fields if it is in binary form, as far as that can be
/// told by their lengths; else a single part.
pub(super) fn read(path: &Path, max_bytes: usize) -> Result<Vec<Bytes>, ProtoError> {
    let too_long = |found: usize| wire::over_limit("bytes", max_bytes, found).in_file(path);
    let io = |error| ProtoError::from_io(error, path);
    let file = File::open(path).map_err(io)?;
    let length = usize::try_from(file.metadata().map_err(io)?.len()).unwrap_or(usize::MAX);
    if length > max_bytes {
        return Err(too_long(length));
    }
    // The length may be 0 for what is no plain file, and may change while it is read.
    let parts = split(file.take((max_bytes as u64).saturating_add(1)), length).map_err(io)?;
    let found = parts.iter().map(Bytes::len).sum();
    if found > max_bytes { Err(too_long(found)) } else { Ok(parts) }
}

/// All parts as one.
pub(super) fn join(mut parts: Vec<Bytes>) -> Bytes {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Bytes::new(),
        (Some(only), true) => only,
        (Some(last), false) => {
            let mut whole = Vec::with_capacity(parts.iter().map(Bytes::len).sum::<usize>() + last.len());
            parts.iter().chain([&last]).for_each(|part| whole.extend_from_slice(part));
            whole.into()
        }
    }
}

/// `expected` is how long the input says it is.
pub(super) fn split(input: impl Read, expected: usize) -> io::Result<Vec<Bytes>> {
    let mut input = BufReader::with_capacity(HEAD, input);
    let mut splitter = Splitter { parts: Vec::new(), open: Vec::new(), left: expected };
    if !sniff::looks_like_text(input.fill_buf()?) {
        while splitter.field(&mut input)? {}
    }
    // Text, the rest of what is no message, or nothing.
    splitter.append(&mut input, u64::MAX)?;
    splitter.close();
    Ok(splitter.parts)
}

struct Splitter {
    parts: Vec<Bytes>,
    /// The part that is being read.
    open: Vec<u8>,
    /// Bytes that the input still has, by what it says.
    left: usize,
}

impl Splitter {
    /// Reads a field; tells whether another may follow.
    fn field(&mut self, input: &mut impl BufRead) -> io::Result<bool> {
        let start = self.open.len();
        let Some(key) = self.varint(input)? else { return Ok(false) };
        match key & 7 {
            0 => Ok(self.varint(input)?.is_some()),
            1 => self.append(input, 8),
            5 => self.append(input, 4),
            2 => {
                let Some(length) = self.varint(input)? else { return Ok(false) };
                let is_long = length >= LONG as u64;
                if is_long && start > 0 {
                    let header = self.open.split_off(start);
                    self.close();
                    self.open = header;
                }
                let whole = self.append(input, length)?;
                if is_long || self.open.len() >= LONG {
                    self.close();
                }
                Ok(whole)
            }
            _ => Ok(false),
        }
    }

    /// Reads a varint; `None` where the input ends before it does, or it does not end.
    fn varint(&mut self, input: &mut impl BufRead) -> io::Result<Option<u64>> {
        let mut value = 0;
        for index in 0..10 {
            let at = self.open.len();
            if !self.append(input, 1)? {
                return Ok(None);
            }
            let byte = self.open[at];
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Reads so many bytes; tells whether there were as many. Memory is taken for what the input has, not for what a
    /// length in it says.
    fn append(&mut self, input: &mut impl BufRead, count: u64) -> io::Result<bool> {
        let mut missing = count;
        while missing > 0 {
            let step = missing.min(self.left.max(STEP) as u64);
            if step >= LONG as u64 {
                self.open.reserve_exact(usize::try_from(step).unwrap_or(usize::MAX).min(self.left));
            }
            let read = input.take(step).read_to_end(&mut self.open)?;
            self.left = self.left.saturating_sub(read);
            missing -= read as u64;
            if (read as u64) < step {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.parts.push(std::mem::take(&mut self.open).into());
        }
    }
}
