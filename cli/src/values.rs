//! How values are written on the command line: durations, counts, sizes, headers.

use std::time::Duration;

/// `30s`, `5m`, `1h 30m`, `250ms`, `0`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    if let Ok(number) = text.trim().parse::<f64>() {
        return Err(format!("needs a unit: {number}s, {number}ms or {number}m"));
    }
    humantime::parse_duration(text)
        .map_err(|_| "is not a duration like 30s, 5m or 250ms".to_owned())
}

/// A duration that is not nothing.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        longer => Ok(longer),
    }
}

/// `NAME=VALUE`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) | None => Err("is not NAME=VALUE".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    }
}

/// `1000`, `1_000_000`, `10k`, `1M`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let (digits, factor) = match digits.chars().last() {
        Some('k' | 'K') => (digits.get(..digits.len() - 1), 1_000),
        Some('m' | 'M') => (digits.get(..digits.len() - 1), 1_000_000),
        _ => (Some(digits.as_str()), 1),
    };
    digits
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "is not a count like 1000, 10k or 1M".to_owned())
}

/// A count that is not 0.
pub(crate) fn positive_count(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_words_with_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("0", 0);
        check("5s", 5_000);
        check("250ms", 250);
        check("1h 30m", 5_400_000);
    }

    #[test]
    fn a_bare_number_is_told_which_units_there_are() {
        assert_eq!(duration("5"), Err("needs a unit: 5s, 5ms or 5m".to_owned()));
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
        assert!(positive_duration("0").is_err());
    }

    #[test]
    fn headers_are_split_at_the_first_equals_sign() {
        assert_eq!(header("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(header("a="), Ok(("a".to_owned(), String::new())));
        assert!(header("=b").is_err());
        assert!(header("a").is_err());
    }

    #[test]
    fn counts_may_be_short() {
        let check = |text: &str, number: u64| assert_eq!(count(text), Ok(number), "{text}");
        check("0", 0);
        check("1_000_000", 1_000_000);
        check("10k", 10_000);
        check("1M", 1_000_000);
        for bad in ["", "k", "1.5k", "-1", "18446744073709551615k", "é"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        assert!(positive_count("0").is_err());
    }
}
