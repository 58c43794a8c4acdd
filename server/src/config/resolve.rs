//! Puts the layers on top of each other and remembers where each value is from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::layer::Layer;
use super::options::{Config, OptionSpec, find_option, options};
use super::value::Value;

/// Where the value of an option is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// This environment variable.
    Environment(&'static str),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// One option with its value, as `leaseq config print` shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The option.
    pub spec: &'static OptionSpec,
    /// Its value as text; `***` for a secret that is set, empty for nothing.
    pub value: String,
    /// Where it is from.
    pub origin: Origin,
}

/// A configuration and where each of its values is from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The values.
    pub config: Config,
    entries: Vec<Entry>,
    warnings: Vec<String>,
}

impl Resolved {
    /// Every option with its value and origin, in the order of the table.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What is odd about the configuration but not wrong.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Config {
    /// Puts the layers on top of each other: flags win over the environment, the
    /// environment over the file. `environment` is what
    /// [`Layer::from_process_environment`] gives.
    ///
    /// # Errors
    /// When the file cannot be used, a key is unknown, a value is not allowed, or
    /// options contradict each other.
    pub fn resolve(
        flags: &Layer,
        environment: &(Layer, Vec<String>),
        file: Option<&Path>,
    ) -> Result<Resolved, ConfigError> {
        let file = match file {
            Some(path) => Some((path, Layer::from_file(path)?)),
            None => None,
        };
        let values = Values {
            flags,
            environment: &environment.0,
            file: file.as_ref().map(|(path, layer)| (*path, layer)),
        };
        let config = Self::read(&values)?;
        config.check()?;
        let entries = options().iter().map(|spec| values.entry(spec)).collect();
        Ok(Resolved {
            config,
            entries,
            warnings: environment.1.clone(),
        })
    }
}

impl Default for Config {
    /// Every option at its default.
    fn default() -> Self {
        let (flags, environment) = (Layer::new(), Layer::new());
        let values = Values {
            flags: &flags,
            environment: &environment,
            file: None,
        };
        Self::read(&values).expect("every default is allowed: a test reads them all")
    }
}

/// The layers, the strongest first.
pub(super) struct Values<'a> {
    flags: &'a Layer,
    environment: &'a Layer,
    file: Option<(&'a Path, &'a Layer)>,
}

impl Values<'_> {
    /// The value of the option `key` of the table.
    pub(super) fn get<T: Value>(&self, key: &'static str) -> Result<T, ConfigError> {
        let Some(spec) = find_option(key) else {
            unreachable!("{key} is read from the table that defines it");
        };
        let (text, origin) = self.find(spec);
        // An empty key or file name is a mistake, such as a command that failed in the
        // variable's value. Taken for "not set", it would leave the server open.
        if text.is_empty() && spec.default.is_empty() && origin != Origin::Default {
            return Err(ConfigError::BadValue {
                key: spec.key,
                value: "set and empty".to_owned(),
                origin,
                allowed: format!("{}, or not set at all", spec.kind.allowed()),
            });
        }
        T::parse(text, spec.kind).ok_or_else(|| ConfigError::BadValue {
            key: spec.key,
            value: if spec.is_secret() {
                "not allowed (not shown, it is a secret)".to_owned()
            } else {
                format!("{text:?}")
            },
            origin,
            allowed: spec.kind.allowed(),
        })
    }

    fn find<'b>(&'b self, spec: &'static OptionSpec) -> (&'b str, Origin) {
        if let Some(text) = self.flags.get(spec.key) {
            return (text, Origin::Flag);
        }
        if let Some(text) = self.environment.get(spec.key) {
            return (text, Origin::Environment(spec.env));
        }
        if let Some((path, layer)) = self.file
            && let Some(text) = layer.get(spec.key)
        {
            return (text, Origin::File(path.to_owned()));
        }
        (spec.default, Origin::Default)
    }

    fn entry(&self, spec: &'static OptionSpec) -> Entry {
        let (text, origin) = self.find(spec);
        let value = if spec.is_secret() && !text.is_empty() {
            "***".to_owned()
        } else {
            text.to_owned()
        };
        Entry {
            spec,
            value,
            origin,
        }
    }
}
