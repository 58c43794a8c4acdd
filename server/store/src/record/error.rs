//! What is wrong with bytes, and where.

/// The bytes are not what was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at byte {offset}: {fault}")]
pub(crate) struct DecodeError {
    /// Where, counted from the first byte that the reader was given.
    pub(crate) offset: usize,
    /// What.
    pub(crate) fault: Fault,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There should be more.
    #[error("the bytes end inside a {what}")]
    Truncated {
        /// What was read.
        what: &'static str,
    },
    /// There should be less.
    #[error("{bytes} bytes too many in a transition")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Not the shortest form of a number of 64 bits.
    #[error("a {what} is not a number in its shortest form")]
    Number {
        /// What was read.
        what: &'static str,
    },
    /// A number that cannot be.
    #[error("a {what} is {value}, at most {max} is possible")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        max: u64,
    },
    /// A tag nobody has written.
    #[error("unknown tag {tag} of a {what}")]
    UnknownTag {
        /// What it is the tag of.
        what: &'static str,
        /// The tag.
        tag: u8,
    },
    /// Flags nobody has written.
    #[error("unknown flags {flags:#010b} of a {what}")]
    UnknownFlags {
        /// What they are the flags of.
        what: &'static str,
        /// All flags.
        flags: u8,
    },
    /// A run of jobs leaves the numbers that jobs and leases can have, or its list.
    #[error("a run of {what} goes beyond its bounds")]
    Run {
        /// What it is a run of.
        what: &'static str,
    },
    /// Text that is none.
    #[error("a {what} is not UTF-8")]
    Text {
        /// What was read.
        what: &'static str,
    },
    /// Text that is not the name of a queue.
    #[error("a queue has a name that no queue can have")]
    QueueName,
    /// Bytes that are not the id of a job.
    #[error("a job has an id that no job can have")]
    JobId,
}
