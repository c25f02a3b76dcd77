//! What is going on, for a person who waits.

use std::io::{IsTerminal as _, stderr};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use caffe2::{EncodedNet, NetDef, NetInfo, Observer, OpInfo};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::units::ByteSize;

/// What takes less is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on standard error that shows up when work takes longer than a second and a person watches.
/// It goes when this is dropped.
pub(crate) struct Progress(Option<Shown>);

struct Shown {
    bar: ProgressBar,
    operators: Arc<Operators>,
    /// Dropping it keeps a bar that is not yet there from showing up.
    _done: Sender<()>,
}

/// Moves the bar as operators run.
struct Operators {
    bar: ProgressBar,
    /// Bytes that each operator of an init net takes in its file, about those of the parameters that it makes; of another
    /// net none, whose operators are counted instead.
    sizes: Mutex<Vec<usize>>,
}

impl Operators {
    fn size(&self, position: usize) -> Option<usize> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(position).copied()
    }
}

impl Progress {
    /// Begins to wait. Whoever asked for all that is done sees that instead.
    pub(crate) fn start() -> Progress {
        if !stderr().is_terminal() || tracing::enabled!(tracing::Level::DEBUG) {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let (done, waiting) = mpsc::channel::<()>();
        let late = bar.clone();
        thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                late.set_draw_target(ProgressDrawTarget::stderr());
                late.enable_steady_tick(Duration::from_millis(120));
            }
        });
        let operators = Arc::new(Operators { bar: bar.clone(), sizes: Mutex::default() });
        Progress(Some(Shown { bar, operators, _done: done }))
    }

    /// Says what is done now, where nobody knows how long it takes.
    pub(crate) fn phase(&self, what: &str) {
        tracing::trace!("{what}");
        if let Some(Shown { bar, .. }) = &self.0 {
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message(what.to_owned());
        }
    }

    /// Says that an init net is run now, which is measured in the bytes of its file.
    pub(crate) fn init_net(&self, what: &str, net: &EncodedNet) {
        let sizes: Vec<_> = (0..net.len()).map(|position| net.operator_bytes(position)).collect();
        let template = "{prefix} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec} {wide_msg}";
        self.steps(what, template, sizes.iter().sum(), sizes);
    }

    /// Says that a net is run now.
    pub(crate) fn net(&self, what: &str, net: &NetDef) {
        self.steps(what, "{prefix} {bar:30} {pos}/{len} {wide_msg}", net.op.len(), Vec::new());
    }

    fn steps(&self, what: &str, template: &str, length: usize, sizes: Vec<usize>) {
        self.phase(what);
        let Some(Shown { bar, operators, .. }) = &self.0 else { return };
        *operators.sizes.lock().unwrap_or_else(PoisonError::into_inner) = sizes;
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_length(length as u64);
        bar.reset();
        bar.set_prefix(what.to_owned());
        bar.set_message("");
    }

    /// Does what prints something, with the bar out of the way.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(shown) => shown.bar.suspend(print),
            None => print(),
        }
    }

    /// What moves the bar, when attached to the nets that run; `None` when nobody watches.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.0.as_ref().map(|shown| Arc::clone(&shown.operators) as Arc<dyn Observer>)
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {}
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Operators {
    fn op_start(&self, _: &NetInfo, op: &OpInfo) {
        let size = self.size(op.position()).map(|size| format!(" ({})", ByteSize(size))).unwrap_or_default();
        let output = op.outputs().first().map(|name| name.to_string()).unwrap_or_default();
        self.bar.set_message(format!("{} {output}{size}", op.op_type()));
    }

    fn op_stop(&self, _: &NetInfo, op: &OpInfo, _: bool) {
        self.bar.inc(self.size(op.position()).unwrap_or(1) as u64);
    }
}
