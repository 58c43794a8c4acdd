//! Where the server is: `127.0.0.1:5327`, `http://queue.example:5327` or `https://queue.example`.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The server's port unless an address names another: 5327 spells LEAS on a telephone.
const PORT_DEFAULT: u16 = 5327;

/// A server's address, as people write it and as a URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// `host:port`, for messages.
    pub(crate) shown: Arc<str>,
    /// Whether the address itself asks for TLS; `None`: it does not say.
    pub(crate) tls: Option<bool>,
}

impl Address {
    /// Reads an address. A missing port is 5327.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (tls, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(false), rest),
            Some(("https", rest)) => (Some(true), rest),
            Some((scheme, _)) => return Err(bad(text, &format!("unknown scheme {scheme:?}"))),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(text, rest)?;
        if host.is_empty() {
            return Err(bad(text, "the host is missing"));
        }
        if let Some(strange) = host
            .chars()
            .find(|c| c.is_whitespace() || "/@?#".contains(*c))
        {
            return Err(bad(text, &format!("{strange:?} cannot be part of a host")));
        }
        let shown = format!("{host}:{port}").into();
        Ok(Self { shown, tls })
    }

    /// The address as a URI.
    pub(crate) fn uri(&self, tls: bool) -> String {
        let scheme = if tls { "https" } else { "http" };
        format!("{scheme}://{}", self.shown)
    }

    /// Whether the server is on this machine, as far as the text tells.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.shown.rsplit_once(':').map_or("", |(host, _)| host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost"
            || bare
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Splits `host:port`; an IPv6 address is in brackets, so its colons do not count.
fn split_port<'a>(text: &str, rest: &'a str) -> Result<(&'a str, u16)> {
    let after_brackets = rest.rfind(']').map_or(0, |end| end + 1);
    let tail = rest.get(after_brackets..).unwrap_or_default();
    match tail.matches(':').count() {
        0 => Ok((rest, PORT_DEFAULT)),
        1 => {
            let (host, port) = rest.rsplit_once(':').unwrap_or((rest, ""));
            let port = port
                .parse()
                .map_err(|_| bad(text, &format!("{port:?} is not a port")))?;
            Ok((host, port))
        }
        _ => Err(bad(text, "put an IPv6 address in brackets: [::1]:5327")),
    }
}

fn bad(text: &str, why: &str) -> Error {
    Error::Config {
        message: format!(
            "the address {text:?} cannot be used: {why}; write host:port, http://host:port or https://host:port"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<bool>)>) {
        let parsed = Address::parse(text).ok();
        let parsed = parsed.as_ref().map(|a| (&*a.shown, a.tls));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn addresses_as_people_write_them() {
        check("127.0.0.1:5327", Some(("127.0.0.1:5327", None)));
        check("queue.example", Some(("queue.example:5327", None)));
        check(
            "http://queue.example:80/",
            Some(("queue.example:80", Some(false))),
        );
        check(
            "https://queue.example",
            Some(("queue.example:5327", Some(true))),
        );
        check("[::1]", Some(("[::1]:5327", None)));
        check("[::1]:7", Some(("[::1]:7", None)));
        check("::1:7", None);
        check("", None);
        check(":5327", None);
        check("ftp://a:1", None);
        check("a:b", None);
        check("a b:1", None);
        check("user@a:1", None);
    }

    #[test]
    fn loopback_is_known_by_its_text() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("localhost", true),
            ("[::1]:1", true),
            ("10.0.0.1:1", false),
            ("queue.example", false),
        ] {
            assert_eq!(
                Address::parse(text).unwrap().is_loopback(),
                loopback,
                "{text}"
            );
        }
    }
}
