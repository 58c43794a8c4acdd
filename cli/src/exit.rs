//! How a run ends: the exit codes, and failures as one sentence with the next thing to type.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::output::Format;

/// The exit codes; scripts rely on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Anything that is not one of the others.
    Error,
    /// Asked in a way that cannot be done; clap uses the same number.
    Usage,
    /// Nothing came in time.
    Empty,
    /// No authkey, a wrong one, or one without the right.
    Auth,
    /// No server answered.
    Unreachable,
}

/// What `leaseq --help` says about them.
pub(crate) const HELP: &str = "Exit codes: 0 ok, 1 error, 2 usage, 3 empty or timed out, \
     4 authentication, 5 server unreachable";

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Empty => 3,
            Self::Auth => 4,
            Self::Unreachable => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A verb could not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    exit: Exit,
    reason: Option<String>,
    message: String,
    hint: Option<String>,
}

/// What every verb returns.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            reason: None,
            message: message.into(),
            hint: None,
        }
    }

    /// A plain error.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// The arguments make no sense together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Nobody is there to read any more, and nobody needs to be told.
    pub(crate) fn unheard() -> Self {
        Self::error("")
    }

    /// The next thing to type.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The machine-readable reason the server gave.
    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says it on stderr, as a sentence or as one JSON object, and gives the exit code.
    pub(crate) fn report(&self, format: Format) -> ExitCode {
        match format {
            _ if self.message.is_empty() => {}
            Format::Json => eprintln!("{}", self.to_json()),
            Format::Table | Format::Name => eprintln!("{self}"),
        }
        self.exit.into()
    }

    fn to_json(&self) -> serde_json::Value {
        json!({ "error": {
            "exit_code": self.exit.code(),
            "reason": self.reason,
            "message": self.message,
            "hint": self.hint,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  try: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let all = [
            Exit::Ok,
            Exit::Error,
            Exit::Usage,
            Exit::Empty,
            Exit::Auth,
            Exit::Unreachable,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_failure_is_one_sentence_and_the_next_command() {
        let failure = Failure::error("there is no queue \"jobs\"").hint("leaseq queue ls");
        assert_eq!(
            failure.to_string(),
            "error: there is no queue \"jobs\"\n  try: leaseq queue ls"
        );
    }

    #[test]
    fn a_failure_in_json_has_the_code_and_the_reason() {
        let failure = Failure::new(Exit::Auth, "no").reason("AUTHKEY_REJECTED");
        let json = failure.to_json();
        assert_eq!(json["error"]["exit_code"], 4);
        assert_eq!(json["error"]["reason"], "AUTHKEY_REJECTED");
    }
}
