//! Heap allocations of the program, counted.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often memory was allocated or made larger or smaller, and how many bytes were allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allocations {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

impl Allocations {
    /// What came after `earlier`.
    pub(crate) fn since(self, earlier: Allocations) -> Allocations {
        Allocations {
            count: self.count.wrapping_sub(earlier.count),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
        }
    }
}

impl std::ops::AddAssign for Allocations {
    fn add_assign(&mut self, more: Allocations) {
        self.count += more.count;
        self.bytes += more.bytes;
    }
}

/// All since the program began, of all threads.
pub(crate) fn now() -> Allocations {
    let stats = ALLOCATOR.stats();
    Allocations { count: stats.allocations + stats.reallocations, bytes: stats.bytes_allocated }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_counted() {
        let before = now();
        drop(std::hint::black_box(vec![0u8; 1000]));
        let made = now().since(before);
        assert!(made.count >= 1 && made.bytes >= 1000, "{made:?}");
    }
}
