//! Which database the arguments of an operator mean.

use std::path::{Path, PathBuf};

use caffe2_operator::{ArgError, Args, Folder, OpError, OpSchema};

use crate::DbReader;

/// A database of type `minidb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    path: String,
    /// Whether a path that begins at the root of the file system is meant so.
    absolute: bool,
}

/// What a schema says of `db_type`.
pub(crate) const DB_TYPE: &str = "the type of the database; `minidb` is served";

/// What a schema says of `absolute_path`.
pub(crate) const ABSOLUTE_PATH: &str = "whether a path may begin at the root of the file system; what it leads to must lie in the folder all the same";

/// Adds the arguments that say how to find a database.
pub(crate) fn arguments(schema: OpSchema) -> OpSchema {
    schema.arg("db_type", DB_TYPE, "").arg("absolute_path", ABSOLUTE_PATH, false)
}

/// Checks the argument `db_type`.
pub(crate) fn check_type(args: &Args<'_>) -> Result<(), ArgError> {
    let db_type: String = args.get("db_type")?;
    if db_type.is_empty() {
        return Err(ArgError::value("db_type", "expected a type of database, such as `minidb`"));
    }
    caffe2_db::check_type(&db_type).map_err(|e| ArgError::value("db_type", e.to_string()))
}

impl Location {
    /// The database at the path in the argument `name`.
    pub(crate) fn of(args: &Args<'_>, name: &'static str) -> Result<Location, ArgError> {
        check_type(args)?;
        Location::new(name, args.get(name)?, args.get("absolute_path")?)
    }

    /// The database at this path, which the argument `name` gave.
    pub(crate) fn new(name: &'static str, path: String, absolute: bool) -> Result<Location, ArgError> {
        if path.is_empty() {
            return Err(ArgError::value(name, "expected the path of a database"));
        }
        Ok(Location { path, absolute })
    }

    /// The path, where it begins at the folder of the workspace unless at the root.
    fn path(&self) -> &Path {
        // Caffe2 puts the folder before whatever the path is.
        Path::new(if self.absolute { self.path.as_str() } else { self.path.trim_start_matches('/') })
    }

    /// The path that was given, for messages.
    pub(crate) fn given(&self) -> &Path {
        Path::new(&self.path)
    }

    /// Opens the database for reading.
    pub(crate) fn open(&self, folder: &Folder) -> Result<DbReader, OpError> {
        let path = folder.existing(self.path()).map_err(failed)?;
        DbReader::open_as(&path, self.given()).map_err(failed)
    }

    /// Whether the database can be opened.
    pub(crate) fn exists(&self, folder: &Folder) -> bool {
        self.open(folder).is_ok()
    }

    /// Where to write the database.
    pub(crate) fn target(&self, folder: &Folder) -> Result<PathBuf, OpError> {
        folder.target(self.path()).map_err(failed)
    }
}

/// The error of an operator that could not use a database.
pub(crate) fn failed(error: impl std::fmt::Display) -> OpError {
    OpError::Other(error.to_string())
}
