//! put, get, settle, extend, job, dead: a job's life, typed by hand.

use crate::rig::Server;

#[test]
fn a_payload_goes_in_and_comes_out_as_it_was() {
    let server = Server::start();
    server.put(&["jobs", "{\"n\": 1}"]);
    assert_eq!(server.run(&["get", "jobs"]).ends(0).stdout, "{\"n\": 1}");
    server.run(&["get", "jobs"]).ends(3);

    let bytes = b"line\nline\n\x01";
    server.run_with(&["put", "jobs", "-"], bytes).ends(0);
    assert_eq!(
        server.run(&["get", "jobs"]).ends(0).stdout.as_bytes(),
        bytes
    );

    let file = server.path().join("payload");
    std::fs::write(&file, "from a file").unwrap();
    server.put(&["jobs", &format!("@{}", file.display())]);
    assert_eq!(server.run(&["get", "jobs"]).ends(0).stdout, "from a file");
}

#[test]
fn many_jobs_go_in_at_once_and_each_has_an_id() {
    let server = Server::start();
    let said = server
        .run(&["put", "jobs", "a", "b", "--count", "2"])
        .ends(0);
    assert_eq!(said.stdout.lines().count(), 4);
    let lines: String = (0..1500).map(|n| format!("{n}\r\n")).collect();
    let said = server
        .run_with(&["put", "lines", "--lines"], lines.as_bytes())
        .ends(0);
    assert_eq!(said.stdout.lines().count(), 1500);
    let got = server.run(&["get", "lines", "--max-jobs", "3"]).ends(0);
    assert_eq!(got.stdout, "0\n1\n2\n");
    let said = server.run(&["put", "more", "x", "--count", "2500"]).ends(0);
    assert_eq!(said.stdout.lines().count(), 2500);
}

#[test]
fn the_same_request_id_puts_once() {
    let server = Server::start();
    let put = [
        "jobs",
        "x",
        "--request-id",
        "0198c0de-0000-7000-8000-000000000001",
    ];
    assert_eq!(server.put(&put), server.put(&put));
    server.run(&["get", "jobs"]).ends(0);
    server.run(&["get", "jobs"]).ends(3);
}

#[test]
fn priority_and_delay_decide_the_order() {
    let server = Server::start();
    server.put(&["jobs", "later", "--delay", "1h"]);
    server.put(&["jobs", "low", "--priority", "-5"]);
    server.put(&["jobs", "high", "--priority", "7"]);
    assert_eq!(server.run(&["get", "jobs"]).ends(0).stdout, "high");
    assert_eq!(server.run(&["get", "jobs"]).ends(0).stdout, "low");
    server.run(&["get", "jobs"]).ends(3);
}

#[test]
fn a_kept_job_is_extended_and_settled_by_its_token() {
    let server = Server::start();
    let id = server.put(&["jobs", "hello", "--retention", "1m"]);
    let kept = server
        .run(&["get", "jobs", "--keep", "--worker", "me"])
        .ends(0);
    assert_eq!(kept.fact("job"), id);
    assert_eq!(kept.fact("payload"), "hello");
    let token = kept.fact("token");
    server
        .run(&[
            "extend",
            token,
            "--lease-duration",
            "5m",
            "--progress",
            "half",
        ])
        .ends(0);
    let shown = server.run(&["job", "show", &id]).ends(0);
    assert_eq!(shown.fact("state"), "leased");
    assert_eq!(shown.fact("worker"), "me");
    assert_eq!(shown.fact("progress"), "half");
    server
        .run(&["settle", token, "--complete", "world"])
        .ends(0);
    server
        .run(&["settle", token, "--complete", "world"])
        .ends(0);
    server
        .run(&["settle", token, "--fail", "changed my mind"])
        .ends(1);
    assert_eq!(server.run(&["job", "wait", &id]).ends(0).stdout, "world");
    assert_eq!(
        server.run(&["job", "show", &id, "--result"]).ends(0).stdout,
        "world"
    );
}

#[test]
fn released_and_failed_jobs_come_back_and_count_as_they_should() {
    let server = Server::start();
    server
        .run(&["queue", "create", "jobs", "--retry-initial-delay", "0"])
        .ends(0);
    server.put(&["jobs", "hello"]);
    let token = |said: crate::rig::Said| said.fact("token").to_owned();
    let first = token(server.run(&["get", "jobs", "--keep"]).ends(0));
    server.run(&["settle", &first, "--release"]).ends(0);
    let again = server.run(&["get", "jobs", "--keep"]).ends(0);
    assert_eq!(again.fact("attempt"), "1 of 20", "a release is not counted");
    server
        .run(&["settle", again.fact("token"), "--fail", "no luck"])
        .ends(0);
    let third = server
        .run(&["get", "jobs", "--keep", "--wait", "10s"])
        .ends(0);
    assert_eq!(third.fact("attempt"), "2 of 20");
    let stale = server.run(&["settle", &first, "--complete"]).ends(1);
    assert!(stale.stderr.starts_with("error: "), "{stale:?}");
}

#[test]
fn a_dead_job_is_listed_and_redriven_only_with_force() {
    let server = Server::start();
    let id = server.put(&["jobs", "hello", "--max-attempts", "1"]);
    let kept = server.run(&["get", "jobs", "--keep"]).ends(0);
    server
        .run(&["settle", kept.fact("token"), "--fail", "broken pipe"])
        .ends(0);
    let dead = server.run(&["dead", "ls"]).ends(0);
    assert!(dead.stdout.contains(&id), "{dead:?}");
    assert!(dead.stdout.contains("broken pipe"), "{dead:?}");
    let preview = server.run(&["dead", "redrive", "jobs"]).ends(0);
    assert!(preview.stdout.contains("nothing was done"), "{preview:?}");
    server.run(&["get", "jobs"]).ends(3);
    server.run(&["dead", "redrive", "jobs", "--force"]).ends(0);
    assert_eq!(server.run(&["get", "jobs"]).ends(0).stdout, "hello");
    let none = server.run(&["dead", "ls", "-o", "name"]).ends(0);
    assert_eq!(none.stdout, "");
}

#[test]
fn a_cancelled_job_is_told_to_whoever_waits_for_it() {
    let server = Server::start();
    let id = server.put(&[
        "jobs",
        "hello",
        "--retention",
        "1m",
        "--reply-to",
        "replies",
    ]);
    server
        .run(&["job", "cancel", &id, "--reason", "not needed"])
        .ends(0);
    let said = server.run(&["job", "wait", &id]).ends(1);
    assert!(said.stderr.contains("not needed"), "{said:?}");
    let reply = server.run(&["get", "replies", "-o", "json"]).ends(0).json();
    assert_eq!(reply["jobs"][0]["outcome"]["job_id"], id);
    assert_eq!(reply["jobs"][0]["outcome"]["state"], "cancelled");
    assert_eq!(reply["jobs"][0]["outcome"]["error"], "not needed");
}
