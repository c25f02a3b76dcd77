//! Watching nets run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::net::{NetInfo, OpInfo};

/// Is told when a net and its operators start and stop.
///
/// Without observers a net pays nothing for them. `stop` methods are called on failure too, and when an operator
/// panics. Methods take `&self`, and several threads may call them: one observer can watch several nets, and in a
/// parallel net operators start and stop on several threads at once. `net_start` comes before all of them, and
/// `net_stop` after all of them, on the thread that runs the net.
pub trait Observer: Send + Sync {
    /// The net starts to run.
    fn net_start(&self, net: &NetInfo) {
        let _ = net;
    }

    /// The net has run; `ok` tells whether it went well.
    fn net_stop(&self, net: &NetInfo, ok: bool) {
        let _ = (net, ok);
    }

    /// An operator starts to run.
    fn op_start(&self, net: &NetInfo, op: &OpInfo) {
        let _ = (net, op);
    }

    /// An operator has run; `ok` tells whether it went well.
    fn op_stop(&self, net: &NetInfo, op: &OpInfo, ok: bool) {
        let _ = (net, op, ok);
    }

    /// What a net calls when an operator starts, with the worker that runs it: 0 is the thread that runs the net, the
    /// threads that help it have the numbers from 1 on. Unless it is implemented it calls [`Observer::op_start`].
    fn op_start_by(&self, worker: usize, net: &NetInfo, op: &OpInfo) {
        let _ = worker;
        self.op_start(net, op);
    }

    /// What a net calls when an operator has run, as [`Observer::op_start_by`].
    fn op_stop_by(&self, worker: usize, net: &NetInfo, op: &OpInfo, ok: bool) {
        let _ = worker;
        self.op_stop(net, op, ok);
    }
}

/// Adds up the time that nets and their operators take (Caffe2's `TimeObserver`).
///
/// Watches one net at a time; runs that fail count too.
#[derive(Debug, Default)]
pub struct TimeObserver(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    runs: u32,
    total: Duration,
    net_started: Option<Instant>,
    ops: Vec<OpTime>,
}

#[derive(Debug, Clone, Copy, Default)]
struct OpTime {
    total: Duration,
    started: Option<Instant>,
}

impl TimeObserver {
    /// An observer that saw nothing yet.
    pub fn new() -> TimeObserver {
        TimeObserver::default()
    }

    /// How often the net ran.
    pub fn runs(&self) -> u32 {
        self.times().runs
    }

    /// The average time of a run; zero before the first.
    pub fn average(&self) -> Duration {
        let times = self.times();
        times.total.checked_div(times.runs).unwrap_or_default()
    }

    /// The average time of each operator, in the order of the net.
    pub fn averages_of_operators(&self) -> Vec<Duration> {
        let times = self.times();
        times.ops.iter().map(|op| op.total.checked_div(times.runs).unwrap_or_default()).collect()
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for TimeObserver {
    fn net_start(&self, _: &NetInfo) {
        self.times().net_started = Some(Instant::now());
    }

    fn net_stop(&self, _: &NetInfo, _: bool) {
        let mut times = self.times();
        times.runs = times.runs.saturating_add(1);
        if let Some(started) = times.net_started.take() {
            times.total += started.elapsed();
        }
    }

    fn op_start(&self, net: &NetInfo, op: &OpInfo) {
        let mut times = self.times();
        if times.ops.len() < net.ops().len() {
            times.ops.resize(net.ops().len(), OpTime::default());
        }
        if let Some(time) = times.ops.get_mut(op.position()) {
            time.started = Some(Instant::now());
        }
    }

    fn op_stop(&self, _: &NetInfo, op: &OpInfo, _: bool) {
        let mut times = self.times();
        if let Some(time) = times.ops.get_mut(op.position())
            && let Some(started) = time.started.take()
        {
            time.total += started.elapsed();
        }
    }
}
