//! Huge pages for large buffers: one of the few places with `unsafe`.
//!
//! The first write to each page of fresh memory is a fault, which takes far longer than the write: with pages of
//! 4 KiB several times as long as filling them. Linux gives pages of 2 MiB to who asks for them.
#![allow(unsafe_code)]

use std::sync::OnceLock;

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Smaller buffers would for the most part be spare bytes.
const LARGE: usize = 2 * HUGE_PAGE;

/// The alignment of a buffer of `capacity` bytes that is to have huge pages; `None` where it is to have none.
pub(crate) fn alignment(capacity: usize) -> Option<usize> {
    (capacity >= LARGE && are_given()).then_some(HUGE_PAGE)
}

/// Whether the system gives huge pages to who asks.
fn are_given() -> bool {
    static GIVEN: OnceLock<bool> = OnceLock::new();
    *GIVEN.get_or_init(|| {
        let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        cfg!(target_os = "linux") && setting.is_ok_and(|setting| !setting.contains("[never]"))
    })
}

/// Asks for huge pages where memory begins at one; the rest behind the last whole one keeps small pages, so that no more
/// is taken than is used. A refusal changes nothing.
pub(crate) fn ask(memory: &mut [u8]) {
    #[cfg(target_os = "linux")]
    {
        let whole = memory.len() / HUGE_PAGE * HUGE_PAGE;
        // SAFETY: the range lies within memory that is borrowed exclusively, and this advice changes neither what it
        // holds nor where it lies.
        let _ = unsafe {
            rustix::mm::madvise(memory.as_mut_ptr().cast(), whole, rustix::mm::Advice::LinuxHugepage)
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_buffers_are_aligned_to_huge_pages() {
        assert_eq!((alignment(0), alignment(LARGE - 1)), (None, None));
        assert_eq!(alignment(LARGE).unwrap_or(HUGE_PAGE), HUGE_PAGE);
        assert_eq!(alignment(usize::MAX).is_some(), are_given());
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
