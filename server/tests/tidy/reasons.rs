//! The reasons of errors are a contract: what the API lists, the server uses and the promises
//! explain must be the same set.

use crate::tree::Tree;

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let (proto, semantics) = ("proto/leaseq/v1/error.proto", "docs/SEMANTICS.md");
    let text = |path| tree.text(path).unwrap_or_default();
    let server: String = tree
        .files
        .iter()
        .filter(|file| file.under("server/src/") && file.is("rs"))
        .flat_map(|file| file.code().map(|(_, line)| line))
        .collect();
    differences(&text(proto), &server, &text(semantics))
}

fn differences(proto: &str, server: &str, semantics: &str) -> Vec<String> {
    let listed = reasons_of(proto);
    let mut findings = Vec::new();
    if listed.is_empty() {
        findings.push("error.proto lists no reason".to_owned());
    }
    for reason in &listed {
        if !server.contains(&format!("ErrorReason::{}", camel(reason))) {
            findings.push(format!(
                "error.proto lists {reason}, which the server never uses"
            ));
        }
        if !semantics.contains(&format!("| `{reason}`")) {
            findings.push(format!(
                "{reason} has no row in the error table of SEMANTICS.md"
            ));
        }
    }
    let rows = semantics
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split('`').next());
    let unknown = rows.filter(|row| is_reason(row) && !listed.iter().any(|reason| reason == row));
    findings.extend(unknown.map(|row| format!("SEMANTICS.md explains {row}, which is no reason")));
    findings
}

/// The names of the enum without their prefix; the one that means "not set" is none.
fn reasons_of(proto: &str) -> Vec<String> {
    let names = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ERROR_REASON_"));
    let names = names.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| *name != "UNSPECIFIED")
        .map(str::to_owned)
        .collect()
}

fn is_reason(text: &str) -> bool {
    text.contains('_')
        && text
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

/// `QUEUE_FULL` as Rust names it: `QueueFull`.
fn camel(reason: &str) -> String {
    let words = reason.split('_');
    words
        .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
        .collect()
}

mod tests {
    use super::differences;
    use crate::{assert_clean, assert_found};

    const PROTO: &str = "enum ErrorReason {\n  ERROR_REASON_UNSPECIFIED = 0;\n  \
                         ERROR_REASON_QUEUE_FULL = 1;\n}\n";

    #[test]
    fn every_side_is_compared() {
        let (server, table) = ("ErrorReason::QueueFull", "| `QUEUE_FULL` | full |");
        assert_clean(&differences(PROTO, server, table));
        assert_found(&differences(PROTO, "", table), "never uses");
        assert_found(&differences(PROTO, server, ""), "no row");
        let more = format!("{table}\n| `NOT_LISTED` | what |");
        assert_found(&differences(PROTO, server, &more), "no reason");
        assert_found(&differences("", server, ""), "lists no reason");
    }
}
