//! Tasks of one net that run at the same time on several threads, each with the blobs that it may touch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::order::Order;
use super::{BlobAccess, Lent};

/// The tasks of a net, in a run or between two.
///
/// A thread takes part in a run through [`Tasks::enter`], asks for tasks with [`Visitor::next`], and does what
/// [`Task`] says. All bookkeeping is behind one lock, which is held for a few instructions per task.
///
/// `C` is what the run tells those who take part.
#[derive(Debug)]
pub(crate) struct Tasks<C> {
    order: Order,
    state: Mutex<State<C>>,
    /// A task became ready, or the run has ended.
    changed: Condvar,
    /// How many tasks are running, to look at without the lock.
    busy: AtomicUsize,
}

#[derive(Debug)]
struct State<C> {
    /// There while a run goes on.
    run: Option<(Lent, C)>,
    /// Counts runs, so that a visitor of one run is none of the next.
    run_number: u64,
    /// For each task how many tasks it still waits for.
    waits_for: Vec<u32>,
    /// Tasks that wait for nothing any more, the next one last.
    ready: Vec<u32>,
    /// How many tasks have not ended.
    left: usize,
    running: usize,
    /// No task begins any more.
    stopped: bool,
    /// Visitors that sleep until there is a task, and how many of them were called.
    asleep: usize,
    called: usize,
    /// How many threads may still be asked to join the run.
    may_join: usize,
    /// The thread that began the run waits for tasks that are running.
    ending: bool,
}

impl<C> State<C> {
    /// Whether anybody sleeps.
    fn waited_for(&self) -> bool {
        self.asleep > 0 || self.ending
    }
}

impl<C> Tasks<C> {
    pub(crate) fn new(order: Order) -> Tasks<C> {
        let count = order.task_count();
        let state = State {
            run: None,
            run_number: 0,
            waits_for: Vec::with_capacity(count),
            ready: Vec::with_capacity(count),
            left: 0,
            running: 0,
            stopped: true,
            asleep: 0,
            called: 0,
            may_join: 0,
            ending: false,
        };
        Tasks { order, state: Mutex::new(state), changed: Condvar::new(), busy: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// How many tasks are running now.
    #[inline]
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Has threads run the tasks while `work` goes on, each once and in order, with the blobs of `access`. When it
    /// returns, no task is running, and none will; whether all have run is for those who ran them to know.
    ///
    /// `helpers` is how many more threads may be [asked to join](Task::wants_help).
    ///
    /// # Panics
    /// When a run is going on already.
    pub(crate) fn run<R>(
        &self,
        access: &mut BlobAccess<'_>,
        context: C,
        helpers: usize,
        work: impl FnOnce() -> R,
    ) -> R {
        let _end = self.begin(access.lend(), context, helpers);
        work()
    }

    fn begin(&self, blobs: Lent, context: C, helpers: usize) -> RunEnd<'_, C> {
        let mut state = self.lock();
        assert!(state.run.is_none(), "the tasks of a net run once at a time");
        let State { waits_for, ready, .. } = &mut *state;
        waits_for.clear();
        waits_for.extend_from_slice(self.order.parent_counts());
        ready.clear();
        ready.extend_from_slice(self.order.roots());
        state.left = state.waits_for.len();
        state.run_number += 1;
        state.stopped = false;
        state.may_join = helpers;
        state.run = Some((blobs, context));
        RunEnd(self)
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Nothing that can panic runs under the lock, so its content is always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clone> Tasks<C> {
    /// Takes part in the run that goes on, if there is one, and it is the one of this number.
    pub(crate) fn enter(&self, run_number: Option<u64>) -> Option<Visitor<'_, C>> {
        let state = self.lock();
        if run_number.is_some_and(|number| number != state.run_number) {
            return None;
        }
        let (_, context) = state.run.as_ref()?;
        Some(Visitor { tasks: self, context: context.clone(), run_number: state.run_number })
    }
}

/// Ends a run when dropped: lets no further task begin and waits for those that are running.
struct RunEnd<'t, C>(&'t Tasks<C>);

impl<C> Drop for RunEnd<'_, C> {
    fn drop(&mut self) {
        let tasks = self.0;
        let mut state = tasks.lock();
        state.stopped = true;
        if state.asleep > 0 {
            tasks.changed.notify_all();
        }
        while state.running > 0 {
            state.ending = true;
            state = tasks.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.ending = false;
        let ended = state.run.take();
        drop(state);
        drop(ended);
    }
}

/// A thread that takes part in a run.
pub(crate) struct Visitor<'t, C> {
    tasks: &'t Tasks<C>,
    run_number: u64,
    /// What the run tells those who take part.
    pub(crate) context: C,
}

