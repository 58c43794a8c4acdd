//! The id of a job, without an allocation for each.

use std::cmp::Ordering;
use std::fmt;

/// Bytes of a UUID as text.
const UUID_BYTES: usize = 36;

/// A job's id: a UUIDv7 in text form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JobId(Text);

/// Text as long as an id is always the first kind, so that equal texts are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Uuid([u8; UUID_BYTES]),
    /// No server made this, but people may write anything.
    Other(Box<str>),
}

impl JobId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // It was text when it came in.
            Text::Uuid(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Text::Other(text) => text,
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobId").field(&self.as_str()).finish()
    }
}

impl PartialOrd for JobId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for JobId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for JobId {
    fn from(id: String) -> Self {
        Self::from(id.as_str())
    }
}

impl From<&str> for JobId {
    fn from(id: &str) -> Self {
        Self(match id.as_bytes().try_into() {
            Ok(bytes) => Text::Uuid(bytes),
            Err(_) => Text::Other(id.into()),
        })
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text_whatever_its_length() {
        let uuid = "0199c7a5-9b1d-7c53-a1f0-5b0f6d3c8a11";
        for text in [uuid, "", "7", "no UUID, but as long as one: 123456", "ä"] {
            let id = JobId::from(text);
            assert_eq!(id, JobId::from(text.to_owned()));
            assert_eq!(id.as_str(), text);
            assert_eq!(id.to_string(), text);
            assert_eq!(format!("{id:?}"), format!("JobId({text:?})"));
            assert_eq!(String::from(id), text);
        }
    }

    #[test]
    fn ids_are_in_the_order_of_their_texts() {
        let mut texts = ["b", "0199c7a5-9b1d-7c53-a1f0-5b0f6d3c8a11", "", "01", "1"];
        let mut ids = texts.map(JobId::from);
        texts.sort_unstable();
        ids.sort_unstable();
        assert_eq!(ids.map(String::from), texts);
    }
}
