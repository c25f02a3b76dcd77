//! Tensors to feed: the option `--feed`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::files::{Limits, NamedTensors};
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::progress::Progress;

/// Where a feed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedArg {
    text: OsString,
}

/// A feed whose kind is known.
#[derive(Debug, PartialEq, Eq)]
enum FeedSource<'a> {
    /// All tensors of a file, by their own names.
    File(&'a Path),
    /// The one tensor of a file, by this name.
    Named(&'a str, &'a Path),
}

impl FeedArg {
    /// What reads it from a command line.
    pub(crate) fn parser() -> impl TypedValueParser<Value = FeedArg> {
        OsStringValueParser::new().try_map(FeedArg::parse)
    }

    fn parse(text: OsString) -> Result<FeedArg, String> {
        match text.to_str().and_then(|t| t.split_once('=')) {
            Some(("", _)) => Err("there is no name before `=`; it goes NAME=FILE".into()),
            Some((_, "")) => Err("there is no file after `=`; it goes NAME=FILE".into()),
            _ if text.is_empty() => Err("it goes FILE or NAME=FILE".into()),
            _ => Ok(FeedArg { text }),
        }
    }

    /// The source: with a name, if there is an `=` and no file is called by the whole.
    fn source(&self) -> FeedSource<'_> {
        let whole = Path::new(&self.text);
        match self.text.to_str().and_then(|t| t.split_once('=')) {
            Some((name, file)) if !whole.exists() => FeedSource::Named(name, Path::new(file)),
            _ => FeedSource::File(whole),
        }
    }
}

/// Reads what is to be fed.
pub(crate) fn read_feeds(args: &[FeedArg], limits: &Limits, progress: &Progress) -> Result<NamedTensors> {
    let mut feeds = NamedTensors::new();
    let mut origins: HashMap<String, PathBuf> = HashMap::new();
    for arg in args {
        let (path, tensors) = match arg.source() {
            FeedSource::File(path) => {
                progress.phase(&format!("reading {}", path.display()));
                (path, limits.read_tensors(path)?)
            }
            FeedSource::Named(name, path) => {
                progress.phase(&format!("reading {}", path.display()));
                (path, vec![(name.to_owned(), limits.read_tensor(path)?)])
            }
        };
        for (name, tensor) in tensors {
            tracing::debug!("{}: `{name}` {}", path.display(), caffe2::operator::TensorInfo::from(&tensor));
            if let Some(first) = origins.insert(name.clone(), path.to_owned()) {
                bail!("`{name}` is fed twice: from {} and from {}", first.display(), path.display());
            }
            feeds.push((name, tensor));
        }
    }
    Ok(feeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_files_or_named() {
        let parse = |text: &str| FeedArg::parse(text.into());
        assert_eq!(parse("a.npz").unwrap().source(), FeedSource::File(Path::new("a.npz")));
        assert_eq!(parse("x=a.npy").unwrap().source(), FeedSource::Named("x", Path::new("a.npy")));
        assert_eq!(parse("a/b=c=d.npy").unwrap().source(), FeedSource::Named("a/b", Path::new("c=d.npy")));
        assert!(parse("=a.npy").is_err() && parse("x=").is_err() && parse("").is_err());
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("k=v.npz");
        std::fs::write(&odd, "").unwrap();
        assert_eq!(parse(odd.to_str().unwrap()).unwrap().source(), FeedSource::File(&odd));
    }
}
