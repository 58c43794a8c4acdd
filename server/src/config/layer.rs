//! One place that options come from: everything optional, everything still text.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigError;
use super::options::{OptionSpec, find_option, options};
use super::resolve::Origin;

/// Variables of the environment that start as ours do and are not options: the
/// client's, and the place of the configuration file.
const OTHER_VARIABLES: &[&str] = &["LEASEQ_ADDR", "LEASEQ_CONFIG"];

/// The options that one place sets.
#[derive(Clone, Default)]
pub struct Layer {
    values: BTreeMap<&'static str, String>,
}

impl Layer {
    /// A layer that sets nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option by its key, replacing an earlier value.
    ///
    /// # Errors
    /// When there is no such option, or it may not be set by a flag.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> Result<(), ConfigError> {
        let spec = known(key, Origin::Flag)?;
        if spec.is_secret() {
            return Err(secret_misplaced(spec, Origin::Flag));
        }
        self.values.insert(spec.key, value.into());
        Ok(())
    }

    /// The options among these variables of an environment, and a sentence for
    /// each variable that looks like one and is none. Those are no errors: other
    /// programs put variables there too (Kubernetes for every service it knows).
    #[must_use]
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<String>) {
        let mut layer = Self::new();
        let mut warnings = Vec::new();
        for (name, value) in variables {
            if let Some(spec) = options().iter().find(|spec| spec.env == name) {
                layer.values.insert(spec.key, value);
            } else if name.starts_with("LEASEQ_") && !is_foreign(&name) {
                warnings.push(format!(
                    "the environment variable {name} is no option of leaseq and is ignored"
                ));
            }
        }
        (layer, warnings)
    }

    /// The options among the variables of this process.
    #[must_use]
    pub fn from_process_environment() -> (Self, Vec<String>) {
        Self::from_variables(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        }))
    }

    /// The options in a TOML file.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has an unknown key.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| file_error(path, e.to_string()))?;
        Self::from_toml(path, &text)
    }

    /// The options in the text of a TOML file.
    ///
    /// # Errors
    /// When it is not TOML or has an unknown key.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| file_error(path, toml_error(text, &e)))?;
        let mut layer = Self::new();
        layer.take_table(path, "", &table)?;
        Ok(layer)
    }

    fn take_table(
        &mut self,
        path: &Path,
        prefix: &str,
        table: &toml::Table,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let text = match value {
                toml::Value::Table(inner) if is_section(&key) => {
                    self.take_table(path, &format!("{key}."), inner)?;
                    continue;
                }
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let origin = Origin::File(path.to_owned());
            let spec = known(&key, origin.clone())?;
            if spec.is_secret() {
                return Err(secret_misplaced(spec, origin));
            }
            self.values.insert(spec.key, text);
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

impl std::fmt::Debug for Layer {
    // Values may be secrets; the keys say enough.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn known(key: &str, origin: Origin) -> Result<&'static OptionSpec, ConfigError> {
    find_option(key).ok_or_else(|| ConfigError::UnknownKey {
        key: key.to_owned(),
        origin,
        nearest: nearest_key(key),
    })
}

fn secret_misplaced(spec: &OptionSpec, origin: Origin) -> ConfigError {
    ConfigError::BadPlace {
        key: spec.key,
        origin,
        instead: "use the environment variable LEASEQ_AUTHKEY, or authkey_file, or keys_file",
    }
}

/// Variables that are not meant for the server: the client's own, and what
/// Kubernetes sets for a service called `leaseq`.
fn is_foreign(name: &str) -> bool {
    OTHER_VARIABLES.contains(&name)
        || name.starts_with("LEASEQ_PORT")
        || name.starts_with("LEASEQ_SERVICE_")
}

fn is_section(key: &str) -> bool {
    options().iter().any(|spec| {
        spec.key
            .split_once('.')
            .is_some_and(|(section, _)| section == key)
    })
}

fn file_error(path: &Path, what: String) -> ConfigError {
    ConfigError::File {
        path: path.to_owned(),
        what,
    }
}

/// The message with its line number, without the line itself: it may hold a key.
pub(crate) fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().and_then(|span| {
        let before = text.get(..span.start)?;
        Some(before.matches('\n').count() + 1)
    });
    let message = error.message().replace('\n', " ");
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

/// The option that needs the fewest changed letters, if few enough.
fn nearest_key(key: &str) -> Option<&'static str> {
    let best = options()
        .iter()
        .map(|spec| (distance(key, spec.key), spec.key))
        .min()?;
    // Half the letters wrong is another word.
    (best.0 <= key.len() / 3 + 1).then_some(best.1)
}

/// Levenshtein's distance.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = at;
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        for (column, other) in to.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
