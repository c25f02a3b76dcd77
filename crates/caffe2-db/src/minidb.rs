//! Caffe2's `minidb`: records one after another, nothing else.
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the key, little-endian, at least 1 |
//! | 4 | length of the value, likewise |
//! | … | the key |
//! | … | the value |
//!
//! There is no header, no index and no end mark: the file ends where a record ends. Keys may repeat. (Caffe2 writes
//! lengths in the order of the machine; all it runs on are little-endian.)

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write},
    path::Path,
};

use bytes::Bytes;

use crate::{DbError, DbErrorKind};

/// Bytes of a key at most: it is read before anything is known of the record.
const LONGEST_KEY: usize = 1 << 20;

/// The bytes of the two lengths that begin a record.
const HEADER: u64 = 8;

/// The largest key or value: lengths are 32-bit integers with a sign.
pub const MAX_LENGTH: usize = i32::MAX as usize;

/// What a [`Reader`] of any kind of source reads from.
pub trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// Reads the records of a database in order.
///
/// Nothing in the file is trusted: a record is refused before anything is allocated for it, when it reaches beyond
/// the end of the file.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    length: u64,
    /// Where the next record begins.
    next: u64,
    current: Option<Current>,
    /// How many records came before the next.
    count: u64,
}

/// The record whose key was read.
#[derive(Debug)]
struct Current {
    key: String,
    start: u64,
    value_at: u64,
    value_len: usize,
}

impl Reader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened, or is no file that one can seek in, such as a pipe.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DbError> {
        Reader::open_as(path.as_ref(), path.as_ref())
    }

    /// Opens a file that the error calls by another name, such as one relative to a folder.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_as(path: &Path, name: &Path) -> Result<Self, DbError> {
        let file = File::open(path).map_err(|e| DbError::io(e, "opened").in_file(name))?;
        Reader::new(BufReader::new(file)).map_err(|e| e.in_file(name))
    }
}

