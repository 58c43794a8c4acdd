//! The configuration: one table names flag, environment variable, file key,
//! default and bounds of every option; one struct holds the values.
//!
//! Flags win over the environment, the environment over the file, the file over
//! the default; [`Resolved`] remembers which one it was. Nothing else in the
//! server reads the environment.

mod check;
mod error;
mod layer;
mod options;
mod resolve;
mod value;

pub use error::ConfigError;
pub use layer::Layer;
pub(crate) use layer::toml_error;
pub use options::{
    Config, Http2, Limits, Log, Metrics, OptionSpec, QueueDefaults, Tls, find_option, options,
};
pub use resolve::{Entry, Origin, Resolved};
pub use value::{Kind, LogFormat, LogLevel, Reflection, StoreKind, SyncPolicy};

#[cfg(test)]
mod tests;
