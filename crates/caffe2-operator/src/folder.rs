//! Files that operators may use.

use std::io;
use std::path::{Component, Path, PathBuf};

/// A folder whose files operators such as `Load` and `Save` may use, and no others: the file access of a workspace
/// that runs nets from elsewhere.
///
/// Paths are relative to the folder. Neither `..` nor symbolic links lead out of it: a path is resolved before a file
/// is touched, and refused if what it stands for lies elsewhere. A net cannot make links, so this holds
/// as long as no other program that may write to the folder changes links in it at the same moment.
///
/// ```
/// use caffe2_operator::{Folder, Workspace};
///
/// let place = tempfile::tempdir()?;
/// std::fs::write(place.path().join("weights.minidb"), "")?;
/// let folder = Folder::new(place.path())?;
/// assert!(folder.existing("weights.minidb").is_ok());
/// assert!(folder.existing("../weights.minidb").unwrap_err().to_string().contains("outside"));
///
/// let mut workspace = Workspace::new();
/// workspace.allow_files(folder);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Absolute, without links.
    root: PathBuf,
    /// Absolute, as it was given.
    given: PathBuf,
}

/// Why a file may not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The path leads out of the folder.
    #[error("`{}` is outside of the folder that operators may use, {}", path.display(), folder.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// There is something of this name that is no file: a folder, a pipe.
    #[error("`{}` is no file", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The system did not find it, or did not permit it.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system answered.
        error: io::Error,
    },
}

impl Folder {
    /// The folder at this path.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Folder> {
        let path = path.as_ref();
        let folder = Folder { root: path.canonicalize()?, given: std::path::absolute(path)? };
        if !folder.root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "this is no folder"));
        }
        Ok(folder)
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where a file is that exists already: `path` in the folder, every link resolved.
    ///
    /// # Errors
    /// When it does not exist, is no file, or lies elsewhere. A path that leads out by itself is refused without
    /// a look at what is there.
    pub fn existing(&self, path: impl AsRef<Path>) -> Result<PathBuf, FolderError> {
        let path = path.as_ref();
        let resolved = self.resolve(path, &self.within(path)?)?;
        if !resolved.is_file() {
            return Err(FolderError::NoFile { path: path.to_owned() });
        }
        Ok(resolved)
    }

    /// Where to write a file, which may exist already: `path` in the folder, every link resolved.
    ///
    /// # Errors
    /// When the folder that it is to lie in does not exist, something else than a file is in its place, or it
    /// lies elsewhere.
    pub fn target(&self, path: impl AsRef<Path>) -> Result<PathBuf, FolderError> {
        let path = path.as_ref();
        let whole = self.within(path)?;
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(FolderError::NoFile { path: path.to_owned() });
        };
        let place = self.resolve(path, parent)?.join(name);
        match place.symlink_metadata() {
            Ok(_) => self.existing(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(place),
            Err(error) => Err(FolderError::Io { path: path.to_owned(), error }),
        }
    }

    fn outside(&self, path: &Path) -> FolderError {
        FolderError::Outside { path: path.to_owned(), folder: self.given.clone() }
    }

    /// The whole path of one that stays in the folder by its own words.
    fn within(&self, path: &Path) -> Result<PathBuf, FolderError> {
        let relative = match path.is_absolute() {
            true => path.strip_prefix(&self.given).or_else(|_| path.strip_prefix(&self.root)),
            false => Ok(path),
        };
        let relative = relative.map_err(|_| self.outside(path))?;
        let mut depth = 0usize;
        for component in relative.components() {
            depth = match component {
                Component::Normal(_) => depth + 1,
                Component::CurDir => depth,
                Component::ParentDir => depth.checked_sub(1).ok_or_else(|| self.outside(path))?,
                Component::Prefix(_) | Component::RootDir => return Err(self.outside(path)),
            };
        }
        Ok(self.root.join(relative))
    }

    /// What a path stands for, if that is in the folder.
    fn resolve(&self, path: &Path, whole: &Path) -> Result<PathBuf, FolderError> {
        let resolved =
            whole.canonicalize().map_err(|error| FolderError::Io { path: path.to_owned(), error })?;
        if resolved.starts_with(&self.root) { Ok(resolved) } else { Err(self.outside(path)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn place() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("in/sub")).unwrap();
        fs::write(place.path().join("in/a"), "").unwrap();
        fs::write(place.path().join("in/sub/b"), "").unwrap();
        fs::write(place.path().join("secret"), "").unwrap();
        let folder = Folder::new(place.path().join("in")).unwrap();
        (place, folder)
    }

    fn is_outside<T: std::fmt::Debug>(result: Result<T, FolderError>) -> bool {
        matches!(result, Err(FolderError::Outside { .. }))
    }

    #[test]
    fn files_in_the_folder_are_found() {
        let (place, folder) = place();
        let a = folder.path().join("a");
        for path in ["a", "./a", "sub/../a", "sub/./../a"] {
            assert_eq!(folder.existing(path).unwrap(), a, "{path}");
        }
        assert_eq!(folder.existing(place.path().join("in/a")).unwrap(), a);
        assert_eq!(folder.existing(&a).unwrap(), a);
        assert_eq!(folder.target("a").unwrap(), a);
        assert_eq!(folder.target("sub/new").unwrap(), folder.path().join("sub/new"));
        for path in ["", ".", "sub", ".."] {
            assert!(folder.existing(path).is_err() && folder.target(path).is_err(), "{path}");
        }
        assert!(matches!(folder.existing("new"), Err(FolderError::Io { .. })));
        assert!(matches!(folder.target("no/new"), Err(FolderError::Io { .. })));
        assert!(
            Folder::new(place.path().join("secret")).is_err()
                && Folder::new(place.path().join("no")).is_err()
        );
    }

    #[test]
    fn nothing_leads_out_by_its_words() {
        let (place, folder) = place();
        let sibling = place.path().join("secret");
        for path in ["../secret", "sub/../../secret", "/etc/passwd", "/etc/no-such-file", "../in/a"] {
            assert!(is_outside(folder.existing(path)) && is_outside(folder.target(path)), "{path}");
        }
        assert!(is_outside(folder.existing(&sibling)) && is_outside(folder.target(&sibling)));
        assert!(is_outside(folder.existing(place.path().join("in/../secret"))));
        // Another folder whose name begins alike.
        assert!(is_outside(folder.existing(place.path().join("inner"))));
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out() {
        use std::os::unix::fs::symlink;
        let (place, folder) = place();
        let link = |to: &str, name: &str| symlink(to, place.path().join("in").join(name)).unwrap();
        link("../secret", "file");
        link("..", "up");
        link("sub/b", "inside");
        link("sub", "folder");
        link("../nothing", "dangling");
        for path in ["file", "up/secret"] {
            assert!(is_outside(folder.existing(path)) && is_outside(folder.target(path)), "{path}");
        }
        assert!(is_outside(folder.target("up/new")));
        assert!(folder.existing("dangling").is_err() && folder.target("dangling").is_err());
        assert!(!place.path().join("nothing").exists());
        assert_eq!(folder.existing("inside").unwrap(), folder.path().join("sub/b"));
        assert_eq!(folder.target("inside").unwrap(), folder.path().join("sub/b"));
        assert_eq!(folder.target("folder/new").unwrap(), folder.path().join("sub/new"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused() {
        let (place, folder) = place();
        let pipe = place.path().join("in/pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(matches!(folder.existing("pipe"), Err(FolderError::NoFile { .. })));
            assert!(matches!(folder.target("pipe"), Err(FolderError::NoFile { .. })));
        }
    }
}
