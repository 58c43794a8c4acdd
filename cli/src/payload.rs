//! Payloads and results on the command line: where they come from, and how bytes are shown.

use std::io::Read;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::exit::Failure;

/// What the help of each payload argument says.
pub(crate) const HELP: &str =
    "The bytes: TEXT as it is, - for stdin, @FILE for a file (@@TEXT for text that begins with @)";

/// Reads `-`, `@file` or the text itself.
pub(crate) fn read(argument: &str) -> Result<Bytes, Failure> {
    if argument == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::error(format!("cannot read stdin: {error}")))?;
        return Ok(bytes.into());
    }
    match argument.strip_prefix('@') {
        Some(text) if text.starts_with('@') => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(path) => std::fs::read(path)
            .map(Bytes::from)
            .map_err(|error| Failure::error(format!("cannot read {path}: {error}"))),
        None => Ok(Bytes::copy_from_slice(argument.as_bytes())),
    }
}

/// Adds bytes to a JSON object: as text under `name` if they are text, else as base64 under
/// `name_base64`, as in protobuf's JSON.
pub(crate) fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), base64(bytes).into()),
    };
}

/// For a table: short text, or how many bytes there are.
pub(crate) fn preview(bytes: &[u8]) -> String {
    const SHOWN_CHARS: usize = 200;
    let text = std::str::from_utf8(bytes).ok().filter(|text| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    });
    match text {
        Some("") => "(empty)".to_owned(),
        Some(text) if text.chars().count() <= SHOWN_CHARS => text.to_owned(),
        Some(text) => {
            let shown: String = text.chars().take(SHOWN_CHARS).collect();
            format!("{shown}… ({} bytes)", bytes.len())
        }
        None => format!("({} bytes, not text)", bytes.len()),
    }
}

/// Standard base64, as protobuf's JSON has it.
fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_as_it_is() {
        assert_eq!(read("{\"n\": 1}").as_deref(), Ok(&b"{\"n\": 1}"[..]));
        assert_eq!(read("").as_deref(), Ok(&b""[..]));
        assert_eq!(read("@@home").as_deref(), Ok(&b"@home"[..]));
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = read("@/no/such/file").unwrap_err();
        assert!(failure.to_string().contains("/no/such/file"), "{failure}");
    }

    #[test]
    fn bytes_that_are_not_text_are_base64_in_json() {
        let mut object = Map::new();
        insert(&mut object, "payload", b"\xff\x00");
        insert(&mut object, "result", b"ok");
        assert_eq!(object["payload_base64"], "/wA=");
        assert_eq!(object["result"], "ok");
    }

    #[test]
    fn previews_are_short_and_printable() {
        assert_eq!(preview(b""), "(empty)");
        assert_eq!(preview(b"hello"), "hello");
        assert_eq!(preview(b"\x00\x01"), "(2 bytes, not text)");
        assert!(preview("x".repeat(300).as_bytes()).ends_with("… (300 bytes)"));
    }
}
