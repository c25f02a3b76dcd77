//! Working memory that each thread keeps, so that a kernel allocates only when it first needs that much.

use std::cell::RefCell;

/// Floats per cache line; working memory begins at a line.
const LINE: usize = 16;

thread_local! {
    /// One buffer per level of nesting, the outermost last.
    static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `len` floats of working memory, 64-byte aligned and of any content.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out meanwhile, so that a nested call gets another one.
    let mut buffer = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + LINE {
        buffer.resize(len + LINE, 0.0);
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    let result = work(&mut buffer[start..start + len]);
    KEPT.with_borrow_mut(|kept| kept.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_kept_and_nests() {
        let nested = || {
            with(100, |outer| {
                assert_eq!((outer.len(), outer.as_ptr() as usize % 64), (100, 0));
                outer.fill(1.0);
                let inner = with(5000, |inner| {
                    inner.fill(2.0);
                    inner.as_ptr()
                });
                assert!(outer.iter().all(|&x| x == 1.0));
                (outer.as_ptr(), inner)
            })
        };
        let first = nested();
        assert_eq!(nested(), first);
        assert_eq!(with(99, |buffer| buffer.as_ptr()), first.0);
    }
}
