//! Why a call is not answered with what it asked for: values, turned into gRPC by `status.rs`.

use std::fmt;

use leaseq_engine::id::QueueName;
use leaseq_engine::rejection::Rejection;

use crate::shard::Refusal;

/// Why a call is refused.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fault {
    /// The request itself is wrong; nothing of it was done.
    Invalid(Invalid),
    /// The shard, or a rule of the engine, said no.
    Refused(Refusal),
    /// A stream broke the protocol of the lease session.
    Protocol(&'static str),
    /// Nothing was heard from a session in time.
    SessionExpired,
    /// The key of an open stream was revoked.
    Revoked,
    /// A bug of this server.
    Bug(&'static str),
}

impl Fault {
    /// The caller may not use `queue`.
    pub(crate) fn not_permitted(queue: &QueueName) -> Self {
        let queue = queue.clone();
        Rejection::QueueNotPermitted { queue }.into()
    }

    /// The shard gave an answer of another kind than the question.
    pub(crate) fn other_answer() -> Self {
        Self::Bug("the answer does not belong to the question")
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(Refusal::Rejected(rejection))
    }
}

/// A field has a value that it may not have. Prints as a sentence that names the field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Invalid {
    /// The path of the field, as in `jobs[3].max_attempts`.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) problem: Problem,
}

/// What is wrong with a field. The texts go on where the name of the field ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Problem {
    /// The value; says what is allowed.
    Value(String),
    /// More bytes than a limit allows.
    TooLarge {
        /// How many there are.
        bytes: usize,
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit.
        max: usize,
    },
    /// Not a lease token of this server.
    Token,
}

impl Invalid {
    /// `field` has a bad value; `problem` goes on where the field's name ends.
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Value(problem.into()),
        }
    }

    /// `field` has more bytes than `limit` allows.
    pub(crate) fn too_large(
        field: impl Into<String>,
        bytes: usize,
        limit: &'static str,
        max: usize,
    ) -> Self {
        Self {
            field: field.into(),
            problem: Problem::TooLarge { bytes, limit, max },
        }
    }

    /// `field` is not a lease token.
    pub(crate) fn token(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Token,
        }
    }

    /// The same, seen from the message that holds `outer`. Paths are put together only when
    /// something is wrong, so that checking costs nothing when all is well.
    pub(crate) fn inside(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }

    /// The same, seen from the message that holds the list `outer`.
    pub(crate) fn inside_entry(self, outer: &str, index: usize) -> Self {
        self.inside(&format!("{outer}[{index}]"))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Value(problem) => write!(f, "{} {problem}", self.field),
            Problem::TooLarge { bytes, limit, max } => write!(
                f,
                "{} has {bytes} bytes; this server's {limit} is {max}",
                self.field
            ),
            Problem::Token => write!(f, "{} is not a lease token of this server", self.field),
        }
    }
}
