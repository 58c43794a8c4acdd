//! The names of things: jobs, leases, queues, sessions, callers.
//!
//! A `JobSeq` is a job's place in put order and the key of everything inside; a
//! `JobId` is what users see, and leads back to its `JobSeq` without an index.

use std::fmt;
use std::str::FromStr;

use crate::time::Time;

/// A job's place in the put order of its namespace. The first is 1; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobSeq(pub u64);

impl JobSeq {
    /// The sequence number `n` places later.
    #[must_use]
    pub fn plus(self, n: u64) -> Self {
        Self(self.0 + n)
    }
}

/// The number of a lease: strictly increasing over the life of a namespace,
/// never reused, also across restarts. It is the worker's fencing number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseNumber(pub u64);

/// Where the numbers of jobs and leases go on after a start: beyond all that were given
/// out before, also those that the journal does not know of, because its last batches
/// were lost or it is a copy from an earlier day.
///
/// The number comes from the wall clock: 2^13 numbers for each millisecond since the
/// beginning of 2025, more than a server ever gives out in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumberFloor(u64);

impl NumberFloor {
    /// The least count of numbers that a start skips, independent of the clock. It is more than
    /// one transition can grant, so that a gap is told from grants.
    pub(crate) const LEAD: u64 = 1 << 21;

    /// The beginning of 2025, in milliseconds since 1970. With it the numbers stay below
    /// 2^53, which JSON readers can hold exactly, until 2059.
    const SINCE_MILLIS: u64 = 1_735_689_600_000;
    const PER_MILLI: u64 = 1 << 13;

    /// A clock beyond this, in 2164, is not believed: it must not use up the numbers.
    const HIGHEST: u64 = 1 << 55;

    /// From here on a start skips nothing.
    const LAST: u64 = Self::HIGHEST + (1 << 54);

    /// The floor of a start at this time of the wall clock.
    #[must_use]
    pub fn at(wall: Time) -> Self {
        let millis = wall.as_millis().saturating_sub(Self::SINCE_MILLIS);
        Self(millis.saturating_mul(Self::PER_MILLI).min(Self::HIGHEST))
    }

    /// The next number, if the one after the last known is `next`. A multiple of `step`
    /// beyond that.
    pub(crate) fn raise(self, next: u64, step: u64) -> u64 {
        let wanted = self.0.saturating_sub(next).max(Self::LEAD);
        let raised = wanted
            .div_ceil(step)
            .saturating_mul(step)
            .saturating_add(next);
        // After some 17 billion starts. The numbers left must not be used up by starts.
        if raised < Self::LAST { raised } else { next }
    }
}

/// A lease of a job: what a lease token says after its check value was found right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseRef {
    /// The job.
    pub job: JobSeq,
    /// The lease.
    pub lease: LeaseNumber,
}

/// The number of a queue inside its namespace; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueId(pub u32);

/// A worker's session. Chosen by the driver, unique within a process; sessions
/// do not survive a restart, their leases do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// A caller that waits for an answer. Chosen by the driver, unique within a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What makes a Put repeatable. Each queue has its own: the number is made from the name of
/// the queue and the caller's UUID. In journals of earlier versions it is the UUID alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u128);

/// A hash over all jobs of a Put: payloads, headers and settings as the caller sent them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobsHash(pub [u8; 16]);

/// Sets the ids of one namespace apart from those of another: 18 random bits,
/// drawn when the namespace is created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamespaceTag(u32);

impl NamespaceTag {
    const BITS: u32 = 18;

    /// Takes the low 18 bits of `random`.
    #[must_use]
    pub fn new(random: u32) -> Self {
        Self(random & ((1 << Self::BITS) - 1))
    }

    /// The 18 bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// A job's id: a UUIDv7 (RFC 9562, section 5.7) whose 74 bits beside the time
/// hold 56 bits of sequence number (as the counter of section 6.2, method 1) and
/// the 18 bits of the namespace. Its text form is the usual one of a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

impl JobId {
    /// The largest sequence number an id can hold.
    pub const SEQ_MAX: u64 = (1 << 56) - 1;

