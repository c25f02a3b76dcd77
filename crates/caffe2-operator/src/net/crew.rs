//! The threads that help to run the tasks of nets.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What helpers are called to.
pub(crate) trait Help: Send + Sync {
    /// Takes part as worker `worker`, 1 or above, in the run of that number, unless it is over.
    fn help(self: Arc<Self>, run_number: u64, worker: usize);
}

/// A number of threads that wait to be called to runs: a cheap handle, clones of which share them.
///
/// Threads start when they are first called, sleep when they are not needed, and end when the last handle is gone. A
/// helper serves one run at a time, to its end: it never takes up another in the middle of one, so that its stack does
/// not grow and no run waits for another. Runs therefore must not rely on help: a call is heard when a helper is free.
/// If the system refuses to start a thread, there are fewer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crew(Option<Arc<Handle>>);

/// Dismisses the threads when it goes.
#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The largest number of threads.
    helpers: usize,
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    calls: VecDeque<Call>,
    /// Threads that run, and those of them that wait for a call.
    started: usize,
    idle: usize,
    dismissed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} threads, {} calls", self.started, self.calls.len())
    }
}

struct Call {
    to: Arc<dyn Help>,
    run_number: u64,
}

impl Crew {
    /// `helpers` threads, none of which is started yet.
    pub(crate) fn new(helpers: usize) -> Crew {
        let shared = || Shared { helpers, state: Mutex::default(), called: Condvar::new() };
        Crew((helpers > 0).then(|| Arc::new(Handle(Arc::new(shared())))))
    }

    /// Calls one helper to a run.
    pub(crate) fn call(&self, to: Arc<dyn Help>, run_number: u64) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        let mut state = shared.lock();
        state.calls.push_back(Call { to, run_number });
        if state.idle < state.calls.len() && state.started < shared.helpers {
            state.start_thread(shared);
        }
        drop(state);
        shared.called.notify_one();
    }

    /// Takes back the calls to a run that nobody heard.
    pub(crate) fn take_back(&self, to: &dyn Help) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        let mut state = shared.lock();
        state.calls.retain(|call| !std::ptr::addr_eq(Arc::as_ptr(&call.to), to));
    }
}

impl State {
    fn start_thread(&mut self, shared: &Arc<Shared>) {
        let worker = self.started + 1;
        let own = Arc::clone(shared);
        let thread = thread::Builder::new().name(format!("caffe2-net-{worker}"));
        self.started += usize::from(thread.spawn(move || own.serve(worker)).is_ok());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: follow calls until it is dismissed.
    fn serve(&self, worker: usize) {
        let mut state = self.lock();
        loop {
            if state.dismissed {
                return;
            }
            if let Some(call) = state.calls.pop_front() {
                drop(state);
                call.to.help(call.run_number, worker);
                state = self.lock();
                continue;
            }
            state.idle += 1;
            state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().dismissed = true;
        self.0.called.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    struct Report(Mutex<mpsc::Sender<(u64, usize)>>, Mutex<()>);

    impl Help for Report {
        fn help(self: Arc<Self>, run_number: u64, worker: usize) {
            self.0.lock().unwrap().send((run_number, worker)).unwrap();
            drop(self.1.lock().unwrap());
        }
    }

    fn report() -> (Arc<Report>, mpsc::Receiver<(u64, usize)>) {
        let (sender, receiver) = mpsc::channel();
        (Arc::new(Report(Mutex::new(sender), Mutex::new(()))), receiver)
    }

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn helpers_come_when_called_and_no_more_than_there_are() {
        let crew = Crew::new(2);
        let (help, calls) = report();
        assert_eq!(crew.0.as_ref().unwrap().0.lock().started, 0);
        let busy = help.1.lock().unwrap();
        for run in 0..3 {
            crew.call(help.clone(), run);
        }
        let mut heard = [calls.recv_timeout(SOON).unwrap(), calls.recv_timeout(SOON).unwrap()];
        heard.sort_by_key(|(_, worker)| *worker);
        assert_eq!(heard.map(|(_, worker)| worker), [1, 2]);
        // Both are busy, so the third call waits; then it is heard.
        assert!(calls.recv_timeout(Duration::from_millis(20)).is_err());
        drop(busy);
        calls.recv_timeout(SOON).unwrap();
        assert_eq!(crew.0.as_ref().unwrap().0.lock().started, 2);
    }

    #[test]
    fn calls_can_be_taken_back_and_handles_dismiss() {
        let crew = Crew::new(1);
        let (help, calls) = report();
        let (other, _others) = report();
        let busy = help.1.lock().unwrap();
        crew.call(help.clone(), 1);
        assert_eq!(calls.recv_timeout(SOON).unwrap(), (1, 1));
        crew.call(help.clone(), 2);
        crew.call(other.clone(), 3);
        crew.take_back(&*help);
        crew.take_back(&*other);
        drop(busy);
        assert!(calls.recv_timeout(Duration::from_millis(20)).is_err());
        drop(crew);
        // The thread ends and lets go of everything.
        let weak = Arc::downgrade(&help);
        drop(help);
        while weak.strong_count() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn no_helpers_are_no_trouble() {
        let (help, calls) = report();
        let crew = Crew::new(0);
        crew.call(help.clone(), 1);
        crew.take_back(&*help);
        assert!(calls.try_recv().is_err());
    }
}