impl<'t, C> Visitor<'t, C> {
    /// The number of the run, for those who are asked to join it.
    pub(crate) fn run_number(&self) -> u64 {
        self.run_number
    }

    /// The next task to run; waits until there is one. `None` when there will be none any more.
    pub(crate) fn next(&self) -> Option<Task<'t, C>> {
        self.next_of(self.tasks.lock())
    }

    /// Ends a task, and has those begin that waited for it alone. The next task to run, as [`Visitor::next`].
    pub(crate) fn after(&self, mut done: Task<'t, C>) -> Option<Task<'t, C>> {
        let tasks = self.tasks;
        assert!(std::ptr::eq(tasks, done.tasks), "a task ends where it began");
        let mut state = tasks.lock();
        done.ended = true;
        state.running -= 1;
        state.left -= 1;
        for &child in tasks.order.children(done.index) {
            let waits_for = &mut state.waits_for[child as usize];
            *waits_for -= 1;
            if *waits_for == 0 {
                state.ready.push(child);
            }
        }
        if state.left == 0 || (state.stopped && state.running == 0) {
            state.stopped = true;
            if state.waited_for() {
                tasks.changed.notify_all();
            }
        }
        self.next_of(state)
    }

    fn next_of(&self, mut state: MutexGuard<'t, State<C>>) -> Option<Task<'t, C>> {
        let tasks = self.tasks;
        loop {
            if state.stopped || state.run_number != self.run_number {
                tasks.busy.store(state.running, Ordering::Relaxed);
                return None;
            }
            if let Some(index) = state.ready.pop() {
                let blobs = state.run.as_ref()?.0;
                state.running += 1;
                tasks.busy.store(state.running, Ordering::Relaxed);
                // One for each task that is left over, but not for those that are about to wake.
                if state.asleep > state.called && state.ready.len() > state.called {
                    state.called += 1;
                    tasks.changed.notify_one();
                }
                // Tasks that even all who sleep here would leave over.
                let wants_help = state.may_join > 0 && state.ready.len() > state.asleep;
                state.may_join -= usize::from(wants_help);
                return Some(Task { tasks, blobs, index: index as usize, wants_help, ended: false });
            }
            tasks.busy.store(state.running, Ordering::Relaxed);
            state.asleep += 1;
            state = tasks.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
            state.called = state.called.saturating_sub(1);
        }
    }
}

/// A task that runs now, on the thread that holds this.
///
/// It ends by [`Visitor::after`]. When it is dropped before, as by a panic, no further task begins.
pub(crate) struct Task<'t, C> {
    tasks: &'t Tasks<C>,
    blobs: Lent,
    index: usize,
    wants_help: bool,
    ended: bool,
}

impl<C> Task<'_, C> {
    /// Which task it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Whether there are more tasks to run now than threads that wait for one: one more thread is to be asked to join.
    pub(crate) fn wants_help(&self) -> bool {
        self.wants_help
    }

    /// The blobs that the nodes of this task touch, and no others, are to be borrowed from this.
    pub(crate) fn access(&mut self) -> BlobAccess<'_> {
        // SAFETY: the run that lent the blobs is not over as long as this task is not: `RunEnd` waits for it. No
        // other access to the blobs of this task is used meanwhile:
        // - The owner of the blobs lent them for the run, and touches none before `Tasks::run` returns.
        // - Another task that is running neither waits for this one, since it would not have begun, nor this one
        //   for it, since this one would not have begun (`waits_for`, which only `Visitor::after` counts down, under
        //   the lock, so that what earlier tasks wrote is seen). Then the two touch no blob that one of them writes:
        //   that is what `Order` promises.
        // - This task is handed out once in a run, and this borrows it mutably.
        unsafe { self.blobs.access() }
    }
}

