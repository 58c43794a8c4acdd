//! The one place that is not the same on every operating system.

use std::process::ExitStatus;

use tokio::process::Command;

/// Waits until the process is asked to stop: ctrl-c anywhere, SIGTERM on Unix.
#[cfg(unix)]
pub(crate) async fn stop_requested() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminate.recv() => {}
    }
}

/// Waits until the process is asked to stop.
#[cfg(not(unix))]
pub(crate) async fn stop_requested() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the default holds: the process just ends.
        std::future::pending::<()>().await;
    }
}

/// Keeps a terminal's ctrl-c from a child: we get it, and let the child finish what it does.
#[cfg(unix)]
pub(crate) fn shield_from_terminal(command: &mut Command) {
    command.process_group(0);
}

/// Keeps a terminal's ctrl-c from a child.
#[cfg(windows)]
pub(crate) fn shield_from_terminal(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// The signal that ended a process, if one did.
#[cfg(unix)]
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// The signal that ended a process: there are none here.
#[cfg(not(unix))]
pub(crate) fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// What killing a process is called here.
pub(crate) const KILL: &str = if cfg!(unix) {
    "kill -9"
} else {
    "TerminateProcess"
};
