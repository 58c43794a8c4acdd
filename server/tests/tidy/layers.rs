//! engine decides, store remembers, shard drives, api translates, dispatch carries: what may not
//! be named in which folder. docs/ARCHITECTURE.md says why.

use crate::tree::SourceFile;

/// A folder, what its code may not name, where in it that is allowed, and why not.
struct Layer {
    folder: &'static str,
    banned: &'static [&'static str],
    except: &'static [&'static str],
    why: &'static str,
}

const LAYERS: &[Layer] = &[
    Layer {
        folder: "server/engine/src/",
        banned: &[
            "tokio",
            "tonic",
            "prost",
            "tracing::",
            "std::fs",
            "std::net",
            "std::thread",
            "std::env",
            "Instant",
            "SystemTime",
            "getrandom",
            "leaseq_store",
            "leaseq_proto",
        ],
        except: &[],
        why: "the engine is pure: time and randomness are arguments, what happens is returned",
    },
    Layer {
        folder: "server/store/src/",
        banned: &["tonic", "prost", "tokio", "leaseq_proto", "Command::"],
        except: &[],
        why: "the store has durability and no semantics; its caller gives it a thread",
    },
    Layer {
        folder: "server/src/api/",
        banned: &["leaseq_store"],
        except: &[],
        why: "the api translates between the wire and the engine; the shard alone has a store",
    },
    Layer {
        folder: "server/src/shard/",
        banned: &["leaseq_proto", "tonic"],
        except: &[],
        why: "the shard speaks commands and effects; the wire is the api's business",
    },
    Layer {
        folder: "server/src/",
        banned: &[
            "Status::new(",
            "Status::invalid",
            "Status::with_",
            "Status::not_found",
            "Status::internal",
            "Status::unavailable",
            "Status::unauthenticated",
            "Status::permission_denied",
            "Status::failed_precondition",
            "Status::aborted",
            "Status::resource_exhausted",
            "Status::already_exists",
            "Status::cancelled",
            "Status::deadline_exceeded",
            "Status::unknown",
            "Status::data_loss",
            "Status::unimplemented",
            "Status::out_of_range",
        ],
        except: &["server/src/api/status", "server/src/refusal.rs"],
        why: "a status is built in api/status.rs or refusal.rs, so that every error has its reason",
    },
    Layer {
        folder: "client/src/",
        banned: &["leaseq_server", "leaseq_engine", "leaseq_store"],
        except: &[],
        why: "the client knows the API and nothing of the server",
    },
    Layer {
        folder: "cli/src/",
        banned: &["tonic", "prost", "leaseq_proto", "leaseq_engine"],
        // The doctor reads a stopped directory with the engine and the store themselves.
        except: &["cli/src/verbs/doctor/"],
        why: "the command line speaks through leaseq-client and starts leaseq-server",
    },
    Layer {
        folder: "proto/",
        banned: &[
            "leaseq_client",
            "leaseq_server",
            "leaseq_engine",
            "leaseq_store",
        ],
        except: &[],
        why: "the API is a leaf",
    },
];

/// What the engine may depend on: each of these is pure.
const ENGINE_DEPENDENCIES: &[&str] = &["bytes", "indexmap", "rustc-hash", "thiserror"];

pub(crate) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        if file.is("rs") {
            check_layers(file, &mut findings);
        }
        if file.path == "server/engine/Cargo.toml" {
            check_engine_manifest(file, &mut findings);
        }
    }
    findings
}

fn check_layers(file: &SourceFile, findings: &mut Vec<String>) {
    let here = |layer: &&Layer| {
        file.under(layer.folder) && !layer.except.iter().any(|path| file.under(path))
    };
    for layer in LAYERS.iter().filter(here) {
        for (number, line) in file.code() {
            let banned = layer.banned.iter().filter(|banned| names(line, banned));
            findings.extend(
                banned.map(|banned| file.finding(number, &format!("{banned}: {}", layer.why))),
            );
        }
    }
}

/// Whether the line has `name` where a name begins: `ItemStatus::new` is not `Status::new`.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

fn check_engine_manifest(file: &SourceFile, findings: &mut Vec<String>) {
    let dependencies = file
        .lines()
        .skip_while(|(_, line)| *line != "[dependencies]")
        .skip(1);
    for (number, line) in dependencies.take_while(|(_, line)| !line.starts_with('[')) {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if !name.is_empty() && !ENGINE_DEPENDENCIES.contains(&name) {
            findings.push(file.finding(number, "the engine takes no dependency that is not pure"));
        }
    }
}

mod tests {
    use super::check;
    use crate::{assert_clean, assert_found, example};

    #[test]
    fn an_engine_that_looks_at_the_clock_is_found() {
        let engine = "server/engine/src/x.rs";
        assert_found(
            &check(&example(engine, "let now = Instant::now();")),
            "pure",
        );
        assert_found(&check(&example(engine, "use tokio::sync::mpsc;")), "pure");
        assert_clean(&check(&example(engine, "// no tokio here")));
        let manifest = "[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n";
        assert_found(
            &check(&example("server/engine/Cargo.toml", manifest)),
            "pure",
        );
    }

    #[test]
    fn a_status_built_elsewhere_is_found() {
        let bad = "return Err(Status::internal(\"oh\"));";
        assert_found(&check(&example("server/src/api/put.rs", bad)), "status.rs");
        assert_clean(&check(&example("server/src/api/status.rs", bad)));
        assert_clean(&check(&example(
            "server/src/api/put.rs",
            "ItemStatus::new(1)",
        )));
    }

    #[test]
    fn a_shortcut_past_a_layer_is_found() {
        assert_found(
            &check(&example("server/src/api/x.rs", "use leaseq_store::Store;")),
            "wire",
        );
        assert_found(
            &check(&example("cli/src/x.rs", "use tonic::Code;")),
            "leaseq-client",
        );
        assert_clean(&check(&example(
            "server/src/api/x.rs",
            "//! No leaseq_store here.",
        )));
    }
}
