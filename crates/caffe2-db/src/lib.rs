//! Databases as Caffe2 keeps them: files of records, each a key and a value.
//!
//! Caffe2 knows several kinds of databases; the one that every build has, and that models are shipped in, is
//! [`minidb`]. What the values mean is the business of who writes them: `Save` writes one `BlobProto` for each blob.
//!
//! ```
//! use std::io::Cursor;
//! use caffe2_db::minidb::{Reader, Writer};
//!
//! let mut file = Vec::new();
//! let mut writer = Writer::new(&mut file);
//! writer.put("w#%0", b"a serialised BlobProto")?;
//! writer.put("b#%0", b"another")?;
//!
//! let mut reader = Reader::new(Cursor::new(file))?;
//! while let Some(key) = reader.next_key()? {
//!     if key == "b#%0" {
//!         assert_eq!(reader.value()?, &b"another"[..]);
//!     }
//! }
//! # Ok::<(), caffe2_db::DbError>(())
//! ```
//!
//! Beside it stands [`write_whole`], by which files are replaced whole or not at all.
#![forbid(unsafe_code)]

mod error;
pub mod minidb;
mod whole;

pub use error::{DbError, DbErrorKind};
pub use whole::{NotWritten, write_whole};

/// Whether `db_type`, as the arguments of operators have it, means the kind of databases that is there: `minidb`.
///
/// # Errors
/// When it means another one, or none.
pub fn check_type(db_type: &str) -> Result<(), DbError> {
    match db_type {
        "minidb" | "MiniDB" => Ok(()),
        other => {
            Err(DbError::new(DbErrorKind::Unsupported, format!("databases of type `{other}` are not served"))
                .help("save it as `minidb` with Caffe2"))
        }
    }
}
