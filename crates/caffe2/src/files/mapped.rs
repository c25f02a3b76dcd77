//! Files that are mapped into memory: one of the few places with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use caffe2_proto::{EncodedNet, ProtoError, WireLimits};
use memmap2::Mmap;

/// Reading a file that is shorter takes no longer than mapping it.
const WORTHWHILE: u64 = 64 << 10;

/// Pages that are taken out of memory together; fewer are not worth a call.
const PAGES: usize = 64 << 10;

/// A net in a file that is mapped. `None` where the file is better read: it is short, no regular file, on another
/// machine, longer than the limits allow, or cannot be opened or mapped; reading it tells what is wrong.
pub(super) fn open_net(path: &Path, limits: &WireLimits) -> Option<Result<EncodedNet, ProtoError>> {
    let map = Arc::new(map(path, limits.max_bytes)?);
    let bytes = Bytes::from_owner(Shared(Arc::clone(&map)));
    let whole = 0..bytes.len();
    let released = Arc::downgrade(&map);
    let net = EncodedNet::from_mapped(bytes, limits, move |range| {
        if let Some(map) = released.upgrade() {
            release(&map, range);
        }
    });
    // Vetting went through long lists of numbers.
    release(&map, whole);
    Some(net)
}

struct Shared(Arc<Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn map(path: &Path, max_bytes: usize) -> Option<Mmap> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let length = metadata.len();
    let within = usize::try_from(length).is_ok_and(|length| length <= max_bytes);
    if !metadata.is_file() || length < WORTHWHILE || !within || !is_local(&file) {
        return None;
    }
    // SAFETY: the map is private and only ever read. Nothing can keep others from changing or cutting the file under
    // it: that is what `Mapping`, the option that leads here, tells its user to rule out. What is read is not trusted:
    // everything is bounds-checked when it is vetted and again when it is decoded, so that bytes which changed in
    // between give other numbers or an error.
    let map = unsafe { Mmap::map(&file) }.ok()?;
    // A hint to read ahead: nearly all of it will be used.
    #[cfg(unix)]
    let _ = map.advise(memmap2::Advice::WillNeed);
    Some(map)
}

/// Takes pages that lie in the range out of the memory of the process. They come back from the file if somebody reads them
/// after all.
fn release(map: &Mmap, range: Range<usize>) {
    #[cfg(unix)]
    {
        let start = range.start.next_multiple_of(PAGES);
        let length = (range.end / PAGES * PAGES).saturating_sub(start);
        if length > 0 {
            // SAFETY: the range lies within the map, of which pages are only ever read, so that they are equal to those of
            // the file and dropping them loses nothing.
            let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length) };
        }
    }
    #[cfg(not(unix))]
    let _ = (map, range);
}

/// Whether the file is on this machine, so that nobody else changes it and reading it cannot fail half-way.
fn is_local(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        // The numbers of file systems on other machines, from statfs(2) and linux/magic.h: NFS, SMB (three kinds), AFS
        // (two), Coda, Ceph, 9P, OCFS2, GFS2, Lustre, and FUSE, of which nothing is known.
        const REMOTE: [u64; 14] = [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x5346_414f,
            0x6b41_4653,
            0x7375_7245,
            0x00c3_6400,
            0x0102_1997,
            0x7461_636f,
            0x0116_1970,
            0x0bd0_0bd0,
            0x6573_5546,
            0x6573_5543,
        ];
        rustix::fs::fstatfs(file).is_ok_and(|info| !REMOTE.contains(&((info.f_type as u64) & 0xffff_ffff)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_proto::{Caffe2Message as _, NetDef, OperatorDef};

    fn net() -> NetDef {
        let codes: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        let values: Vec<f32> = (0..100_000u32).map(|i| i as f32).collect();
        NetDef::new("init")
            .op(OperatorDef::new("GivenTensorByteStringToUInt8Fill")
                .output("codes")
                .arg("values", vec![codes]))
            .op(OperatorDef::new("GivenTensorFill").output("w").arg("values", values))
    }

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn operators_are_slices_of_the_map_and_outlive_the_net() {
        let file = file(&net().to_binary());
        let mut mapped = open_net(file.path(), &WireLimits::default()).unwrap().unwrap();
        let operators: Vec<_> = (0..2).map(|position| mapped.take(position).unwrap()).collect();
        drop(mapped);
        // Another file of the name is no change of this one.
        std::fs::remove_file(file.path()).unwrap();
        assert!(operators[1].numbers("values").is_some());
        let got: Vec<_> = operators.into_iter().map(|operator| operator.into_def().unwrap()).collect();
        assert_eq!(got, net().op);
    }

    #[test]
    fn released_pages_come_back_from_the_file() {
        let content: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7) as u8).collect();
        let file = file(&content);
        let map = map(file.path(), usize::MAX).unwrap();
        for range in [0..1_000_000, 100..900_000, 5..6, 65_536..131_072, 999_999..1_000_000, 0..0] {
            assert!(map[..] == content[..]);
            release(&map, range);
            assert!(map[..] == content[..]);
        }
    }

    #[test]
    fn what_is_better_read_is_not_mapped() {
        let limits = WireLimits::default();
        assert!(open_net(file(&[0; 1000]).path(), &limits).is_none());
        assert!(open_net(Path::new("no/such/file"), &limits).is_none());
        assert!(open_net(&std::env::temp_dir(), &limits).is_none());
        let large = file(&net().to_binary());
        assert!(open_net(large.path(), &WireLimits { max_bytes: 100_000, ..limits }).is_none());
        assert!(open_net(large.path(), &limits).is_some());
        let error = open_net(file(&[0xff; 100_000]).path(), &limits).unwrap().unwrap_err();
        assert!(error.to_string().contains("NetDef"), "{error}");
    }
}
