//! A directory of the operating system.
