//! What the operators of a net did, and when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use caffe2::{NetInfo, Observer, OpInfo};

use crate::allocations::{self, Allocations};

/// One run of an operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpRun {
    /// The position of the operator.
    pub(crate) position: usize,
    /// The thread that ran it: 0 is the one that runs the net.
    pub(crate) worker: usize,
    /// Since the recorder was made.
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// What was allocated meanwhile, by whichever thread.
    pub(crate) allocations: Allocations,
}

/// Writes down runs of a net and of its operators.
#[derive(Debug)]
pub(crate) struct Recorder {
    epoch: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By position, of the operators that run.
    open: Vec<Option<(Duration, Allocations)>>,
    done: Vec<OpRun>,
    net_begin: Duration,
    nets: Vec<(Duration, Duration)>,
}

impl Recorder {
    /// For so many runs of a net with so many operators.
    pub(crate) fn new(operators: usize, runs: usize) -> Recorder {
        // Room for all but very many, so that writing down takes no time.
        const ROOM: usize = 1 << 20;
        let state = State {
            open: vec![None; operators],
            done: Vec::with_capacity(operators.saturating_mul(runs).min(ROOM)),
            net_begin: Duration::ZERO,
            nets: Vec::with_capacity(runs.min(ROOM)),
        };
        Recorder { epoch: Instant::now(), state: Mutex::new(state) }
    }

    /// The runs of operators in the order in which they ended.
    pub(crate) fn operators(&self) -> Vec<OpRun> {
        self.lock().done.clone()
    }

    /// Begin and end of each run of the net.
    pub(crate) fn nets(&self) -> Vec<(Duration, Duration)> {
        self.lock().nets.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn net_start(&self, _: &NetInfo) {
        let mut state = self.lock();
        state.net_begin = self.epoch.elapsed();
    }

    fn net_stop(&self, _: &NetInfo, _: bool) {
        let end = self.epoch.elapsed();
        let mut state = self.lock();
        let begin = state.net_begin;
        state.nets.push((begin, end));
    }

    fn op_start_by(&self, _: usize, _: &NetInfo, op: &OpInfo) {
        let mut state = self.lock();
        if let Some(open) = state.open.get_mut(op.position()) {
            *open = Some((self.epoch.elapsed(), allocations::now()));
        }
    }

    fn op_stop_by(&self, worker: usize, _: &NetInfo, op: &OpInfo, _: bool) {
        let (end, now) = (self.epoch.elapsed(), allocations::now());
        let mut state = self.lock();
        if let Some((begin, before)) = state.open.get_mut(op.position()).and_then(Option::take) {
            let allocations = now.since(before);
            state.done.push(OpRun { position: op.position(), worker, begin, end, allocations });
        }
    }
}

/// The middle of the sorted values; 0 without any.
pub(crate) fn median(sorted: &[Duration]) -> Duration {
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    match sorted.len() {
        0 => upper,
        even if even % 2 == 0 => (sorted[even / 2 - 1] + upper) / 2,
        _ => upper,
    }
}

/// The smallest of the sorted values that so many percent of them do not exceed; 0 without any.
pub(crate) fn percentile(sorted: &[Duration], percent: u32) -> Duration {
    let rank = (sorted.len() * percent as usize).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The median time of each operator, by position.
pub(crate) fn medians(operators: usize, runs: &[OpRun]) -> Vec<Duration> {
    let mut times = vec![Vec::new(); operators];
    for run in runs {
        times[run.position].push(run.end - run.begin);
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    times.iter().map(|times| median(times)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        let ms = |list: &[u64]| list.iter().map(|&n| Duration::from_millis(n)).collect::<Vec<_>>();
        assert_eq!([median(&[]), median(&ms(&[3])), median(&ms(&[1, 2, 9]))], ms(&[0, 3, 2])[..]);
        assert_eq!(median(&ms(&[1, 2, 4, 9])), Duration::from_millis(3));
        let hundred = ms(&(1..=100).collect::<Vec<_>>());
        assert_eq!([1, 50, 90, 99, 100].map(|p| percentile(&hundred, p)), ms(&[1, 50, 90, 99, 100])[..]);
        assert_eq!(percentile(&ms(&[5, 7]), 90), Duration::from_millis(7));
        assert_eq!(percentile(&[], 90), Duration::ZERO);
    }
}