impl<C> Drop for Task<'_, C> {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.tasks.lock();
            state.running -= 1;
            state.stopped = true;
            self.tasks.busy.store(state.running, Ordering::Relaxed);
            if state.waited_for() {
                self.tasks.changed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::super::order::Touches;
    use super::super::{Slot, Wiring};
    use super::*;
    use crate::blob::Blob;
    use caffe2_tensor::Tensor;

    fn blobs(count: usize) -> Vec<Blob> {
        (0..count).map(|_| Blob::new(Tensor::scalar(1i64).unwrap())).collect()
    }

    fn value(blob: &Blob) -> i64 {
        blob.tensor().unwrap().as_slice::<i64>().unwrap()[0]
    }

    /// Nodes as inputs and outputs: each writes the sum of its inputs, its position and 1 to its outputs.
    fn wirings(nodes: &[(&[u32], &[u32])]) -> (Vec<Wiring>, Order) {
        let mut touches = Touches::default();
        let slot = |index: &u32| Slot { level: 0, index: *index };
        let wirings = nodes.iter().map(|(inputs, outputs)| {
            let outputs: Vec<_> = outputs.iter().map(slot).collect();
            let wiring = Wiring::new(inputs.iter().map(slot), &outputs);
            wiring.tell(&mut touches);
            touches.end_node();
            wiring
        });
        let wirings = wirings.collect();
        (wirings, Order::new(&touches))
    }

    fn run_node(wiring: &Wiring, position: usize, access: &mut BlobAccess<'_>) {
        let mut borrows = access.borrow(wiring);
        let sum: i64 = (0..wiring.input_count()).map(|i| value(borrows.peek(i).unwrap())).sum();
        for o in 0..wiring.output_count() {
            *borrows.output(o).unwrap() = Blob::new(Tensor::scalar(sum + position as i64 + 1).unwrap());
        }
    }

    fn work(tasks: &Tasks<()>, wirings: &[Wiring]) {
        let Some(visitor) = tasks.enter(None) else { return };
        let mut next = visitor.next();
        while let Some(mut task) = next {
            let index = task.index();
            for &node in tasks.order().nodes(index) {
                run_node(&wirings[node as usize], node as usize, &mut task.access());
            }
            next = visitor.after(task);
        }
    }

    const NODES: [(&[u32], &[u32]); 9] = [
        (&[0], &[1]),
        (&[1], &[2]),
        (&[1], &[3]),
        (&[3], &[3]),
        (&[2, 3], &[4]),
        (&[0], &[5, 6]),
        (&[5], &[5]),
        (&[4, 6], &[1]),
        (&[1, 5, 0], &[7]),
    ];

    #[test]
    fn several_threads_do_what_one_does() {
        let (wirings, order) = wirings(&NODES);
        let mut want = blobs(8);
        let mut access = BlobAccess::new(&mut want, &[]);
        wirings.iter().enumerate().for_each(|(position, wiring)| run_node(wiring, position, &mut access));
        let tasks = Tasks::new(order);
        let stop = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while stop.load(Ordering::Relaxed) == 0 {
                        work(&tasks, &wirings);
                    }
                });
            }
            for _ in 0..2000 {
                let mut got = blobs(8);
                tasks.run(&mut BlobAccess::new(&mut got, &[]), (), 0, || work(&tasks, &wirings));
                assert_eq!(
                    got.iter().map(value).collect::<Vec<_>>(),
                    want.iter().map(value).collect::<Vec<_>>()
                );
            }
            stop.store(1, Ordering::Relaxed);
        });
        assert!(tasks.enter(None).is_none() && tasks.busy() == 0);
    }

    #[test]
    fn a_task_that_is_dropped_ends_the_run() {
        let (wirings, order) = wirings(&NODES);
        let tasks: Tasks<()> = Tasks::new(order);
        let mut own = blobs(8);
        let mut access = BlobAccess::new(&mut own, &[]);
        tasks.run(&mut access, (), 0, || {
            let visitor = tasks.enter(None).unwrap();
            drop(visitor.next());
            assert!(visitor.next().is_none());
        });
        // The next run is whole.
        tasks.run(&mut access, (), 0, || work(&tasks, &wirings));
        assert_eq!(value(&own[7]), 57);
    }

    #[test]
    fn the_run_waits_for_a_task_that_is_running() {
        let (wirings, order) = wirings(&NODES);
        let tasks = Tasks::new(order);
        let begun = AtomicU32::new(0);
        let mut own = blobs(8);
        thread::scope(|scope| {
            scope.spawn(|| {
                let visitor = loop {
                    match tasks.enter(None) {
                        Some(visitor) => break visitor,
                        None => thread::yield_now(),
                    }
                };
                let mut task = visitor.next().unwrap();
                begun.store(1, Ordering::Release);
                thread::sleep(std::time::Duration::from_millis(20));
                let node = tasks.order().nodes(task.index())[0] as usize;
                run_node(&wirings[node], node, &mut task.access());
                assert!(visitor.after(task).is_none());
            });
            tasks.run(&mut BlobAccess::new(&mut own, &[]), (), 0, || {
                while begun.load(Ordering::Acquire) == 0 {
                    thread::yield_now();
                }
            });
        });
        // The node from which the way is longest has run, and no other.
        assert_eq!(own.iter().map(value).collect::<Vec<_>>(), [1, 2, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    #[should_panic(expected = "once at a time")]
    fn a_run_within_a_run_is_refused() {
        let tasks: Tasks<()> = Tasks::new(wirings(&NODES).1);
        let (mut one, mut two) = (blobs(8), blobs(8));
        tasks.run(&mut BlobAccess::new(&mut one, &[]), (), 0, || {
            tasks.run(&mut BlobAccess::new(&mut two, &[]), (), 0, || ());
        });
    }
}