impl Reader<Cursor<Bytes>> {
    /// Reads what is in memory already.
    pub fn from_bytes(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let length = content.len() as u64;
        Reader { source: Cursor::new(content), length, next: 0, current: None, count: 0 }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads from the beginning of `source`.
    ///
    /// # Errors
    /// When one cannot seek in it.
    pub fn new(mut source: R) -> Result<Self, DbError> {
        let length = source.seek(SeekFrom::End(0)).map_err(unread)?;
        source.rewind().map_err(unread)?;
        Ok(Reader { source, length, next: 0, current: None, count: 0 })
    }

    /// Goes on to the next record and returns its key; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or no record begins here: the error says at which byte. The reader then stays
    /// where it is.
    pub fn next_key(&mut self) -> Result<Option<&str>, DbError> {
        self.current = None;
        if self.next == self.length {
            return Ok(None);
        }
        let (start, record) = (self.next, self.count);
        let current = self.read_key(start).map_err(|e| e.at(record, start))?;
        self.next = current.value_at + current.value_len as u64;
        self.count += 1;
        Ok(Some(&self.current.insert(current).key))
    }

    /// The same reader, whatever it reads from.
    pub fn boxed<'a>(self) -> Reader<Box<dyn Source + 'a>>
    where
        R: Source + 'a,
    {
        let Reader { source, length, next, current, count } = self;
        Reader { source: Box::new(source), length, next, current, count }
    }

    fn read_key(&mut self, start: u64) -> Result<Current, DbError> {
        let left = self.length - start;
        if left < HEADER {
            return Err(cut_off(format!("a record begins with {HEADER} bytes, but {left} follow")));
        }
        self.seek_to(start)?;
        let mut header = [0; HEADER as usize];
        self.source.read_exact(&mut header).map_err(unread)?;
        let [key_len, value_len] =
            [0, 4].map(|at| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
        let key_len = self.check_length("key", key_len, left - HEADER)?;
        if key_len > LONGEST_KEY {
            let message = format!("the key takes {key_len} bytes, more than {LONGEST_KEY}");
            return Err(
                DbError::new(DbErrorKind::Malformed, message).help("the file is damaged, or no minidb")
            );
        }
        let key = self.read(key_len)?;
        let key = String::from_utf8(key).map_err(|_| {
            DbError::new(DbErrorKind::Malformed, "the key is no text")
                .help("the file is damaged, or no minidb")
        })?;
        let left = left - HEADER - key_len as u64;
        let value_len = self.check_length("value", value_len, left).map_err(|e| e.of_key(&key))?;
        Ok(Current { key, start, value_at: start + HEADER + key_len as u64, value_len })
    }

    fn check_length(&self, what: &str, length: i32, left: u64) -> Result<usize, DbError> {
        match usize::try_from(length) {
            Ok(found) if found > 0 && found as u64 <= left => Ok(found),
            Ok(found) if found > 0 => {
                Err(cut_off(format!("the {what} takes {found} bytes, but {left} follow")))
            }
            _ => Err(DbError::new(
                DbErrorKind::Malformed,
                format!("the length of the {what} is {length}, expected 1 or more"),
            )
            .help("the file is damaged, or no minidb")),
        }
    }

    /// The key of the current record; `None` before the first and at the end.
    pub fn key(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.key.as_str())
    }

    /// The length of the value of the current record; 0 before the first and at the end.
    pub fn value_len(&self) -> usize {
        self.current.as_ref().map_or(0, |current| current.value_len)
    }

    /// The first byte of the current record; that of the next one before the first and at the end.
    pub fn offset(&self) -> u64 {
        self.current.as_ref().map_or(self.next, |current| current.start)
    }

    /// The length of the whole file.
    pub fn file_len(&self) -> u64 {
        self.length
    }

    /// The value of the current record; no bytes before the first and at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or was cut while it is.
    pub fn value(&mut self) -> Result<Bytes, DbError> {
        let Some(Current { key, start, value_at, value_len }) = self.current.take() else {
            return Ok(Bytes::new());
        };
        let value = self.seek_to(value_at).and_then(|()| self.read(value_len));
        let value = value.map_err(|e| e.at(self.count - 1, start).of_key(&key));
        self.current = Some(Current { key, start, value_at, value_len });
        value.map(Bytes::from)
    }

    /// Goes back to before the first record.
    pub fn rewind(&mut self) {
        (self.next, self.count, self.current) = (0, 0, None);
    }

    /// An error about the current record: its value is no message of the kind that was expected, say.
    pub fn error(&self, message: impl Into<String>) -> DbError {
        let error = DbError::new(DbErrorKind::Malformed, message);
        match &self.current {
            Some(current) => error.at(self.count - 1, current.start).of_key(&current.key),
            None => error,
        }
    }

    fn seek_to(&mut self, at: u64) -> Result<(), DbError> {
        // Relative: a buffer that holds the place already is kept.
        let now = self.source.stream_position().map_err(unread)?;
        match i64::try_from(i128::from(at) - i128::from(now)) {
            Ok(0) => Ok(()),
            Ok(step) => self.source.seek_relative(step).map_err(unread),
            Err(_) => self.source.seek(SeekFrom::Start(at)).map(drop).map_err(unread),
        }
    }

    /// So many bytes, which the file was found to have.
    fn read(&mut self, length: usize) -> Result<Vec<u8>, DbError> {
        let mut bytes = Vec::new();
        let reserved = bytes.try_reserve_exact(length);
        reserved
            .map_err(|_| DbError::new(DbErrorKind::Io, format!("there is no memory for {length} bytes")))?;
        let found = self.source.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(unread)?;
        if found < length {
            return Err(cut_off(format!("{length} bytes were there when it was opened, now {found} are")));
        }
        Ok(bytes)
    }
}

fn unread(error: io::Error) -> DbError {
    DbError::io(error, "read")
}

fn cut_off(message: String) -> DbError {
    DbError::new(DbErrorKind::Malformed, message).help("the file was cut off, is damaged, or no minidb")
}

/// Writes the records of a database in order.
#[derive(Debug)]
pub struct Writer<W> {
    target: W,
    written: u64,
    count: u64,
}

impl<W: Write> Writer<W> {
    /// Writes to `target`, from where it stands.
    pub fn new(target: W) -> Writer<W> {
        Writer { target, written: 0, count: 0 }
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When key or value are empty or longer than [`MAX_LENGTH`], or the target cannot be written.
    pub fn put(&mut self, key: &str, value: &[u8]) -> Result<(), DbError> {
        let (record, offset) = (self.count, self.written);
        self.write(key.as_bytes(), value).map_err(|e| e.at(record, offset).of_key(key))?;
        self.written += HEADER + key.len() as u64 + value.len() as u64;
        self.count += 1;
        Ok(())
    }

    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), DbError> {
        let (key_len, value_len) = (length_of("key", key)?, length_of("value", value)?);
        for part in [&key_len[..], &value_len, key, value] {
            self.target.write_all(part).map_err(unwritten)?;
        }
        Ok(())
    }

    /// Hands the target back, flushed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, DbError> {
        self.target.flush().map_err(unwritten)?;
        Ok(self.target)
    }
}

/// The length of a part of a record, as the file has it.
fn length_of(what: &str, part: &[u8]) -> Result<[u8; 4], DbError> {
    match i32::try_from(part.len()) {
        Ok(length) if length > 0 => Ok(length.to_le_bytes()),
        _ => {
            let message = format!("a {what} of {} bytes; a record holds 1 to {MAX_LENGTH}", part.len());
            Err(DbError::new(DbErrorKind::Unsupported, message))
        }
    }
}

fn unwritten(error: io::Error) -> DbError {
    DbError::io(error, "written")
}

#[cfg(test)]
mod tests;