    /// The id of job `seq`, put at `put_time`.
    #[must_use]
    pub fn new(seq: JobSeq, put_time: Time, tag: NamespaceTag) -> Self {
        debug_assert!(seq.0 <= Self::SEQ_MAX);
        let time = u128::from(put_time.as_millis() & 0xffff_ffff_ffff);
        let seq_high = u128::from((seq.0 >> 44) & 0xfff);
        let seq_low = u128::from(seq.0 & 0xfff_ffff_ffff);
        Self(
            (time << 80)
                | (0x7 << 76)
                | (seq_high << 64)
                | (0b10 << 62)
                | (seq_low << 18)
                | u128::from(tag.0),
        )
    }

    /// The sequence number inside.
    #[must_use]
    pub fn seq(self) -> JobSeq {
        let high = ((self.0 >> 64) & 0xfff) as u64;
        let low = ((self.0 >> 18) & 0xfff_ffff_ffff) as u64;
        JobSeq((high << 44) | low)
    }

    /// The put time inside, to the millisecond.
    #[must_use]
    pub fn put_time(self) -> Time {
        Time::from_millis((self.0 >> 80) as u64)
    }

    /// The namespace inside.
    #[must_use]
    pub fn tag(self) -> NamespaceTag {
        NamespaceTag::new((self.0 & 0xffff_ffff) as u32)
    }

    /// The 16 bytes of the UUID.
    #[must_use]
    pub fn to_u128(self) -> u128 {
        self.0
    }

    /// The id in these 16 bytes of a UUID, if it is one of ours by its form.
    #[must_use]
    pub fn from_u128(bits: u128) -> Option<Self> {
        let version = (bits >> 76) & 0xf;
        let variant = (bits >> 62) & 0b11;
        (version == 7 && variant == 0b10).then_some(Self(bits))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (b >> 96) as u32,
            (b >> 80) as u16,
            (b >> 64) as u16,
            (b >> 48) as u16,
            b & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the id of a job: it must be a UUIDv7 in its usual text form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a job id: expected a UUIDv7 such as 0192e7a2-6f3c-7000-8000-000000040001")]
pub struct JobIdError;

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let bytes = text.as_bytes();
        let dashes_right = bytes.len() == 36
            && bytes
                .iter()
                .enumerate()
                .all(|(at, byte)| (*byte == b'-') == matches!(at, 8 | 13 | 18 | 23));
        if !dashes_right {
            return Err(JobIdError);
        }
        let mut bits: u128 = 0;
        for byte in bytes.iter().filter(|byte| **byte != b'-') {
            let digit = char::from(*byte).to_digit(16).ok_or(JobIdError)?;
            bits = (bits << 4) | u128::from(digit);
        }
        Self::from_u128(bits).ok_or(JobIdError)
    }
}

/// The name of a queue: 1 to 128 of `a-z A-Z 0-9 . _ -`, the first one a letter
/// or a digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(std::sync::Arc<str>);

/// The text is not the name of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a queue name is 1 to 128 of the characters a-z A-Z 0-9 . _ -, the first one a letter or a digit"
)]
pub struct QueueNameError;

impl QueueName {
    /// The longest name in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    /// When it is empty, too long or has a character it may not have.
    pub fn new(name: &str) -> Result<Self, QueueNameError> {
        let first_right = name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        let rest_right = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if first_right && rest_right && name.len() <= Self::BYTES_MAX {
            Ok(Self(name.into()))
        } else {
            Err(QueueNameError)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The queues that a caller may touch: all, or those that match a pattern. A
/// pattern is a name in which `*` stands for any run of characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every queue.
    All,
    /// Queues whose name matches one of these.
    Patterns(std::sync::Arc<[Box<str>]>),
}

impl Scope {
    /// Whether the queue `name` is in the scope.
    #[must_use]
    pub fn permits(&self, name: &QueueName) -> bool {
        match self {
            Self::All => true,
            Self::Patterns(patterns) => patterns.iter().any(|p| pattern_matches(p, name.as_str())),
        }
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
fn pattern_matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            // The shortest tail that works is found by trying each; names are short.
            (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|t| pattern_matches(rest, t)))
        }),
    }
}
