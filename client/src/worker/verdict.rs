//! From what a handler returns to the verdict on its job.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::leased::Verdict;

/// Why a handler did not complete its job, and what becomes of the job. Anything that can be shown
/// turns into one that fails the attempt, so `?` works on every error.
///
/// ```
/// use leaseq_client::JobError;
///
/// fn read(text: &str) -> Result<u64, JobError> {
///     // Another attempt would not help: the job is dead at once.
///     text.parse().map_err(JobError::reject)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobError(Verdict);

impl JobError {
    /// The attempt failed: the job is tried again or, after its last attempt, dead.
    pub fn fail(error: impl fmt::Display) -> Self {
        Self(Verdict::Fail {
            error: error.to_string(),
            retry_delay: None,
        })
    }

    /// The attempt failed; if there is another, it comes after this wait instead of the retry
    /// policy's.
    pub fn retry_after(delay: Duration, error: impl fmt::Display) -> Self {
        Self(Verdict::Fail {
            error: error.to_string(),
            retry_delay: Some(delay),
        })
    }

    /// The job can never succeed: it is dead now.
    pub fn reject(error: impl fmt::Display) -> Self {
        Self(Verdict::Reject {
            error: error.to_string(),
        })
    }

    /// The worker gives the job back, at once; the attempt is not counted.
    pub fn release() -> Self {
        Self(Verdict::Release { delay: None })
    }

    /// The worker gives the job back, not to be leased before this wait; the attempt is not
    /// counted.
    pub fn release_after(delay: Duration) -> Self {
        Self(Verdict::Release { delay: Some(delay) })
    }
}

// JobError itself cannot be shown, or this would collide with `From<JobError> for JobError`.
impl<E: fmt::Display> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::fail(error)
    }
}

/// What a handler may return for a completed job: the result's bytes.
pub trait IntoResult: Send + 'static {
    /// The result, or why there is none after all.
    fn into_result(self) -> Result<Bytes, JobError>;
}

macro_rules! into_result {
    ($($kind:ty),*) => {
        $(impl IntoResult for $kind {
            fn into_result(self) -> Result<Bytes, JobError> {
                Ok(Bytes::from(self))
            }
        })*
    };
}

into_result!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

/// An empty result.
impl IntoResult for () {
    fn into_result(self) -> Result<Bytes, JobError> {
        Ok(Bytes::new())
    }
}

#[cfg(feature = "json")]
impl<T: serde::Serialize + Send + 'static> IntoResult for crate::json::Json<T> {
    fn into_result(self) -> Result<Bytes, JobError> {
        crate::json::to_bytes(&self.0).map_err(JobError::reject)
    }
}

/// The verdict on a job whose handler returned this.
pub(super) fn of<R: IntoResult, E: Into<JobError>>(returned: Result<R, E>) -> Verdict {
    let result = returned.map_err(Into::into).and_then(R::into_result);
    match result {
        Ok(result) => Verdict::Complete { result },
        Err(JobError(verdict)) => verdict,
    }
}

/// The verdict on a job whose handler panicked.
pub(super) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Verdict {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("of unknown kind");
    Verdict::Fail {
        error: format!("the handler panicked: {text}"),
        retry_delay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(error: &str) -> Verdict {
        Verdict::Fail {
            error: error.to_owned(),
            retry_delay: None,
        }
    }

    #[test]
    fn what_a_handler_returns_decides() {
        let complete = |result: &'static str| Verdict::Complete {
            result: result.into(),
        };
        assert_eq!(of(Ok::<_, JobError>("done")), complete("done"));
        assert_eq!(of(Ok::<_, JobError>(())), complete(""));
        assert_eq!(of(Err::<(), _>("no luck")), fail("no luck"));
        assert_eq!(
            of(Err::<(), _>(std::fmt::Error)),
            fail(&std::fmt::Error.to_string())
        );
        assert_eq!(
            of(Err::<(), _>(JobError::reject("never"))),
            Verdict::Reject {
                error: "never".to_owned()
            }
        );
        let soon = Duration::from_secs(1);
        assert_eq!(
            of(Err::<(), _>(JobError::release_after(soon))),
            Verdict::Release { delay: Some(soon) }
        );
    }

    #[test]
    fn a_panic_is_a_failure_with_its_text() {
        let verdict = of_panic(&"index out of bounds");
        assert_eq!(verdict, fail("the handler panicked: index out of bounds"));
        assert_eq!(of_panic(&7), fail("the handler panicked: of unknown kind"));
    }
}
