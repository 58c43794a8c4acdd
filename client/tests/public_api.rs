//! gRPC is how this crate talks, not what its users have to do with.

use std::fs;
use std::path::Path;

/// Where tonic may be named at all.
const INSIDE: [&str; 7] = [
    "client.rs",
    "codec.rs",
    "connect.rs",
    "error/decode.rs",
    "health.rs",
    "incoming.rs",
    "put_stream.rs",
];
/// Crates whose types are not ours to promise.
const FOREIGN: [&str; 4] = ["tonic", "prost", "leaseq_proto", "proto::"];

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert!(found.len() > 20);
    found
}

/// The signatures of everything that is `pub`, and of trait implementations.
fn signatures(source: &str) -> Vec<String> {
    let code: Vec<_> = source
        .lines()
        .map(str::trim)
        .filter(|l| !l.starts_with("//"))
        .collect();
    let is_public = |line: &str| {
        (line.starts_with("pub ") && !line.starts_with("pub mod"))
            || line.starts_with("impl From<")
            || line.starts_with("pub type ")
    };
    let starts = code.iter().enumerate().filter(|(_, line)| is_public(line));
    starts
        .map(|(start, _)| {
            let mut signature = String::new();
            for line in &code[start..] {
                signature.push_str(line);
                if line.ends_with(['{', ';', ',', '}']) && !signature.ends_with("where") {
                    let open = signature.matches('(').count();
                    if open == signature.matches(')').count() {
                        break;
                    }
                }
            }
            signature
        })
        .collect()
}

#[test]
fn no_public_signature_has_a_foreign_type() {
    for (file, source) in all() {
        for signature in signatures(&source) {
            // A field in brackets with `pub(crate)` is not public.
            let public = signature
                .split("pub(crate)")
                .next()
                .unwrap_or_default()
                .to_owned();
            for foreign in FOREIGN {
                assert!(!public.contains(foreign), "{file}: {signature}");
            }
        }
    }
}

#[test]
fn tonic_is_named_in_few_files() {
    for (file, source) in all() {
        let names_it = source.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("tonic")
        });
        assert!(
            !names_it || INSIDE.contains(&file.as_str()),
            "{file} names tonic"
        );
    }
}

#[test]
fn grpc_codes_are_known_in_one_place() {
    for (file, source) in all() {
        assert!(
            file == "error/decode.rs" || !source.contains("Code::"),
            "{file} knows codes"
        );
    }
}
