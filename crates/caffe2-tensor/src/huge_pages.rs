//! Huge pages for large buffers: one of the few places with `unsafe`.
//!
//! The first write to each page of fresh memory is a fault, which takes far longer than the write: with pages of
//! 4 KiB several times as long as filling them. Linux gives pages of 2 MiB to who asks for them.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::OnceLock;

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Smaller buffers would for the most part be spare bytes.
const LARGE: usize = 2 * HUGE_PAGE;

/// Memory of huge pages, where the system gives such: pages of zeros that nobody has touched.
///
/// They are asked of the system itself. An allocator hands out memory that was used before, whose small pages are there
/// already, and clears it.
pub(crate) struct HugePages {
    /// The first byte, at a huge page.
    data: NonNull<u8>,
    /// All that was mapped.
    #[cfg(target_os = "linux")]
    map: (*mut std::ffi::c_void, usize),
}

impl HugePages {
    /// At least `capacity` bytes; `None` where small pages do as well, or the system gives none.
    pub(crate) fn new(capacity: usize) -> Option<HugePages> {
        if capacity < LARGE || !are_given() { None } else { HugePages::map(capacity) }
    }

    #[cfg(target_os = "linux")]
    fn map(capacity: usize) -> Option<HugePages> {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

        let size = capacity.checked_add(HUGE_PAGE)?;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: new memory, at a place of the system's choice.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), size, access, flags) }.ok()?;
        let skip = start.addr().wrapping_neg() % HUGE_PAGE;
        // SAFETY: skip < HUGE_PAGE, the number of spare bytes behind the capacity.
        let data = NonNull::new(unsafe { start.byte_add(skip) }.cast::<u8>())?;
        // What is behind the last whole huge page keeps small ones, so that no more is taken than is used.
        let whole = capacity / HUGE_PAGE * HUGE_PAGE;
        // SAFETY: the range lies within the new memory. A refusal changes nothing.
        let _ = unsafe { madvise(data.as_ptr().cast(), whole, Advice::LinuxHugepage) };
        Some(HugePages { data, map: (start, size) })
    }

    #[cfg(not(target_os = "linux"))]
    fn map(_: usize) -> Option<HugePages> {
        None
    }

    /// The first byte.
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data
    }
}

#[cfg(target_os = "linux")]
impl Drop for HugePages {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, is unmapped once, and whoever used it is gone.
        let _ = unsafe { rustix::mm::munmap(self.map.0, self.map.1) };
    }
}

/// Whether the system gives huge pages to who asks.
fn are_given() -> bool {
    static GIVEN: OnceLock<bool> = OnceLock::new();
    *GIVEN.get_or_init(|| {
        let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        cfg!(target_os = "linux") && setting.is_ok_and(|setting| !setting.contains("[never]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_buffers_have_huge_pages() {
        assert!(HugePages::new(0).is_none() && HugePages::new(LARGE - 1).is_none());
        let large = HugePages::new(LARGE);
        assert_eq!(large.is_some(), are_given());
        assert!(large.is_none_or(|large| large.data().addr().get().is_multiple_of(HUGE_PAGE)));
        assert!(HugePages::new(usize::MAX).is_none());
    }

    /// On a system that gives them, the kernel tells of memory that was asked for.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_large_buffers_is_advised() {
        let buffer = crate::buffer::Buffer::zeroed(3 * HUGE_PAGE + 100, None).unwrap();
        let address = buffer.bytes().as_ptr().addr();
        let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else { return };
        let mut inside = false;
        let flags = maps.lines().find_map(|line| {
            if let Some((start, end)) = line.split(' ').next().and_then(|range| range.split_once('-'))
                && let (Ok(start), Ok(end)) =
                    (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                inside = (start..end).contains(&address);
            }
            line.strip_prefix("VmFlags:").filter(|_| inside)
        });
        if are_given()
            && let Some(flags) = flags
        {
            assert_eq!(address % HUGE_PAGE, 0);
            assert!(flags.split_whitespace().any(|flag| flag == "hg"), "{flags}");
        }
    }
}
