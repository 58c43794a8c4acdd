//! The text form of every kind of value: parsed and printed side by side, so that
//! what `leaseq config print` shows can be put into a file as it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// What an option takes; says so in errors, in help texts and in the reference.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// `IP:PORT`.
    Address,
    /// `IP:PORT` or `off`.
    AddressOrOff,
    /// A file or directory.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `always`, `os` or `interval:5ms`.
    Sync,
    /// `true` or `false`.
    Switch,
    /// A number of bytes, such as `64KiB`.
    Bytes {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number with a fraction.
    Factor {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A length of time, such as `5s`.
    Duration {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// A key; never shown.
    Secret,
}

impl Kind {
    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        match *self {
            Self::Address => "an address such as 127.0.0.1:5327 or [::1]:5327".to_owned(),
            Self::AddressOrOff => "an address such as 127.0.0.1:5328, or off".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Choice(words) => words.join(", "),
            Self::Sync => "always, os, or interval:<1ms to 10s> such as interval:5ms".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Bytes { min, max } => {
                format!("a size from {} to {}", print_bytes(min), print_bytes(max))
            }
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Factor { min, max } => format!("a number from {min} to {max}"),
            Self::Duration { min, max } => format!(
                "a duration from {} to {}, such as 500ms, 30s or 5m",
                print_duration(min),
                print_duration(max)
            ),
            Self::Secret => "16 or more printable ASCII characters".to_owned(),
        }
    }
}

/// The value of an option, from and to its text. `None`: not allowed by `kind`.
pub(super) trait Value: Sized {
    fn parse(text: &str, kind: Kind) -> Option<Self>;

    /// The value as a number, if it is one.
    fn number(&self) -> Option<u64> {
        None
    }
}

impl Value for SocketAddr {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        // The one name that needs no resolver; everything else is an address, so that what is
        // bound does not depend on the state of a name server.
        match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}").parse().ok(),
            None => text.parse().ok(),
        }
    }
}

impl Value for Option<SocketAddr> {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        if text == "off" {
            return Some(None);
        }
        SocketAddr::parse(text, kind).map(Some)
    }
}

impl Value for PathBuf {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }
}

impl Value for Option<PathBuf> {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

impl Value for Option<SecretString> {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        Some((!text.is_empty()).then(|| SecretString::from(text)))
    }
}

impl Value for bool {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        match text {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Value for u64 {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        match kind {
            Kind::Bytes { min, max } => {
                parse_bytes(text).filter(|bytes| (min..=max).contains(bytes))
            }
            Kind::Count { min, max } => parse_count(text).filter(|n| (min..=max).contains(n)),
            _ => None,
        }
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Value for usize {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        u64::parse(text, kind).and_then(|n| Self::try_from(n).ok())
    }

    fn number(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl Value for u32 {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        u64::parse(text, kind).and_then(|n| Self::try_from(n).ok())
    }

    fn number(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
}

impl Value for f64 {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        let Kind::Factor { min, max } = kind else {
            return None;
        };
        text.parse()
            .ok()
            .filter(|factor| (min..=max).contains(factor))
    }
}

impl Value for Duration {
    fn parse(text: &str, kind: Kind) -> Option<Self> {
        let Kind::Duration { min, max } = kind else {
            return None;
        };
        parse_duration(text).filter(|duration| (min..=max).contains(duration))
    }
}

/// Enums whose text forms are fixed words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$doc])* $variant),*
        }

        impl $name {
            pub(super) const WORDS: &[&str] = &[$($word),*];

            /// The word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }
        }

        impl Value for $name {
            fn parse(text: &str, _: Kind) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// What remembers the jobs.
    StoreKind {
        /// Files in the data directory.
        Journal = "journal",
        /// Nothing outlives the process.
        Memory = "memory",
    }
}

words! {
    /// Who may ask the server for its API.
    Reflection {
        /// Whoever has a key.
        Auth = "auth",
        /// Everyone.
        Open = "open",
        /// No one.
        Off = "off",
    }
}

words! {
    /// What is logged.
    LogLevel {
        /// What broke.
        Error = "error",
        /// What someone should look at, too.
        Warn = "warn",
        /// What happened to the server, too.
        Info = "info",
        /// Every call and every batch, too.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

/// When an answer is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPolicy {
    /// After the disk has confirmed it: nothing acknowledged is ever lost.
    Always,
    /// At most this much later: a power cut may lose that much.
    Interval(Duration),
    /// When the operating system likes: a power cut may lose seconds.
    Os,
}

impl Value for SyncPolicy {
    fn parse(text: &str, _: Kind) -> Option<Self> {
        match text {
            "always" => Some(Self::Always),
            "os" => Some(Self::Os),
            _ => {
                let interval = parse_duration(text.strip_prefix("interval:")?)?;
                let allowed = Duration::from_millis(1)..=Duration::from_secs(10);
                allowed
                    .contains(&interval)
                    .then_some(Self::Interval(interval))
            }
        }
    }
}

impl std::fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "interval:{}", print_duration(*interval)),
            Self::Os => f.write_str("os"),
        }
    }
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

fn parse_bytes(text: &str) -> Option<u64> {
    for (unit, bytes) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return parse_count(number.trim_end())?.checked_mul(bytes);
        }
    }
    parse_count(text)
}

fn print_bytes(bytes: u64) -> String {
    for (unit, size) in UNITS {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

fn parse_count(text: &str) -> Option<u64> {
    // `1_000_000` is how people write what they can read.
    text.replace('_', "").parse().ok()
}

fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    humantime::parse_duration(text).ok()
}

fn print_duration(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}
