//! Documents name paths and tests; both must be there, or the document has drifted.

use crate::tree::Tree;

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
const SEMANTICS: &str = "docs/SEMANTICS.md";
/// The map must stay a map.
const ARCHITECTURE_LINES_MAX: usize = 250;

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let read = |path| tree.text(path).unwrap_or_else(|error| error);
    let mut findings = check_paths(ARCHITECTURE, &read(ARCHITECTURE), &|path| tree.exists(path));
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        SEMANTICS,
        "docs/GLOSSARY.md",
    ] {
        findings.extend(check_paths(document, &read(document), &|path| {
            tree.exists(path)
        }));
    }
    findings.extend(check_promises(&read(SEMANTICS), &|path| {
        tree.text(path).ok()
    }));
    let lines = read(ARCHITECTURE).lines().count();
    if lines > ARCHITECTURE_LINES_MAX {
        findings.push(format!(
            "{ARCHITECTURE}: {lines} lines, {ARCHITECTURE_LINES_MAX} is the limit"
        ));
    }
    let ci = tree.text(".ci/run").unwrap_or_default();
    if !read("README.md").contains("cargo test") || !ci.contains("step_test() { cargo test; }") {
        findings.push("README's test command and that of .ci/run must be one".to_owned());
    }
    findings
}

/// Every path in backticks exists. `<verb>` and `*` stand for many.
fn check_paths(document: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            if let Some(path) = as_path(quoted)
                && !exists(path)
            {
                findings.push(format!("{document}:{}: there is no {path}", number + 1));
            }
        }
    }
    findings
}

/// The part of it that must exist, if it is a path of the repository.
fn as_path(quoted: &str) -> Option<&str> {
    const ROOTS: &[&str] = &[
        ".ci/", "bench/", "cli/", "client/", "deploy/", "docs/", "proto/", "server/", "tests/",
    ];
    let path = quoted.split("::").next().unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default();
    let many = path.find(['<', '*', '{']).unwrap_or(path.len());
    let path = &path[..many];
    let folder = path.rfind('/').map_or(0, |slash| slash + 1);
    let path = if many < quoted.len() && quoted[many..].starts_with(['<', '*', '{']) {
        &path[..folder]
    } else {
        path
    };
    ROOTS
        .iter()
        .any(|root| path.starts_with(root))
        .then_some(path)
}

/// Every promise (`**P7.**` at the start of a paragraph) names `path::function`, and each of those
/// is a function of that file.
fn check_promises(text: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut expected = 1;
    for paragraph in text
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with("**P"))
    {
        let name = paragraph[2..].split('.').next().unwrap_or_default();
        if name != format!("P{expected}") {
            findings.push(format!(
                "{SEMANTICS}: P{expected} is due where {name} stands"
            ));
        }
        expected += 1;
        let mut tests = paragraph
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(as_test)
            .peekable();
        if tests.peek().is_none() {
            findings.push(format!("{SEMANTICS}: {name} names no test that holds it"));
        }
        for (path, function) in tests {
            let file = read(path).unwrap_or_default();
            let defined = |keyword| file.contains(&format!("{keyword} {function}("));
            if !defined("fn") && !defined("def") {
                findings.push(format!(
                    "{SEMANTICS}: {name}: {path} has no function {function}"
                ));
            }
        }
    }
    if expected == 1 {
        findings.push(format!("{SEMANTICS}: no promise was found"));
    }
    findings
}

/// `path/file.rs::function`.
fn as_test(quoted: &str) -> Option<(&str, &str)> {
    let (path, function) = quoted.split_once("::")?;
    (path.ends_with(".rs") || path.ends_with(".py")).then_some((path, function))
}

mod tests {
    use super::{as_path, check_paths, check_promises};
    use crate::{assert_clean, assert_found};

    #[test]
    fn paths_that_are_not_there_are_found() {
        let exists = |path: &str| path == "server/src/" || path == "docs/adr/";
        let check = |text: &str| check_paths("x.md", text, &exists);
        assert_clean(&check(
            "see `server/src/` and `docs/adr/<number>.md`, not `cargo test`",
        ));
        assert_found(&check("see `server/gone.rs`"), "server/gone.rs");
        assert_eq!(as_path("server/src/x.rs::f"), Some("server/src/x.rs"));
    }

    #[test]
    fn promises_without_a_test_are_found() {
        let read = |path: &str| (path == "a/t.rs").then(|| "fn holds() {}".to_owned());
        let check = |text: &str| check_promises(text, &read);
        assert_clean(&check("**P1.** It holds. `a/t.rs::holds`"));
        assert_found(&check("**P1.** It holds."), "names no test");
        assert_found(
            &check("**P1.** It holds. `a/t.rs::breaks`"),
            "no function breaks",
        );
        assert_found(
            &check("**P1.** It holds. `b/t.rs::holds`"),
            "no function holds",
        );
        assert_found(&check("**P2.** It holds. `a/t.rs::holds`"), "P1 is due");
        assert_found(&check("nothing"), "no promise");
    }
}
