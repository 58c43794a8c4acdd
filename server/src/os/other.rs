//! Systems that are not Unix: Ctrl-C is the only signal, and file modes say nothing.

use std::io;
use std::path::Path;

use super::Signal;

/// The signals that this process listens to.
pub(crate) struct Signals;

impl Signals {
    #[allow(clippy::unnecessary_wraps)] // as on Unix, where it can fail
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            // No handler can be had: there will be no signal.
            std::future::pending::<()>().await;
        }
        Signal::Stop("Ctrl-C")
    }
}

/// Access lists are not looked at.
pub(crate) fn readable_by_others(_: &Path) -> bool {
    false
}

/// There is no such limit, or none that can be asked for.
pub(crate) fn raise_open_files() -> Option<u64> {
    None
}
