//! What the blobs of a net take.

use super::written::KeptBlob;

/// What the blobs that a net writes take, each by itself and when they share memory.
///
/// Sizes are those of the last run. Of a net that never ran they are inferred if it shares memory, else unknown, which
/// counts as nothing. The memory that operators keep for
/// themselves, and the blobs that the net only reads, such as weights, do not count.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// Whether the net shares memory, or only could.
    pub shares: bool,
    /// Bytes of all blobs, each by itself.
    pub total: u64,
    /// Bytes that are needed when blobs share memory: of all buffers, and of the blobs that have memory of their own.
    pub shared: u64,
    /// The blobs, in the order in which the net first writes them.
    pub blobs: Vec<BlobMemory>,
}

/// What a blob takes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BlobMemory {
    /// The name; empty for a blob that has none.
    pub name: String,
    /// Bytes of its elements.
    pub bytes: u64,
    /// The buffer that it takes turns with, or why it has memory of its own.
    pub place: Result<usize, KeptBlob>,
}

impl std::fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = if self.total > 0 { 100.0 * self.shared as f64 / self.total as f64 } else { 100.0 };
        let does = if self.shares { "share" } else { "could share" };
        writeln!(
            f,
            "{} blobs of {} bytes together {does} memory and need {} bytes, {percent:.1} %",
            self.blobs.len(),
            self.total,
            self.shared
        )?;
        for BlobMemory { name, bytes, place } in &self.blobs {
            match place {
                Ok(buffer) => writeln!(f, "{bytes:>12}  {name}: buffer {buffer}")?,
                Err(kept) => writeln!(f, "{bytes:>12}  {name}: its own, {kept}")?,
            }
        }
        Ok(())
    }
}
