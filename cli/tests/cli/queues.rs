//! The verbs of a queue: settings, pause, purge, removal.

use crate::rig::Server;

#[test]
fn a_queue_has_the_settings_it_was_given() {
    let server = Server::start();
    let created = server
        .run(&[
            "queue",
            "create",
            "jobs",
            "--max-attempts",
            "3",
            "--lease-duration",
            "2m",
        ])
        .ends(0);
    assert_eq!(created.fact("max attempts"), "3");
    assert_eq!(created.fact("lease duration"), "2m");
    server.run(&["queue", "create", "jobs"]).ends(1);
    server
        .run(&["queue", "create", "jobs", "--if-missing"])
        .ends(0);

    server.run(&["queue", "update", "jobs"]).ends(2);
    server
        .run(&["queue", "update", "jobs", "--retry-max-delay", "1m"])
        .ends(0);
    let queue = server
        .run(&["queue", "show", "jobs", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(queue["max_attempts"], 3, "what is not given stays");
    assert_eq!(queue["lease_duration"], "120s");
    assert_eq!(queue["retry"]["max_delay"], "60s");
    assert_eq!(
        queue["retry"]["initial_delay"], "1s",
        "also within the retry policy"
    );
    let old = queue["etag"].as_str().unwrap();
    server
        .run(&["queue", "update", "jobs", "--max-jobs", "5", "--etag", old])
        .ends(0);
    server
        .run(&["queue", "update", "jobs", "--max-jobs", "6", "--etag", old])
        .ends(1);
}

#[test]
fn a_full_queue_says_so() {
    let server = Server::start();
    server
        .run(&["queue", "create", "jobs", "--max-jobs", "1"])
        .ends(0);
    server.put(&["jobs", "one"]);
    let said = server.run(&["put", "jobs", "two"]).ends(1);
    assert!(said.stderr.contains("--wait"), "{said:?}");
    server
        .run(&["put", "jobs", "two", "--wait", "50ms"])
        .ends(1);
}

#[test]
fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let server = Server::start();
    server.put(&["jobs", "hello"]);
    server.run(&["queue", "pause", "jobs"]).ends(0);
    let listed = server.run(&["queue", "ls"]).ends(0);
    assert!(listed.stdout.contains("paused"), "{listed:?}");
    server.run(&["get", "jobs"]).ends(3);
    server.run(&["queue", "resume", "jobs"]).ends(0);
    server.run(&["get", "jobs"]).ends(0);
}

#[test]
fn purging_and_removing_are_previews_until_they_are_forced() {
    let server = Server::start();
    server.run(&["put", "jobs", "a", "b"]).ends(0);
    let preview = server.run(&["queue", "purge", "jobs"]).ends(0);
    assert!(
        preview.stdout.starts_with("2 ready or scheduled jobs"),
        "{preview:?}"
    );
    assert!(preview.stdout.contains("--force"), "{preview:?}");
    let listed = server.run(&["job", "ls", "jobs", "-o", "name"]).ends(0);
    assert_eq!(listed.stdout.lines().count(), 2);
    server.run(&["queue", "purge", "jobs", "--force"]).ends(0);
    server.run(&["get", "jobs"]).ends(3);

    server.put(&["jobs", "c"]);
    let preview = server.run(&["queue", "rm", "jobs"]).ends(0);
    assert!(
        preview.stdout.contains("1 job would be deleted"),
        "{preview:?}"
    );
    server.run(&["queue", "show", "jobs"]).ends(0);
    server.run(&["queue", "rm", "jobs", "--force"]).ends(0);
    server.run(&["queue", "show", "jobs"]).ends(1);
}

#[test]
fn long_lists_come_whole_or_say_that_there_is_more() {
    let server = Server::start();
    server.run(&["put", "jobs", "x", "--count", "1500"]).ends(0);
    let some = server.run(&["job", "ls", "jobs"]).ends(0);
    assert_eq!(some.stdout.lines().count(), 101, "a heading and 100 jobs");
    assert!(some.stderr.contains("--limit 0"), "{:?}", some.stderr);
    let all = server
        .run(&["job", "ls", "jobs", "--limit", "0", "-o", "name"])
        .ends(0);
    assert_eq!(all.stdout.lines().count(), 1500);
    let none = server
        .run(&["job", "ls", "jobs", "--state", "dead", "-o", "name"])
        .ends(0);
    assert_eq!(none.stdout, "");
}
