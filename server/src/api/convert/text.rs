//! Names, ids and the words of people.

use bytes::{BufMut, BytesMut};
use leaseq_engine::id::{JobId, QueueName, RequestId};
use leaseq_proto::v1;
use uuid::Uuid;

use crate::api::fault::Invalid;

/// The longest name of a worker in bytes.
const WORKER_BYTES_MAX: usize = 128;

/// The longest progress in bytes.
const PROGRESS_BYTES_MAX: usize = 1 << 10;

/// Longer errors and reasons are cut: a stack trace must not cost a job its verdict.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// The name of a queue in `field`.
///
/// # Errors
/// When it is no name of a queue.
pub(crate) fn queue_name(field: &str, name: &str) -> Result<QueueName, Invalid> {
    QueueName::new(name).map_err(|rule| {
        // A long name is not repeated in full: the answer must fit in a header.
        let shown: String = name.chars().take(QueueName::BYTES_MAX).collect();
        Invalid::new(field, format!("is {shown:?}, but {rule}"))
    })
}

/// The id of a job in `field`.
///
/// # Errors
/// When it is no id of a job.
pub(crate) fn job_id(field: &str, id: &str) -> Result<JobId, Invalid> {
    id.parse()
        .map_err(|rule| Invalid::new(field, format!("is {rule}")))
}

/// The request id in `field`; empty is none.
///
/// # Errors
/// When it is not a UUID, or the one with all bits zero.
pub(crate) fn request_id(field: &str, id: &str) -> Result<Option<RequestId>, Invalid> {
    if id.is_empty() {
        return Ok(None);
    }
    match Uuid::try_parse(id) {
        Ok(uuid) if !uuid.is_nil() => Ok(Some(RequestId(uuid.as_u128()))),
        Ok(_) => Err(Invalid::new(
            field,
            "is all zeros, which is what a forgotten UUID looks like; make a random one",
        )),
        Err(_) => Err(Invalid::new(
            field,
            "is not a UUID such as 2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11",
        )),
    }
}

/// The name of a worker in `field`.
///
/// # Errors
/// When it is too long.
pub(crate) fn worker(field: &str, name: String) -> Result<Box<str>, Invalid> {
    at_most(field, name, WORKER_BYTES_MAX)
}

/// The progress in `field`.
///
/// # Errors
/// When it is too long.
pub(crate) fn progress(field: &str, progress: String) -> Result<Box<str>, Invalid> {
    at_most(field, progress, PROGRESS_BYTES_MAX)
}

fn at_most(field: &str, text: String, max: usize) -> Result<Box<str>, Invalid> {
    if text.len() > max {
        let bytes = text.len();
        return Err(Invalid::new(
            field,
            format!("has {bytes} bytes; at most {max} are allowed"),
        ));
    }
    Ok(text.into_boxed_str())
}

/// An error or a reason for people, cut to what is kept.
pub(crate) fn error(mut text: String) -> Box<str> {
    cut(&mut text, ERROR_BYTES_MAX);
    text.into_boxed_str()
}

/// Cuts `text` to at most `bytes_max` bytes, between characters.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
}

/// Writes a job's id as text.
pub(crate) fn write_id(id: JobId, to: &mut BytesMut) {
    let mut buffer = Uuid::encode_buffer();
    let uuid = Uuid::from_u128(id.to_u128()).hyphenated();
    to.put_slice(uuid.encode_lower(&mut buffer).as_bytes());
}

/// A job's id as text. The same as its `Display`, several times faster: every job has one.
pub(crate) fn id_text(id: JobId) -> String {
    let mut buffer = Uuid::encode_buffer();
    Uuid::from_u128(id.to_u128())
        .hyphenated()
        .encode_lower(&mut buffer)
        .to_owned()
}

/// The ids of jobs as an answer to a Put has them: each written once, into one piece of memory.
pub(crate) fn job_ids(ids: &[JobId]) -> v1::JobIds {
    let mut buffer = Uuid::encode_buffer();
    let mut all = v1::JobIds::with_capacity(ids.len());
    for id in ids {
        let uuid = Uuid::from_u128(id.to_u128()).hyphenated();
        all.push(uuid.encode_lower(&mut buffer));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaseq_engine::id::{JobSeq, NamespaceTag};
    use leaseq_engine::time::Time;

    #[test]
    fn the_text_of_an_id_is_its_display() {
        let id = JobId::new(
            JobSeq(123_456_789),
            Time::from_millis(1_763_899_200_123),
            NamespaceTag::new(77),
        );
        assert_eq!(id_text(id), id.to_string());
        assert_eq!(job_id("job_id", &id_text(id)), Ok(id));
        assert!(job_ids(&[id, id]).iter().eq([id_text(id), id_text(id)]));
    }

    #[test]
    fn an_error_is_cut_between_characters() {
        let text = error("ü".repeat(ERROR_BYTES_MAX));
        assert_eq!(text.len(), ERROR_BYTES_MAX);
        let text = error(format!("a{}", "ü".repeat(ERROR_BYTES_MAX)));
        assert_eq!(text.len(), ERROR_BYTES_MAX - 1);
    }

    #[test]
    fn strange_names_are_refused_with_the_rule() {
        for name in ["", "-x", "a b", "ä", "a/b", &"a".repeat(129)] {
            let problem = queue_name("queue", name).expect_err("refused").to_string();
            assert!(problem.contains("1 to 128 of the characters"), "{problem}");
        }
    }

    #[test]
    fn a_request_id_is_a_uuid_or_nothing() {
        assert_eq!(request_id("request_id", ""), Ok(None));
        assert!(request_id("request_id", "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11").is_ok());
        assert!(request_id("request_id", "00000000-0000-0000-0000-000000000000").is_err());
        assert!(request_id("request_id", "7").is_err());
    }
}
