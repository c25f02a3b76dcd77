//! Nets whose independent parts run at the same time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::crew::Help;
use super::node::Node;
use super::watch::Watch;
use super::{Failed, run_nodes};
use crate::access::{BlobAccess, Order, Task, Tasks, Touches, Visitor};
use crate::io::RunResources;

/// The operators of a net, with what has to wait for what.
pub(super) struct Graph(Arc<Shared>);

/// What the threads of a run share.
struct Shared {
    tasks: Tasks<Run>,
    /// The nodes of each task. One thread at a time uses them; the lock tells the compiler.
    nodes: Box<[Mutex<Vec<Node>>]>,
    outcome: Mutex<Outcome>,
}

/// What a run tells those who take part.
#[derive(Clone)]
struct Run {
    resources: RunResources,
    /// The same for an operator that has to do with the thread it runs on.
    alone: RunResources,
    watch: Option<Watch>,
}

#[derive(Default)]
struct Outcome {
    /// The first that failed.
    failed: Option<Failed>,
    /// What an operator panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

impl Graph {
    /// Orders the nodes by the blobs that they touch.
    pub(super) fn new(mut nodes: Vec<Node>) -> Graph {
        let mut touches = Touches::default();
        for node in &mut nodes {
            node.tell(&mut touches);
            touches.end_node();
        }
        let order = Order::new(&touches);
        let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
        let mut take = |position: &u32| nodes[*position as usize].take();
        let tasks = 0..order.task_count();
        let nodes = tasks.map(|task| Mutex::new(order.nodes(task).iter().filter_map(&mut take).collect()));
        let nodes = nodes.collect();
        Graph(Arc::new(Shared { tasks: Tasks::new(order), nodes, outcome: Mutex::default() }))
    }

    /// How many chains of nodes there are.
    #[cfg(test)]
    pub(super) fn task_count(&self) -> usize {
        self.0.nodes.len()
    }

    /// Calls `visit` with each node, each after all that it waits for.
    pub(super) fn each_node(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        self.0.nodes.iter().for_each(|nodes| lock(nodes).iter_mut().for_each(&mut *visit));
    }

    /// The nodes in the order of the net; none are left.
    pub(super) fn take(&mut self) -> Vec<Node> {
        let mut nodes: Vec<_> =
            self.0.nodes.iter().flat_map(|nodes| std::mem::take(&mut *lock(nodes))).collect();
        nodes.sort_by_key(|node| node.position);
        nodes
    }

    /// Runs all nodes, on so many threads at most.
    pub(super) fn run(
        &mut self,
        workers: usize,
        access: &mut BlobAccess<'_>,
        run: &RunResources,
        watch: Option<&Watch>,
    ) -> Result<(), Failed> {
        let Graph(shared) = self;
        if workers < 2 || shared.nodes.len() < 2 {
            let mut in_order = shared.nodes.iter();
            return in_order.try_for_each(|nodes| run_nodes(&mut lock(nodes), access, || run, watch, 0));
        }
        *lock(&shared.outcome) = Outcome::default();
        let context = Run { resources: run.clone(), alone: run.alone(), watch: watch.cloned() };
        shared.tasks.run(access, context, workers - 1, || {
            if let Some(visitor) = shared.tasks.enter(None) {
                shared.work(&visitor, 0);
            }
        });
        run.crew.take_back(&**shared);
        let Outcome { failed, panic } = std::mem::take(&mut *lock(&shared.outcome));
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Operators go with their net, even if a helper still holds on to what it shared.
impl Drop for Graph {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl Shared {
    /// Runs tasks until there are none.
    fn work(self: &Arc<Self>, visitor: &Visitor<'_, Run>, worker: usize) {
        let Run { resources, watch, .. } = &visitor.context;
        let mut next = visitor.next();
        while let Some(mut task) = next {
            if task.wants_help() {
                resources.crew.call(self.clone(), visitor.run_number());
            }
            let ran = || self.run_task(&mut task, &visitor.context, watch.as_ref(), worker);
            next = match catch_unwind(AssertUnwindSafe(ran)) {
                Ok(Ok(())) => visitor.after(task),
                // Noted before the task is dropped, which ends the run.
                Ok(Err(failed)) => {
                    lock(&self.outcome).failed.get_or_insert(failed);
                    None
                }
                Err(panic) => {
                    lock(&self.outcome).panic.get_or_insert(panic);
                    None
                }
            };
        }
    }

    fn run_task(
        &self,
        task: &mut Task<'_, Run>,
        run: &Run,
        watch: Option<&Watch>,
        worker: usize,
    ) -> Result<(), Failed> {
        // When there is an operator for every thread, none starts more of them.
        let all_busy = || self.tasks.busy() >= run.resources.threads.count();
        let resources = || if all_busy() { &run.alone } else { &run.resources };
        let mut nodes = lock(&self.nodes[task.index()]);
        run_nodes(&mut nodes, &mut task.access(), resources, watch, worker)
    }
}

impl Help for Shared {
    fn help(self: Arc<Self>, run_number: u64, worker: usize) {
        let Some(visitor) = self.tasks.enter(Some(run_number)) else { return };
        match &visitor.context.watch {
            Some(watch) => watch.on_helper(|| self.work(&visitor, worker)),
            None => self.work(&visitor, worker),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
