//! One word per thing: docs/GLOSSARY.md has the whole table. What is banned here are the words
//! that name our own concepts and hardly anything else; those with other meanings (task, message,
//! event, channel) are banned in the pairs that give them away.

use crate::tree::SourceFile;

/// Banned, and what to say. A trailing `*` takes any ending.
const WORDS: &[(&str, &str)] = &[
    ("ack", "complete"),
    ("acked", "completed"),
    ("nack*", "fail or release"),
    ("enqueue*", "put"),
    ("dequeue*", "get"),
    ("producer*", "master"),
    ("consumer*", "worker"),
    ("prefetch*", "flow limit"),
    ("visibility timeout", "lease duration"),
    ("ack deadline", "expire_time"),
    ("lock token", "lease token"),
    ("lease id", "lease token, or lease number"),
    ("delivery count", "attempt"),
    ("snooze*", "release with a delay"),
    ("buried", "dead"),
    ("task queue", "job queue"),
    ("task id*", "job id"),
    ("task_id*", "job_id"),
    ("message id*", "job id"),
    ("message_id*", "job_id"),
    ("queue message*", "job"),
    ("poll interval", "wait"),
];

/// Text that is left over from work not done.
const MARKERS: &[&str] = &["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("];

/// Folders of one machine; a slash is written apart so that this file does not find itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "tmp/w/"),
];

/// Where the words of others are the subject: the glossary, the decisions, the origin's own words.
fn speaks_of_others(file: &SourceFile) -> bool {
    file.path == "docs/GLOSSARY.md"
        || file.under("docs/adr/")
        || file.under("server/tests/tidy/")
        || file.under("tests/foreign/python/")
        || file.under("client/examples/")
        // HTTP/2 acknowledges settings and pings.
        || file.path == "server/tests/limits.rs"
        || file.under("server/tests/support/")
        || file.path == "server/src/telemetry/log/flood.rs"
        || file.path == "deny.toml"
        // The peers speak their own languages.
        || file.under("bench/src/peers/")
}

pub(crate) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            if !speaks_of_others(file) {
                findings.extend(banned_words(line).map(|(word, instead)| {
                    file.finding(number, &format!("{word:?}: say {instead}"))
                }));
            }
            let leftovers = MARKERS.iter().filter(|marker| line.contains(**marker));
            if !file.under("server/tests/tidy/") && file.path != "clippy.toml" {
                findings.extend(leftovers.map(|marker| {
                    file.finding(number, &format!("{marker}: finish it, or write an issue"))
                }));
            }
            let paths = MACHINE_PATHS.iter().filter(|path| line.contains(**path));
            findings.extend(
                paths.map(|path| file.finding(number, &format!("{path}: a folder of one machine"))),
            );
        }
    }
    findings
}

/// The original of the vocabulary says `task queue is empty.`, and so do the programs and
/// documents that quote it.
const QUOTED: &str = "task queue is empty.";

fn banned_words(line: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let line = line.replace(QUOTED, "").to_lowercase();
    WORDS
        .iter()
        .filter(move |(word, _)| contains_word(&line, word))
}

/// Whether `line` has `word` between two characters that are no letters. `_` separates words.
fn contains_word(line: &str, word: &str) -> bool {
    let (stem, open) = match word.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (word, false),
    };
    line.match_indices(stem).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + stem.len()..].chars().next();
        let ends = |neighbour: Option<char>| !neighbour.is_some_and(char::is_alphanumeric);
        ends(before) && (open || ends(after))
    })
}

mod tests {
    use super::check;
    use crate::{assert_clean, assert_found, example};

    #[test]
    fn banned_words_are_found_whole() {
        for bad in [
            "fn enqueue_all()",
            "// nacked by the consumer",
            "a Prefetch of 5",
            "x.ack()",
        ] {
            assert_found(&check(&example("server/src/x.rs", bad)), "say ");
        }
        for good in [
            "a stack of packets",
            "back to the queue",
            "it was acknowledged",
        ] {
            assert_clean(&check(&example("server/src/x.rs", good)));
        }
    }

    #[test]
    fn words_of_others_may_be_quoted() {
        assert_clean(&check(&example("docs/GLOSSARY.md", "not a consumer")));
        assert_clean(&check(&example(
            "README.md",
            "prints `task queue is empty.` and goes on",
        )));
    }

    #[test]
    fn leftovers_and_machine_paths_are_found() {
        assert_found(&check(&example("a.rs", "// TODO: later")), "finish it");
        let path = format!("see {}x", concat!("/", "root/"));
        assert_found(&check(&example("a.md", &path)), "one machine");
    }
}
