//! Rules that run: words, sizes, layers, documents and dependencies, over every file of the
//! repository. Each rule says what to do instead, and has a test that shows it a bad example.

mod documents;
mod layers;
mod lockfile;
mod reasons;
mod shape;
mod tree;
mod words;

use crate::tree::{SourceFile, Tree};

/// Fails with every finding, one a line, in a form that editors and terminals can open.
fn assert_clean(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}

/// A rule that finds nothing here is broken.
fn assert_found(findings: &[String], what: &str) {
    assert!(
        findings.iter().any(|finding| finding.contains(what)),
        "expected a finding with {what:?}, got {findings:?}"
    );
}

#[test]
fn the_tree_is_read() {
    let tree = Tree::read();
    for path in [
        "README.md",
        "server/tests/tidy/main.rs",
        "proto/leaseq/v1/error.proto",
    ] {
        assert!(tree.file(path).is_some(), "{path} is not in the tree");
    }
    assert!(tree.file("target").is_none());
}

#[test]
fn words_of_the_vocabulary_only() {
    assert_clean(&words::check(&Tree::read().files));
}

#[test]
fn files_and_lines_keep_their_size_and_their_header() {
    assert_clean(&shape::check(&Tree::read().files));
}

#[test]
fn layers_keep_to_themselves() {
    assert_clean(&layers::check(&Tree::read().files));
}

#[test]
fn documents_name_what_exists() {
    assert_clean(&documents::check(&Tree::read()));
}

#[test]
fn error_reasons_are_the_same_everywhere() {
    assert_clean(&reasons::check(&Tree::read()));
}

#[test]
fn dependencies_are_allowed() {
    assert_clean(&lockfile::check(&Tree::read()));
}

/// A file that is not on disk, for the tests of the rules.
fn example(path: &str, text: &str) -> Vec<SourceFile> {
    vec![SourceFile {
        path: path.into(),
        text: text.into(),
    }]
}
