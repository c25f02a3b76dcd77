//! Nets of one workspace that run at the same time, as far as they do not touch the same blobs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::order::{Touch, Touches};
use super::{BlobAccess, Lent};
use crate::blob::Blob;

/// All blobs of the workspace itself that somebody reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Footprint(Arc<[Touch]>);

impl Footprint {
    /// All that any of the nodes touches.
    pub(crate) fn new(touches: Touches) -> Footprint {
        let mut all = touches.into_touches();
        all.sort_unstable_by_key(|touch| (touch.slot, !touch.writes));
        // Of each blob the first remains, a write if there is one.
        all.dedup_by_key(|touch| touch.slot);
        Footprint(all.into())
    }

    /// Whether both touch a blob that one of them writes.
    fn conflicts(&self, other: &Footprint) -> bool {
        let (mut own, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (own.peek(), others.peek()) {
            match a.slot.cmp(&b.slot) {
                std::cmp::Ordering::Less => _ = own.next(),
                std::cmp::Ordering::Greater => _ = others.next(),
                std::cmp::Ordering::Equal if a.writes || b.writes => return true,
                std::cmp::Ordering::Equal => _ = (own.next(), others.next()),
            }
        }
        false
    }
}

/// What has the blobs.
pub(crate) trait Host {
    fn blobs_mut(&mut self) -> &mut [Blob];
}

/// A workspace that several threads work in. Each says what it is going to touch, and waits while somebody works, or
/// came first, with whom it has a blob in common that one of them writes.
pub(crate) struct Claims<'w, H> {
    ancestors: &'w [&'w [Blob]],
    state: Mutex<State<'w, H>>,
    /// Somebody has ended.
    changed: Condvar,
}

struct State<'w, H> {
    /// Used only by who has claimed everything.
    host: &'w mut H,
    /// The blobs of the host, unless it was used since.
    blobs: Option<Lent>,
    at_work: Vec<(u64, Claim)>,
    /// Those who wait, the first first.
    waiting: VecDeque<(u64, Claim)>,
    next: u64,
}

#[derive(Clone)]
enum Claim {
    Blobs(Footprint),
    Everything,
}

impl Claim {
    fn conflicts(&self, other: &Claim) -> bool {
        match (self, other) {
            (Claim::Blobs(own), Claim::Blobs(other)) => own.conflicts(other),
            _ => true,
        }
    }
}

