//! What can be wrong with a configuration, each in one sentence.

use std::path::PathBuf;

use super::resolve::Origin;

/// The configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such option.
    #[error("{origin}: there is no option {key:?}{}", hint(.nearest))]
    UnknownKey {
        /// What was written.
        key: String,
        /// Where.
        origin: Origin,
        /// The option whose name is most like it.
        nearest: Option<&'static str>,
    },
    /// An option has a value it may not have.
    #[error("{origin}: {key} is {value}; allowed: {allowed}")]
    BadValue {
        /// The option.
        key: &'static str,
        /// Its value, in quotes; withheld if it is a secret.
        value: String,
        /// Where it is set.
        origin: Origin,
        /// What it may be.
        allowed: String,
    },
    /// The option may not be set there.
    #[error("{origin}: {key} may not be set there; {instead}")]
    BadPlace {
        /// The option.
        key: &'static str,
        /// Where it is set.
        origin: Origin,
        /// What to do instead.
        instead: &'static str,
    },
    /// Two options contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// The file cannot be read or is not TOML.
    #[error("the configuration file {}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(key) => format!("; did you mean {key:?}?"),
        None => "; `leaseq config print` lists them all".to_owned(),
    }
}
