//! Sizes: what a person takes in at once.

use crate::tree::SourceFile;

/// Lines of a Rust file without the tests inside it.
const FILE_LINES_MAX: usize = 400;
/// Files that are larger, with the lines they may have. They may only shrink.
const LARGER: &[(&str, usize)] = &[
    ("client/src/session.rs", 403),
    ("client/tests/worker.rs", 409),
    ("server/src/telemetry/scrape.rs", 408),
    ("server/store/src/conformance/workload.rs", 471),
    ("server/tests/promises/bad_input.rs", 426),
];
/// Columns of a line of code.
const LINE_COLUMNS_MAX: usize = 100;
/// Columns of a line of prose. Tables and addresses cannot be broken.
const PROSE_COLUMNS_MAX: usize = 120;

pub(crate) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        if file.is("rs") {
            check_rust(file, &mut findings);
        }
        check_columns(file, &mut findings);
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            let last = file.text.lines().count();
            findings.push(file.finding(last, "end the file with exactly one line feed"));
        }
    }
    findings
}

fn check_rust(file: &SourceFile, findings: &mut Vec<String>) {
    let tests = file.text.find("\n#[cfg(test)]\nmod ");
    let lines = file.text[..tests.unwrap_or(file.text.len())]
        .lines()
        .count();
    let larger = LARGER.iter().find(|(path, _)| *path == file.path);
    let limit = larger.map_or(FILE_LINES_MAX, |(_, lines)| *lines);
    if lines > limit {
        let what = format!("{lines} lines: split it at a concept, {limit} is the limit");
        findings.push(file.finding(limit, &what));
    }
    if !file.text.starts_with("//!") {
        findings.push(file.finding(1, "say in a //! header what this file is for"));
    }
}

fn check_columns(file: &SourceFile, findings: &mut Vec<String>) {
    // Written by the bench: a command is on one line there, to be copied.
    if file.under("bench/results/") {
        return;
    }
    let limit = match file.path.rsplit('.').next() {
        Some("md") => PROSE_COLUMNS_MAX,
        Some("toml" | "html" | "css" | "js" | "yaml") => return,
        _ => LINE_COLUMNS_MAX,
    };
    for (number, line) in file.lines() {
        let unbreakable = line.contains("://") || (file.is("md") && line.starts_with('|'));
        let columns = line.chars().count();
        if columns > limit && !unbreakable && !is_literal(line) {
            let what = format!("{columns} columns: {limit} is the limit");
            findings.push(file.finding(number, &what));
        }
        if line.ends_with([' ', '\t']) && !file.is("md") {
            findings.push(file.finding(number, "remove the blanks at the end"));
        }
    }
}

/// A single string literal, which rustfmt leaves alone as well.
fn is_literal(line: &str) -> bool {
    line.trim_start().starts_with('"')
}

mod tests {
    use super::check;
    use crate::{assert_clean, assert_found, example};

    #[test]
    fn long_files_are_found_but_tests_inside_do_not_count() {
        let long = format!("//! X.\n{}", "x\n".repeat(400));
        assert_found(&check(&example("a.rs", &long)), "split it");
        let tested = format!(
            "//! X.\n\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x\n".repeat(400)
        );
        assert_clean(&check(&example("a.rs", &tested)));
    }

    #[test]
    fn long_lines_headers_and_ends_are_found() {
        let long = format!("//! X.\nlet x = {};\n", "y".repeat(100));
        assert_found(&check(&example("a.rs", &long)), "columns");
        assert_found(&check(&example("a.rs", "fn x() {}\n")), "header");
        assert_found(&check(&example("a.rs", "//! X.")), "line feed");
        assert_found(&check(&example("a.py", "x = 1 \n")), "blanks");
    }
}
