//! 0 ok, 1 error, 2 usage, 3 empty or timed out, 4 authentication, 5 unreachable; and that every
//! error is a sentence with the next thing to type.

use crate::port::free_port;
use crate::rig::{AUTHKEY, Said, Server, leaseq, run};

#[test]
fn nothing_to_type_is_usage() {
    run(&[]).ends(2);
    run(&["no-such-verb"]).ends(2);
    run(&["put", "jobs"]).ends(2);
    run(&["get", "jobs", "--wait", "5"]).ends(2);
    let said = run(&["get", "jobs", "--wait", "5"]);
    assert!(
        said.stderr.contains("5s"),
        "it says what would do: {said:?}"
    );
}

#[test]
fn no_server_is_5_and_says_where_and_what_next() {
    let addr = format!("127.0.0.1:{}", free_port());
    let said = run(&["get", "jobs", "--addr", &addr, "--connect-timeout", "300ms"]).ends(5);
    assert!(said.stderr.contains(&addr), "{said:?}");
    assert!(said.stderr.contains("trying again"), "{said:?}");
    assert!(said.stderr.contains("leaseq dev"), "{said:?}");
    assert_eq!(said.stdout, "");
    run(&["health", "--addr", &addr, "--connect-timeout", "0"]).ends(5);
    let mut local = leaseq(&["health", "--local"]);
    let said = Said::of(local.env("LEASEQ_ADMIN_LISTEN", &addr).output().unwrap()).ends(5);
    assert!(said.stderr.contains(&addr), "{said:?}");
}

#[test]
fn an_address_that_is_none_is_usage() {
    let said = run(&["queue", "ls", "--addr", "::1:1:x"]).ends(2);
    assert!(said.stderr.starts_with("error: the address"), "{said:?}");
}

#[test]
fn a_wrong_key_is_4_and_a_server_is_healthy_all_the_same() {
    let server = Server::start();
    let wrong = |args: &[&str]| {
        let mut command = leaseq(args);
        command.env("LEASEQ_ADDR", server.addr());
        Said::of(command.env("LEASEQ_AUTHKEY", "wrong").output().unwrap())
    };
    let said = wrong(&["put", "jobs", "hello"]).ends(4);
    assert!(said.stderr.contains("LEASEQ_AUTHKEY"), "{said:?}");
    wrong(&["get", "jobs"]).ends(4);
    wrong(&["health"]).ends(0);
    let from_file = server.path().join("key");
    std::fs::write(&from_file, format!("{AUTHKEY}\n")).unwrap();
    let mut command = leaseq(&["queue", "ls", "--addr", server.addr(), "--authkey-file"]);
    Said::of(command.arg(from_file).output().unwrap()).ends(0);
}

#[test]
fn empty_and_timed_out_are_3() {
    let server = Server::start();
    server.put(&["jobs", "hello", "--delay", "1h"]);
    let said = server.run(&["get", "jobs"]).ends(3);
    assert_eq!(said.stdout, "");
    server.run(&["get", "jobs", "--wait", "50ms"]).ends(3);
    server
        .run(&["queue", "wait", "jobs", "--wait", "50ms"])
        .ends(3);
    server.run(&["queue", "wait", "nothing-here"]).ends(0);
    let id = server.put(&["jobs", "hello"]);
    server.run(&["job", "wait", &id, "--wait", "50ms"]).ends(3);
}

#[test]
fn what_the_server_refuses_is_1_or_2_with_a_next_step() {
    let server = Server::start();
    let said = server.run(&["queue", "show", "nowhere"]).ends(1);
    assert!(said.stderr.contains("leaseq queue ls"), "{said:?}");
    server
        .run(&["job", "show", "0198c0de-0000-7000-8000-000000000000"])
        .ends(1);
    let said = server.run(&["put", "no spaces please", "hello"]).ends(2);
    assert!(said.stderr.contains("queue"), "{said:?}");
    server.run(&["settle", "00ff", "--complete"]).ends(2);
    server.run(&["settle", "not-a-token", "--complete"]).ends(2);
    server.run(&["settle", "00ff"]).ends(2);
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let addr = format!("127.0.0.1:{}", free_port());
    let said = run(&[
        "queue",
        "ls",
        "-o",
        "json",
        "--addr",
        &addr,
        "--connect-timeout",
        "0",
    ]);
    let last = said.stderr.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["exit_code"], 5);
    assert_eq!(error["error"]["reason"], "UNREACHABLE");
}
