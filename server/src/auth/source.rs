//! Where keys come from, and reading them again.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::keys::{Hash, Key, KeysError, hash};
use crate::config::Config;
use crate::os;

/// A file of keys is not larger than this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// There are none.
    None,
    /// One key, told at the start.
    Fixed(SecretString),
    /// One key, in the first line of a file.
    AuthkeyFile(PathBuf),
    /// Many keys, in a TOML file.
    KeysFile(PathBuf),
}

/// What was read from a file.
#[derive(Clone, Debug)]
pub(crate) struct KeysRead {
    pub(crate) keys: Vec<Key>,
    pub(crate) warnings: Vec<String>,
    /// Of the content: tells whether the file has changed.
    pub(crate) digest: Hash,
}

impl KeySource {
    /// The source that the configuration names.
    #[must_use]
    pub(crate) fn of(config: &Config) -> Self {
        if let Some(path) = &config.keys_file {
            Self::KeysFile(path.clone())
        } else if let Some(path) = &config.authkey_file {
            Self::AuthkeyFile(path.clone())
        } else if let Some(key) = &config.authkey {
            Self::Fixed(key.clone())
        } else {
            Self::None
        }
    }

    /// The file that is to be watched.
    #[must_use]
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::None | Self::Fixed(_) => None,
            Self::AuthkeyFile(path) | Self::KeysFile(path) => Some(path),
        }
    }

    /// Reads the keys. `short`: a single key may be short.
    pub(crate) fn read(&self, keys_max: usize, short: bool) -> Result<KeysRead, KeysError> {
        let read = match self {
            Self::None => return Ok(KeysRead::fixed(Vec::new())),
            Self::Fixed(text) => return Ok(KeysRead::fixed(vec![Key::single(text, short)?])),
            Self::AuthkeyFile(path) => read_file(path).and_then(|text| {
                let line = text.lines().next().unwrap_or_default().trim();
                let key = Key::single(&SecretString::from(line), short)?;
                Ok((text, vec![key], Vec::new()))
            }),
            Self::KeysFile(path) => read_file(path).and_then(|text| {
                let (keys, warnings) = Key::many(&text, keys_max)?;
                Ok((text, keys, warnings))
            }),
        };
        let path = self.file().unwrap_or(Path::new("")).display();
        let (text, keys, warnings) =
            read.map_err(|KeysError(what)| KeysError(format!("the keys in {path}: {what}")))?;
        let mut warnings: Vec<String> = warnings
            .iter()
            .map(|what| format!("the keys in {path}: {what}"))
            .collect();
        if let Some(file) = self.file()
            && os::readable_by_others(file)
        {
            warnings.push(format!(
                "{path} can be read by every user of this machine: chmod 600 it"
            ));
        }
        Ok(KeysRead {
            keys,
            warnings,
            digest: hash(text.as_bytes()),
        })
    }
}

impl KeysRead {
    fn fixed(keys: Vec<Key>) -> Self {
        Self {
            keys,
            warnings: Vec::new(),
            digest: Hash::default(),
        }
    }
}

fn read_file(path: &Path) -> Result<String, KeysError> {
    let refuse = |error: std::io::Error| KeysError(format!("cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(refuse)?.len();
    if size > FILE_BYTES_MAX {
        return Err(KeysError(format!(
            "the file has {size} bytes; {FILE_BYTES_MAX} are allowed"
        )));
    }
    std::fs::read_to_string(path).map_err(refuse)
}
