//! Messages beside the results, on standard error.

use std::{fmt, io};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Shows warnings, and more when asked to. `RUST_LOG` decides instead where it is set.
pub(crate) fn init(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let spans = match verbose {
        0 | 1 => FmtSpan::NONE,
        _ => FmtSpan::CLOSE,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(spans)
        .with_writer(io::stderr)
        .with_ansi(anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never)
        .event_format(Plain)
        .init();
}

/// A line such as `warning: so it is`, with the operators around.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(line, "{level}: ")?;
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            write!(line, "{}", span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(line, "{{{fields}}}")?;
            }
            write!(line, ": ")?;
        }
        ctx.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