impl<'w, H: Host> Claims<'w, H> {
    pub(crate) fn new(host: &'w mut H, ancestors: &'w [&'w [Blob]]) -> Claims<'w, H> {
        let (at_work, waiting) = (Vec::new(), VecDeque::new());
        let state = State { host, blobs: None, at_work, waiting, next: 0 };
        Claims { ancestors, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Calls `work` with access to what the footprint names, and no other blobs, which nobody else uses meanwhile but
    /// to read what both read. `work` must not claim anything itself.
    pub(crate) fn with<R>(&self, footprint: &Footprint, work: impl FnOnce(&mut BlobAccess<'_>) -> R) -> R {
        let claimed = self.claim(Claim::Blobs(footprint.clone()));
        let blobs = {
            let mut state = self.lock();
            let State { host, blobs, .. } = &mut *state;
            *blobs.get_or_insert_with(|| BlobAccess::new(host.blobs_mut(), self.ancestors).lend())
        };
        // SAFETY: the host is borrowed for longer than `self` lives, and not used until all claims that are at work
        // have ended: `alone` has to wait for them. As long as `claimed` lives, nobody is at work whose footprint has a
        // blob in common with this one that one of them writes (`claim`), and each uses its access for its footprint
        // only. Under the lock, what was written before is seen.
        let mut access = unsafe { blobs.access() };
        let result = work(&mut access);
        drop(claimed);
        result
    }

    /// Calls `work` with the host, while nobody else is at work. `work` must not claim anything itself.
    pub(crate) fn alone<R>(&self, work: impl FnOnce(&mut H) -> R) -> R {
        let claimed = self.claim(Claim::Everything);
        let mut state = self.lock();
        state.blobs = None;
        let result = work(state.host);
        drop(state);
        drop(claimed);
        result
    }

    /// Waits until nothing is in the way of the claim.
    fn claim(&self, claim: Claim) -> Claimed<'_, 'w, H> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back((number, claim.clone()));
        loop {
            let before = state.waiting.iter().take_while(|(other, _)| *other != number);
            if !before.chain(&state.at_work).any(|(_, other)| other.conflicts(&claim)) {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.retain(|(other, _)| *other != number);
        state.at_work.push((number, claim));
        // Those who waited for this one to begin may begin too.
        self.wake(&state);
        Claimed { claims: self, number }
    }

    fn wake(&self, state: &State<'w, H>) {
        if !state.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'w, H>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody at work; ends when dropped.
struct Claimed<'c, 'w, H: Host> {
    claims: &'c Claims<'w, H>,
    number: u64,
}

impl<H: Host> Drop for Claimed<'_, '_, H> {
    fn drop(&mut self) {
        let mut state = self.claims.lock();
        state.at_work.retain(|(number, _)| *number != self.number);
        self.claims.wake(&state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::super::{Slot, Wiring};
    use super::*;
    use caffe2_tensor::Tensor;

    impl Host for Vec<Blob> {
        fn blobs_mut(&mut self) -> &mut [Blob] {
            self
        }
    }

    fn wiring(inputs: &[u32], outputs: &[u32]) -> (Wiring, Footprint) {
        let slot = |index: &u32| Slot { level: 0, index: *index };
        let outputs: Vec<_> = outputs.iter().map(slot).collect();
        let wiring = Wiring::new(inputs.iter().map(slot), &outputs);
        let mut touches = Touches::default();
        wiring.tell(&mut touches);
        touches.end_node();
        (wiring, Footprint::new(touches))
    }

    #[test]
    fn footprints_conflict_where_one_writes() {
        let footprint = |inputs: &[u32], outputs: &[u32]| wiring(inputs, outputs).1;
        let conflict = |a: &Footprint, b: &Footprint| {
            assert_eq!(a.conflicts(b), b.conflicts(a));
            a.conflicts(b)
        };
        let (a, b) = (footprint(&[1, 5], &[3]), footprint(&[5, 1], &[2, 9]));
        assert!(!conflict(&a, &b) && conflict(&a, &a));
        assert!(conflict(&a, &footprint(&[3], &[])) && conflict(&b, &footprint(&[], &[1])));
        assert!(conflict(&footprint(&[4], &[4]), &footprint(&[4], &[])));
        assert!(!conflict(&a, &footprint(&[], &[])));
    }

    fn count(blob: &Blob) -> i64 {
        blob.tensor().unwrap().as_slice::<i64>().unwrap()[0]
    }

    fn zero() -> Blob {
        Blob::new(Tensor::scalar(0i64).unwrap())
    }

    #[test]
    fn counts_come_out_right() {
        let mut blobs: Vec<_> = (0..4).map(|_| zero()).collect();
        let claims = Claims::new(&mut blobs, &[]);
        let most = AtomicUsize::new(0);
        thread::scope(|scope| {
            for own in 0..4u32 {
                let (claims, most) = (&claims, &most);
                scope.spawn(move || {
                    // Each counts at its own place, and all read and count at place 3, but the last, at its own.
                    let outputs: &[u32] = &[own, 3];
                    let (wiring, footprint) = wiring(&[own, 3], &outputs[usize::from(own == 3)..]);
                    for _ in 0..200 {
                        claims.with(&footprint, |access| {
                            let mut borrows = access.borrow(&wiring);
                            for o in 0..wiring.output_count() {
                                let blob = borrows.output(o).unwrap();
                                *blob = Blob::new(Tensor::scalar(count(blob) + 1).unwrap());
                            }
                        });
                        if own == 0 {
                            claims.alone(|blobs| {
                                most.fetch_max(blobs.len(), Ordering::Relaxed);
                                blobs.push(zero());
                            });
                        }
                    }
                });
            }
        });
        drop(claims);
        assert_eq!(blobs[..4].iter().map(count).collect::<Vec<_>>(), [200, 200, 200, 800]);
        assert_eq!((blobs.len(), most.into_inner()), (204, 203));
    }

    #[test]
    fn what_is_disjoint_runs_at_once_and_nobody_is_overtaken() {
        let mut blobs: Vec<_> = (0..4).map(|_| zero()).collect();
        let claims = Claims::new(&mut blobs, &[]);
        let running = AtomicUsize::new(0);
        let (first, second, both) = (wiring(&[3], &[0]).1, wiring(&[3], &[1]).1, wiring(&[], &[0, 1]).1);
        let order = Mutex::new(Vec::new());
        let meet = |name| {
            running.fetch_add(1, Ordering::SeqCst);
            while running.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(20));
            order.lock().unwrap().push(name);
        };
        thread::scope(|scope| {
            // These two meet, or the test never ends.
            scope.spawn(|| claims.with(&first, |_| meet("first")));
            scope.spawn(|| claims.with(&second, |_| meet("second")));
            while running.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
            scope.spawn(|| claims.with(&both, |_| order.lock().unwrap().push("both")));
            while claims.lock().waiting.is_empty() {
                thread::yield_now();
            }
            // `first` is not overtaken by what it would not wait for: `both` came before.
            scope.spawn(|| claims.with(&first, |_| order.lock().unwrap().push("again")));
        });
        assert_eq!(order.into_inner().unwrap()[2..], ["both", "again"]);
    }
}
