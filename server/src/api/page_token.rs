//! Page tokens: where the next page begins, with a check value over the question they belong to,
//! so that garbage and the token of another question are refused. Safe in URLs.

use super::fault::Invalid;
use super::token::Tokens;

/// The field that carries one.
const FIELD: &str = "page_token";

/// The token of the page after `place` of the question `asked`.
pub(crate) fn token(tokens: &Tokens, asked: &str, place: &str) -> String {
    format!("{place}.{:016x}", check(tokens, asked, place))
}

/// The place in a page token; `None`: the first page.
///
/// # Errors
/// When the text is no page token of this question.
pub(crate) fn place<'a>(
    tokens: &Tokens,
    asked: &str,
    token: &'a str,
) -> Result<Option<&'a str>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    token
        .rsplit_once('.')
        .filter(|(place, said)| u64::from_str_radix(said, 16) == Ok(check(tokens, asked, place)))
        .map(|(place, _)| Some(place))
        .ok_or_else(|| {
            let problem = "is not the next_page_token of this question; leave it empty for the \
                           first page";
            Invalid::new(FIELD, problem)
        })
}

fn check(tokens: &Tokens, asked: &str, place: &str) -> u64 {
    // The zero byte is in no queue name and no number, so the parts cannot run into each other.
    tokens.check(format!("page\0{asked}\0{place}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&[5; 16])
    }

    #[test]
    fn a_page_token_leads_back_to_its_place() {
        let token = token(&tokens(), "queues", "a.b-c_d");
        assert_eq!(place(&tokens(), "queues", &token), Ok(Some("a.b-c_d")));
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        assert!(token.bytes().all(safe), "{token}");
    }

    #[test]
    fn no_token_is_the_first_page() {
        assert_eq!(place(&tokens(), "queues", ""), Ok(None));
    }

    #[test]
    fn garbage_and_the_token_of_another_question_are_refused() {
        let other = token(&tokens(), "jobs mail ready", "17");
        let forged = format!("18.{}", other.split_once('.').expect("a check").1);
        for bad in ["17", "17.", ".", "17.00", "💥", &forged] {
            let refused = place(&tokens(), "jobs mail ready", bad).expect_err("refused");
            assert_eq!(refused.field, "page_token");
        }
        assert!(place(&tokens(), "jobs mail dead", &other).is_err());
    }
}
