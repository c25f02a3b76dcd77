//! How many threads a kernel may use, and helpers that cut an output into blocks.
//!
//! Work is always cut into blocks of a size that depends on the shape alone, never on the number of
//! threads, and each block is computed by one thread in one fixed order. Results are therefore the same
//! for any number of threads.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

/// A number of threads to work with: a cheap handle, clones of which share one lazily started pool.
///
/// With one thread nothing is ever started, nothing is allocated, and all work runs on the caller's
/// thread. With more, the pool starts at the first piece of work that is large enough to share. If the
/// system refuses to start it, the work runs on the caller's thread. The pool is never rayon's global one.
///
/// A handle may be used from within one of the pool's own workers. On a worker of another rayon pool, all work runs on
/// that thread: to wait there for a pool of ours, rayon would meanwhile run other jobs of that pool, in the middle of
/// this one, with all the locks it holds and on top of its stack.
#[derive(Debug, Clone, Default)]
pub struct Threads {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    count: usize,
    pool: OnceLock<Option<rayon::ThreadPool>>,
}

impl Threads {
    /// One thread: the caller's.
    pub const fn single() -> Threads {
        Threads { shared: None }
    }

    /// `count` threads; 0 counts as 1. Starts nothing yet.
    pub fn new(count: usize) -> Threads {
        if count <= 1 {
            return Threads::single();
        }
        Threads { shared: Some(Arc::new(Shared { count, pool: OnceLock::new() })) }
    }

    /// As many threads as the process may use at once.
    pub fn all() -> Threads {
        Threads::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The number of threads asked for, at least 1.
    pub fn count(&self) -> usize {
        self.shared.as_ref().map_or(1, |shared| shared.count)
    }

    /// Runs `work` inside the pool, so that the kernels it calls start sharing work without waking the
    /// pool each time. With one thread: just runs it.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool() {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work(index, block)` for each block of `block_len` elements of `out` (the last may be
    /// shorter), on several threads if `out` is longer than `grain`, else in order on the caller's thread.
    ///
    /// `grain` is the number of elements below which sharing costs more than it gains.
    ///
    /// # Panics
    ///
    /// If `block_len` is 0 and `out` is not empty.
    #[inline]
    pub fn for_each_block<T: Send>(
        &self,
        out: &mut [T],
        block_len: usize,
        grain: usize,
        work: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        if out.is_empty() {
            return;
        }
        assert!(block_len > 0, "blocks must have a length");
        if out.len() > grain
            && out.len() > block_len
            && let Some(pool) = self.pool()
        {
            pool.install(|| {
                out.par_chunks_mut(block_len).enumerate().for_each(|(index, block)| work(index, block));
            });
            return;
        }
        for (index, block) in out.chunks_mut(block_len).enumerate() {
            work(index, block);
        }
    }

    /// Calls `work(index)` for each index below `count`: on several threads if `parallel`, else in order.
    pub fn for_each_index(&self, count: usize, parallel: bool, work: impl Fn(usize) + Sync + Send) {
        if parallel
            && count > 1
            && let Some(pool) = self.pool()
        {
            pool.install(|| (0..count).into_par_iter().for_each(work));
            return;
        }
        (0..count).for_each(work);
    }

    fn pool(&self) -> Option<&rayon::ThreadPool> {
        let shared = self.shared.as_deref()?;
        if rayon::current_thread_index().is_some() {
            let own = shared.pool.get().and_then(Option::as_ref);
            return own.filter(|pool| pool.current_thread_index().is_some());
        }
        shared.pool.get_or_init(|| start_pool(shared.count)).as_ref()
    }
}

fn start_pool(count: usize) -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|index| format!("caffe2-{index}"))
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn started(threads: &Threads) -> bool {
        threads.shared.as_ref().is_some_and(|shared| shared.pool.get().is_some())
    }

    #[test]
    fn blocks_cover_the_output_once() {
        for threads in [Threads::single(), Threads::new(2), Threads::new(5)] {
            for (len, block) in [(0, 4), (1, 4), (4, 4), (5, 4), (1000, 7), (3, 100)] {
                let mut out = vec![0usize; len];
                threads.for_each_block(&mut out, block, 0, |index, part| {
                    for (i, y) in part.iter_mut().enumerate() {
                        *y += index * block + i + 1;
                    }
                });
                assert!(out.iter().enumerate().all(|(i, &y)| y == i + 1), "{len} {block}");
                let calls = AtomicUsize::new(0);
                threads.for_each_index(len, true, |_| {
                    calls.fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(calls.into_inner(), len);
            }
        }
    }

    #[test]
    fn small_work_starts_no_pool() {
        let threads = Threads::new(2);
        threads.for_each_block(&mut [0; 100], 10, 100, |_, _| ());
        threads.for_each_block(&mut [0; 100], 100, 0, |_, _| ());
        threads.for_each_index(100, false, |_| ());
        assert!(!started(&threads));
        threads.for_each_block(&mut [0; 100], 10, 99, |_, _| ());
        assert!(started(&threads));
        assert!(started(&threads.clone()));
        assert_eq!((threads.count(), Threads::new(0).count(), Threads::single().count()), (2, 1, 1));
        assert!(Threads::all().count() >= 1);
    }

    #[test]
    fn work_runs_on_threads_of_the_pool() {
        let threads = Threads::new(2);
        let name = || std::thread::current().name().map(str::to_owned);
        let inside = threads.enter(name).unwrap_or_default();
        assert!(inside.starts_with("caffe2-"), "{inside}");
        assert_eq!(Threads::single().enter(name), name());
    }

    #[test]
    fn workers_may_share_work_again_and_those_of_others_work_alone() {
        let (threads, other) = (Threads::new(2), Threads::new(2));
        let total = AtomicUsize::new(0);
        threads.for_each_index(8, true, |_| {
            threads.for_each_block(&mut [0; 64], 4, 0, |_, block| {
                let worker = std::thread::current().id();
                other.for_each_index(block.len(), true, |_| {
                    assert_eq!(std::thread::current().id(), worker);
                    total.fetch_add(1, Ordering::Relaxed);
                });
            });
        });
        assert_eq!(total.into_inner(), 8 * 64);
        assert!(!started(&other));
    }

    /// A job of another pool that waits for ours must not find itself in the middle of another one.
    #[test]
    fn locks_may_be_held_by_jobs_of_other_pools() {
        let threads = Threads::new(2);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let total = std::sync::Mutex::new(0);
        pool.install(|| {
            (0..200usize).into_par_iter().for_each(|_| {
                let mut total = total.lock().unwrap();
                let mut out = [0; 64];
                threads.for_each_block(&mut out, 4, 0, |_, block| block.fill(1));
                *total += out.iter().sum::<usize>();
            });
        });
        assert_eq!(*total.lock().unwrap(), 200 * 64);
    }
}
