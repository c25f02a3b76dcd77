//! Writing a file whole or not at all.

use std::{fs::File, io::BufWriter, path::Path};

use super::FileError;

/// As [`caffe2_db::write_whole`], with the file's name in errors.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    caffe2_db::write_whole(path, content).map_err(|error: FileError| error.in_file(path))
}
