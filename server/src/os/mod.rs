//! Everything that differs between operating systems.

#[cfg(not(unix))]
mod other;
mod running;
#[cfg(unix)]
mod unix;

pub(crate) use running::{boot_id, running_time};

#[cfg(not(unix))]
pub(crate) use other::{Signals, raise_open_files, readable_by_others};
#[cfg(unix)]
pub(crate) use unix::{Signals, raise_open_files, readable_by_others};

/// What someone outside asks of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// Stop, and let what runs finish.
    Stop(&'static str),
    /// Read keys and certificates again. Only Unix has a signal for it.
    #[cfg_attr(not(unix), allow(dead_code))]
    Reload,
}
