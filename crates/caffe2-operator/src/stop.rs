//! Ending a run before it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends the runs of a workspace from another thread.
///
/// ```
/// use caffe2_operator::{ErrorKind, Workspace, proto::NetDef};
///
/// let mut workspace = Workspace::new();
/// let token = workspace.cancel_token();
/// token.cancel();
/// let error = workspace.run_net_once(&NetDef::new("n")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Stopped);
/// token.reset();
/// workspace.run_net_once(&NetDef::new("n")).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Has the run end before its next operator, and later runs before their first, until [`CancelToken::reset`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets runs go on as if nothing had been.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a run ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// By a [`CancelToken`].
    #[error("not run: the run was cancelled")]
    Cancelled,
    /// By [`Workspace::set_time_limit`](crate::Workspace::set_time_limit).
    #[error("not run: the time limit has passed")]
    TimeLimit,
}

/// What may end the runs of a workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopRules {
    pub(crate) token: CancelToken,
    pub(crate) time_limit: Option<Duration>,
    /// Ends the parts of one run, when another part has failed.
    pub(crate) halt: Option<CancelToken>,
    /// When the run that is going on began; only kept where there is a limit.
    began: Option<Instant>,
}

impl StopRules {
    /// A run begins.
    pub(crate) fn begin(&mut self) {
        self.began = self.time_limit.map(|_| Instant::now());
    }

    /// Fails when the run is to end.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.token.is_cancelled() || self.halt.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Stopped::Cancelled);
        }
        match (self.began, self.time_limit) {
            (Some(began), Some(limit)) if began.elapsed() >= limit => Err(Stopped::TimeLimit),
            _ => Ok(()),
        }
    }
}
