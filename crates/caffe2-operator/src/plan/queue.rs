//! The jobs of a step that runs, and the threads that take them in turn.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::build::Substep;
use super::job::{Job, PlanRun, Progress};
use super::own::lock;
use crate::error::Error;

/// What is to be done, and what is waited for.
pub(super) struct Queue<'r, 'w, 'p> {
    run: &'r PlanRun<'w, 'p>,
    state: Mutex<State<'p>>,
    /// There is more to do, or nothing ever will be.
    changed: Condvar,
}

#[derive(Default)]
struct State<'p> {
    ready: VecDeque<Work<'p>>,
    /// Reporters that wait for their time.
    timed: Vec<(Instant, Arc<Reporter<'p>>)>,
    /// How many threads take jobs, and how many of them wait for one.
    threads: usize,
    idle: usize,
    over: bool,
    failed: Option<Error>,
    panic: Option<Box<dyn Any + Send>>,
}

enum Work<'p> {
    Start(Substep<'p>, Then<'p>),
    GoOn(Job<'p>),
}

/// What happens when a job is over.
pub(super) enum Then<'p> {
    /// The whole step is over.
    AllOver,
    /// One job less is waited for.
    Join(Arc<Join<'p>>),
    /// A reporter has run.
    Reported(Arc<Reporter<'p>>),
}

/// A job that goes on when others are over.
pub(super) struct Join<'p>(Mutex<(usize, Option<Job<'p>>)>);

/// What runs every so often while a step does, and once more when it ends.
pub(super) struct Reporter<'p> {
    every: Duration,
    what: Substep<'p>,
    state: Mutex<ReporterState<'p>>,
}

#[derive(Default)]
struct ReporterState<'p> {
    running: bool,
    /// Who waits for it to end.
    ending: Option<Arc<Join<'p>>>,
}

impl<'p> Reporter<'p> {
    pub(super) fn new(every: Duration, what: Substep<'p>) -> Arc<Reporter<'p>> {
        Arc::new(Reporter { every, what, state: Mutex::default() })
    }
}

impl<'r, 'w, 'p> Queue<'r, 'w, 'p> {
    /// Runs a step to its end, on the calling thread and others.
    pub(super) fn run(run: &'r PlanRun<'w, 'p>, step: Substep<'p>) -> Result<(), Error> {
        let ready = VecDeque::from([Work::Start(step, Then::AllOver)]);
        let state = State { ready, threads: 1, ..State::default() };
        let queue = Queue { run, state: Mutex::new(state), changed: Condvar::new() };
        thread::scope(|scope| queue.work(scope));
        let state = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = state.panic {
            resume_unwind(panic);
        }
        state.failed.map_or(Ok(()), Err)
    }

    /// Takes jobs until all is over.
    fn work<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        while let Some(work) = self.take(scope) {
            let done = catch_unwind(AssertUnwindSafe(|| self.do_it(work)));
            let mut state = lock(&self.state);
            match done {
                Ok(Ok(progress)) => self.note(&mut state, progress),
                Ok(Err(error)) => {
                    state.failed.get_or_insert(error);
                    state.over = true;
                }
                Err(panic) => {
                    state.panic.get_or_insert(panic);
                    state.over = true;
                }
            }
            if state.failed.is_some() || state.panic.is_some() {
                self.run.halt.cancel();
            }
            if state.idle > 0 {
                self.changed.notify_all();
            }
        }
    }

    /// The next thing to do; `None` when all is over.
    fn take<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Option<Work<'p>> {
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return None;
            }
            let now = Instant::now();
            state.take_due(now);
            if let Some(work) = state.ready.pop_front() {
                let more =
                    state.ready.len() > state.idle && state.threads < self.run.resources.threads.count();
                if more && thread::Builder::new().spawn_scoped(scope, || self.work(scope)).is_ok() {
                    state.threads += 1;
                }
                return Some(work);
            }
            state.idle += 1;
            let next = state.timed.iter().map(|(due, _)| due.saturating_duration_since(now)).min();
            state = match next {
                Some(time) => {
                    self.changed.wait_timeout(state, time).map_or_else(|e| e.into_inner().0, |w| w.0)
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.idle -= 1;
        }
    }

    fn do_it(&self, work: Work<'p>) -> Result<Progress<'p>, Error> {
        match work {
            Work::GoOn(job) => self.run.go_on(job),
            Work::Start(step, then) => {
                let job = self.run.start(step, then)?;
                let now = Instant::now();
                let timed =
                    job.reporters().iter().map(|reporter| (now + reporter.every, Arc::clone(reporter)));
                lock(&self.state).timed.extend(timed);
                self.run.go_on(job)
            }
        }
    }

    /// Notes what is to be done after a job went on.
    fn note(&self, state: &mut State<'p>, progress: Progress<'p>) {
        match progress {
            Progress::Again(job) => state.ready.push_back(Work::GoOn(job)),
            Progress::Fork(job, steps) => {
                let join = Arc::new(Join(Mutex::new((steps.len(), Some(job)))));
                let start = |step| Work::Start(step, Then::Join(Arc::clone(&join)));
                state.ready.extend(steps.into_iter().map(start));
            }
            Progress::LastReports(job, reporters) => state.last_reports(job, &reporters),
            Progress::Over(Then::AllOver) => state.over = true,
            Progress::Over(Then::Join(join)) => state.one_less(&join),
            Progress::Over(Then::Reported(reporter)) => {
                let mut report = lock(&reporter.state);
                report.running = false;
                match report.ending.take() {
                    Some(join) => state.one_less(&join),
                    None => state.timed.push((Instant::now() + reporter.every, Arc::clone(&reporter))),
                }
            }
        }
    }
}

impl<'p> State<'p> {
    /// Has reporters run whose time has come.
    fn take_due(&mut self, now: Instant) {
        for (_, reporter) in self.timed.extract_if(.., |(due, _)| *due <= now) {
            lock(&reporter.state).running = true;
            self.ready.push_back(Work::Start(reporter.what.clone(), Then::Reported(reporter)));
        }
    }

    /// Has reporters run once more, but for those that run now, and the job go on then.
    fn last_reports(&mut self, job: Job<'p>, reporters: &[Arc<Reporter<'p>>]) {
        if reporters.is_empty() {
            self.ready.push_front(Work::GoOn(job));
            return;
        }
        let join = Arc::new(Join(Mutex::new((reporters.len(), Some(job)))));
        for reporter in reporters {
            self.timed.retain(|(_, other)| !Arc::ptr_eq(other, reporter));
            let mut report = lock(&reporter.state);
            if report.running {
                report.ending = Some(Arc::clone(&join));
            } else {
                self.ready.push_back(Work::Start(reporter.what.clone(), Then::Join(Arc::clone(&join))));
            }
        }
    }

    /// A job less is waited for.
    fn one_less(&mut self, join: &Join<'p>) {
        let (left, job) = &mut *lock(&join.0);
        *left -= 1;
        if *left == 0 {
            self.ready.extend(job.take().map(Work::GoOn));
        }
    }
}
