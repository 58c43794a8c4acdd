//! Keys as they are written: one authkey, or a TOML file of many.
//!
//! ```toml
//! [[key]]
//! name = "workers"
//! sha256 = "5f…"              # of the key's text, in hex
//! roles = ["work"]
//! queues = ["mail.*"]         # optional; `*` stands for any run of characters
//! expires = 2027-01-01T00:00:00Z   # optional
//! ```

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use leaseq_engine::id::{QueueName, Scope};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::identity::{Role, Roles};

/// The shortest authkey. Shorter ones can be guessed.
pub(super) const KEY_BYTES_MIN: usize = 16;
/// The longest: it travels with every call.
const KEY_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 64;
const PATTERNS_MAX: usize = 100;

/// SHA-256 of a key's text.
pub(super) type Hash = [u8; 32];

/// One key, without its text.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Key {
    pub(super) name: Box<str>,
    pub(super) hash: Hash,
    pub(super) roles: Roles,
    pub(super) scope: Scope,
    pub(super) expires: Option<SystemTime>,
}

/// Keys cannot be used. The texts never hold a key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(pub(super) String);

pub(super) fn hash(text: &[u8]) -> Hash {
    Sha256::digest(text).into()
}

impl Key {
    /// The single key that may do everything. `short`: for development, where
    /// nothing but this machine can reach the server.
    ///
    /// # Errors
    /// When the text is too short or too long, or cannot travel in a header.
    pub(crate) fn single(text: &SecretString, short: bool) -> Result<Self, KeysError> {
        check_text(text.expose_secret(), short)
            .map_err(|what| KeysError(format!("the authkey {what}")))?;
        Ok(Self {
            name: "default".into(),
            hash: hash(text.expose_secret().as_bytes()),
            roles: Roles::all(),
            scope: Scope::All,
            expires: None,
        })
    }

    /// The keys of a keys file, and a sentence for each thing that should be better.
    ///
    /// # Errors
    /// The first thing that is wrong, with the key's name.
    pub(crate) fn many(text: &str, keys_max: usize) -> Result<(Vec<Self>, Vec<String>), KeysError> {
        let file: File = toml::from_str(text)
            .map_err(|error| KeysError(crate::config::toml_error(text, &error)))?;
        if file.key.is_empty() {
            return Err(KeysError(
                "it has no [[key]]; with none, nobody could call".to_owned(),
            ));
        }
        if file.key.len() > keys_max {
            return Err(KeysError(format!(
                "it has {} keys, limits.keys allows {keys_max}",
                file.key.len()
            )));
        }
        let mut warnings = Vec::new();
        let mut keys = Vec::with_capacity(file.key.len());
        for (at, entry) in file.key.into_iter().enumerate() {
            keys.push(entry.check(at + 1, &mut warnings)?);
        }
        let mut names = HashSet::new();
        if let Some(double) = keys.iter().find(|key| !names.insert(key.name.clone())) {
            return Err(KeysError(format!("two keys are named {:?}", double.name)));
        }
        let mut by_hash = HashMap::new();
        for key in &keys {
            if let Some(first) = by_hash.insert(key.hash, &key.name) {
                return Err(KeysError(format!(
                    "{first:?} and {:?} are one key with two entries; make a key for each",
                    key.name
                )));
            }
        }
        Ok((keys, warnings))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    sha256: Option<String>,
    key: Option<String>,
    roles: Vec<String>,
    queues: Option<Vec<String>>,
    expires: Option<toml::Value>,
}

impl KeyEntry {
    fn check(self, number: usize, warnings: &mut Vec<String>) -> Result<Key, KeysError> {
        let printable = self.name.bytes().all(|byte| byte.is_ascii_graphic());
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !printable {
            return Err(KeysError(format!(
                "the name of key number {number} must be 1 to {NAME_BYTES_MAX} printable ASCII \
                 characters without spaces"
            )));
        }
        let name = self.name.clone();
        let wrong = |what: String| KeysError(format!("key {name:?}: {what}"));
        if self.key.is_some() {
            warnings.push(format!(
                "key {name:?} is written in plain; write sha256 = \"…\" in its place (the output \
                 of: printf %s KEY | sha256sum)"
            ));
        }
        Ok(Key {
            hash: self.hash().map_err(wrong)?,
            roles: self.roles().map_err(wrong)?,
            scope: self.scope().map_err(wrong)?,
            expires: self.expires().map_err(wrong)?,
            name: self.name.into(),
        })
    }

    fn hash(&self) -> Result<Hash, String> {
        match (&self.sha256, &self.key) {
            (Some(hex), None) => {
                parse_hex(hex).ok_or_else(|| "sha256 must be 64 hexadecimal digits".to_owned())
            }
            (None, Some(text)) => {
                check_text(text, false)?;
                Ok(hash(text.as_bytes()))
            }
            _ => Err("give either sha256 or key".to_owned()),
        }
    }

    fn roles(&self) -> Result<Roles, String> {
        let mut roles = Vec::new();
        for word in &self.roles {
            roles.push(Role::from_word(word).ok_or_else(|| {
                format!("there is no role {word:?}; there are put, work, read and admin")
            })?);
        }
        let roles: Roles = roles.into_iter().collect();
        if roles.is_empty() {
            return Err("it has no roles; there are put, work, read and admin".to_owned());
        }
        Ok(roles)
    }

