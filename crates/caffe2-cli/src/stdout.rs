//! Standard output.

use std::io::{self, Write as _};

use anyhow::bail;

/// Writes a report to standard output: its colours only where somebody sees them.
pub(crate) fn print_styled(text: &str) -> anyhow::Result<()> {
    let plain = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    };
    print(plain.as_bytes())
}

/// Writes to standard output. A reader that has gone away is an error of its own kind, which `main` knows.
pub(crate) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            bail!("standard output cannot be written: {error}")
        }
        written => Ok(written?),
    }
}
