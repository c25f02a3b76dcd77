//! A database that is being read, as the content of a blob.

use std::cell::{RefCell, RefMut};
use std::path::{Path, PathBuf};

use caffe2_db::DbError;
use caffe2_db::minidb::{Reader, Source};
use caffe2_operator::proto::bytes::Bytes;

type Records = Reader<Box<dyn Source>>;

/// A database that stands at a record: what `CreateDB` makes, and `Load` reads from there on.
pub struct DbReader {
    records: RefCell<Records>,
    path: Option<PathBuf>,
}

impl std::fmt::Debug for DbReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DbReader {
    /// The database in a file, at its first record.
    ///
    /// # Errors
    /// When the file cannot be read, or its first record is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<DbReader, DbError> {
        DbReader::open_as(path.as_ref(), path.as_ref())
    }

    /// The database in a file that messages call by another name.
    pub(crate) fn open_as(path: &Path, name: &Path) -> Result<DbReader, DbError> {
        let records = Reader::open_as(path, name)?;
        DbReader::new(records.boxed(), Some(name.to_owned()))
    }

    /// The database in memory, at its first record.
    ///
    /// # Errors
    /// When its first record is damaged.
    pub fn from_bytes(content: impl Into<Bytes>) -> Result<DbReader, DbError> {
        DbReader::new(Reader::from_bytes(content).boxed(), None)
    }

    fn new(records: Records, path: Option<PathBuf>) -> Result<DbReader, DbError> {
        let reader = DbReader { records: RefCell::new(records), path };
        reader.skip(1)?;
        Ok(reader)
    }

    /// The records; the current one comes next.
    pub(crate) fn records(&self) -> RefMut<'_, Records> {
        self.records.borrow_mut()
    }

    /// Goes a number of records further; whether there are so many.
    pub(crate) fn skip(&self, records: usize) -> Result<bool, DbError> {
        let mut cursor = self.records();
        for _ in 0..records {
            if cursor.next_key().map_err(|e| self.named(e))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The error with the name of the file.
    pub(crate) fn named(&self, error: DbError) -> DbError {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}