    fn scope(&self) -> Result<Scope, String> {
        let Some(patterns) = &self.queues else {
            return Ok(Scope::All);
        };
        if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
            return Err(format!(
                "queues must have 1 to {PATTERNS_MAX} patterns; leave it out for all queues"
            ));
        }
        if patterns.iter().any(|pattern| pattern == "*") {
            return Ok(Scope::All);
        }
        if let Some(bad) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
            return Err(format!(
                "{bad:?} is no queue pattern: it may have the characters of queue names and *"
            ));
        }
        Ok(Scope::Patterns(
            patterns
                .iter()
                .map(|p| p.clone().into_boxed_str())
                .collect(),
        ))
    }

    fn expires(&self) -> Result<Option<SystemTime>, String> {
        let text = match &self.expires {
            None => return Ok(None),
            Some(toml::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        humantime::parse_rfc3339_weak(&text)
            .map(Some)
            .map_err(|_| "expires must be a UTC time such as 2027-01-01T00:00:00Z".to_owned())
    }
}

/// At most this many stars, because each multiplies the work of a comparison.
const STARS_MAX: usize = 4;

fn is_pattern(text: &str) -> bool {
    let letters_right = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*'));
    !text.is_empty()
        && text.len() <= QueueName::BYTES_MAX
        && letters_right
        && text.matches('*').count() <= STARS_MAX
}

fn parse_hex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    // `from_str_radix` lets a sign pass.
    (!text.contains('+')).then_some(hash)
}

fn check_text(text: &str, short: bool) -> Result<(), String> {
    let least = if short { 1 } else { KEY_BYTES_MIN };
    if text.len() < least || text.len() > KEY_BYTES_MAX {
        return Err(format!(
            "has {} characters; {least} to {KEY_BYTES_MAX} are allowed",
            text.len()
        ));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "has characters that cannot travel in a header: use printable ASCII without spaces"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    const OTHER: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";

    fn refused(text: &str) -> String {
        Key::many(text, 10).unwrap_err().to_string()
    }

    #[test]
    fn a_key_says_what_it_may_do() {
        let text = format!(
            "[[key]]\nname='w'\nsha256='{HASH}'\nroles=['work','read']\nqueues=['mail.*']\n\
             expires=2027-01-01T00:00:00Z\n[[key]]\nname='all'\nsha256='{OTHER}'\nroles=['put']\n"
        );
        let (keys, warnings) = Key::many(&text, 10).unwrap();
        assert!(warnings.is_empty());
        assert_eq!(keys[0].hash, hash(b"foo"));
        assert!(keys[0].roles.has(Role::Work) && !keys[0].roles.has(Role::Put));
        assert!(keys[0].scope.permits(&QueueName::new("mail.out").unwrap()));
        assert!(!keys[0].scope.permits(&QueueName::new("other").unwrap()));
        assert!(keys[0].expires.is_some());
        assert_eq!(keys[1].scope, Scope::All);
    }

    #[test]
    fn a_plain_key_works_and_is_warned_about() {
        let text = "[[key]]\nname='m'\nkey='sixteen-letters-or-more'\nroles=['put']\n";
        let (keys, warnings) = Key::many(text, 10).unwrap();
        assert_eq!(keys[0].hash, hash(b"sixteen-letters-or-more"));
        assert_eq!(warnings.len(), 1);
        assert!(!warnings[0].contains("sixteen-letters"));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name_of_the_key() {
        let key = |rest: &str| refused(&format!("[[key]]\nname='k'\n{rest}\n"));
        assert!(refused("").contains("no [[key]]"));
        assert!(key("roles=['put']").contains("\"k\": give either"));
        assert!(key("sha256='12'\nroles=['put']").contains("64 hexadecimal"));
        assert!(key(&format!("sha256='{HASH}'\nroles=['boss']")).contains("\"boss\""));
        assert!(key(&format!("sha256='{HASH}'\nroles=[]")).contains("no roles"));
        assert!(key("key='short'\nroles=['put']").contains("5 characters"));
        let queues =
            |queues: &str| key(&format!("sha256='{HASH}'\nroles=['put']\nqueues={queues}"));
        assert!(queues("['a/b']").contains("\"a/b\""));
        assert!(queues("[]").contains("leave it out"));
        assert!(queues("['*a*a*a*a*a']").contains("pattern"));
        assert!(
            key(&format!("sha256='{HASH}'\nroles=['put']\nexpires='soon'")).contains("expires")
        );
        assert!(key(&format!("sha256='{HASH}'\nroles=['put']\ncolour='red'")).contains("colour"));
        let one = format!("[[key]]\nname='k'\nsha256='{HASH}'\nroles=['put']\n");
        assert!(refused(&one.repeat(2)).contains("two keys"));
        assert!(refused(&one.repeat(11)).contains("limits.keys"));
        // Under two names: the roles of one would hold for both.
        let renamed = one.replace("'k'", "'other'");
        let text = refused(&format!("{one}{renamed}"));
        assert!(text.contains("\"k\" and \"other\" are one key"), "{text}");
    }

    #[test]
    fn a_syntax_error_does_not_show_the_key() {
        let error = refused("[[key]]\nname='k'\nkey='sixteen-letters-or-more\n");
        assert!(
            error.contains("line 3") && !error.contains("sixteen"),
            "{error}"
        );
    }

    #[test]
    fn a_single_key_is_long_and_printable() {
        let single = |text: &str, short| Key::single(&SecretString::from(text), short);
        assert!(single("sixteen-letters-or-more", false).is_ok());
        assert!(single("abc", false).is_err());
        assert!(single("abc", true).is_ok());
        assert!(single("sixteen letters or more", false).is_err());
        assert!(single("sechzehn-zeichen-öäü", false).is_err());
    }
}
