//! Files that begin with a mark of their own.

use super::FileKind;

const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The kind of a file that has a signature, or is empty.
pub(super) fn of(content: &[u8]) -> Option<FileKind> {
    let starts = |mark: &[u8]| content.starts_with(mark);
    Some(if content.is_empty() {
        FileKind::Empty
    } else if starts(LFS) {
        FileKind::GitLfsPointer
    } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        FileKind::Zip
    } else if starts(b"\x93NUMPY") {
        FileKind::Npy
    } else if starts(&[0x1f, 0x8b, 8]) {
        FileKind::Gzip
    } else if is_html(content) {
        FileKind::Html
    } else {
        return None;
    })
}

fn is_html(content: &[u8]) -> bool {
    let start = content.trim_ascii_start();
    let begins = |word: &[u8]| start.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    begins(b"<!doctype html") || begins(b"<html")
}

/// The size that a Git-LFS pointer gives.
pub(super) fn lfs_size(content: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(content.get(..content.len().min(1024))?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("size "))?.trim().parse().ok()
}
