//! `leaseq bench`: the figures that other programs read.

use serde_json::Value;

use crate::rig::{Server, run};

#[track_caller]
fn check(found: &Value, figures: &[&str]) {
    assert_eq!(found["errors"], 0, "{found}");
    assert_eq!(found["durability"], "always", "{found}");
    // How large they are depends on the machine; a slow one may even have counted nothing in time.
    for name in figures {
        assert!(found.get(*name).is_some(), "{name} in {found}");
    }
}

const SHORT: [&str; 10] = [
    "-o",
    "json",
    "--masters",
    "1",
    "--payload",
    "64",
    "--duration",
    "300ms",
    "--warm-up",
    "100ms",
];

#[test]
fn a_round_trip_has_all_its_figures() {
    let args = [
        &["bench", "roundtrip", "--workers", "1", "--batch", "10"],
        &SHORT[..],
    ]
    .concat();
    let found = run(&args).ends(0).json();
    let figures = [
        "jobs_per_s",
        "put_p50_us",
        "put_p99_us",
        "deliver_p50_us",
        "deliver_p99_us",
    ];
    check(&found, &figures);
    let unary = run(&[&args[..], &["--unary"]].concat()).ends(0).json();
    check(&unary, &figures);
    assert_eq!(unary["unary"], true);
}

#[test]
fn latency_counts_every_job_once() {
    let args = [
        &["bench", "latency", "--workers", "1", "--rate", "200"],
        &SHORT[..],
    ]
    .concat();
    let found = run(&args).ends(0).json();
    check(
        &found,
        &[
            "put_p50_us",
            "put_p99_us",
            "deliver_p50_us",
            "deliver_p99_us",
        ],
    );
}

#[test]
fn against_a_running_server_nothing_is_left_behind() {
    let server = Server::start();
    let args = [&["bench", "put", "--batch", "10"], &SHORT[..]].concat();
    check(
        &server.run(&args).ends(0).json(),
        &["jobs_per_s", "put_p50_us"],
    );
    let queues = server.run(&["queue", "ls", "-o", "name"]).ends(0);
    assert_eq!(queues.stdout, "");
}

#[test]
fn a_backlog_stays_where_it_was_put() {
    let server = Server::start();
    server
        .run(&["bench", "fill", "--jobs", "1234", "--queue", "backlog"])
        .ends(0);
    let queue = server
        .run(&["queue", "show", "backlog", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(queue["stats"]["ready_count"], 1234);
    run(&["bench", "fill", "--jobs", "10"]).ends(2);
}
