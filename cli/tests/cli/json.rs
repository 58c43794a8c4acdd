//! The shapes that scripts read with `-o json`.

use serde_json::Value;

use crate::rig::{Server, run};

/// The names in an object, sorted.
#[track_caller]
fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("{value}"))
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn put_get_and_lists_have_their_shapes() {
    let server = Server::start();
    let put = server
        .run(&["put", "jobs", "hello", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(names(&put), ["deduplicated", "job_ids"]);
    let id = put["job_ids"][0].as_str().unwrap();

    let jobs = server
        .run(&["job", "ls", "jobs", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(jobs["jobs"][0]["id"], id);
    assert_eq!(jobs["more"], false);

    let queues = server.run(&["queue", "ls", "-o", "json"]).ends(0).json();
    assert_eq!(queues["queues"][0]["name"], "jobs");
    assert_eq!(queues["queues"][0]["stats"]["ready_count"], 1);

    let got = server
        .run(&["get", "jobs", "--keep", "-o", "json"])
        .ends(0)
        .json();
    let job = &got["jobs"][0];
    assert_eq!(job["payload"], "hello");
    assert_eq!(
        (&job["attempt"], &job["max_attempts"]),
        (&1.into(), &20.into())
    );
    assert!(job["fencing_number"].as_u64().unwrap() > 0);
    let token = job["lease_token"].as_str().unwrap();
    let settled = server
        .run(&["settle", token, "--complete", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(settled["settled"], "completed");

    let nothing = server.run(&["get", "jobs", "-o", "json"]).ends(3).json();
    assert_eq!(nothing["jobs"], Value::Array(Vec::new()));
}

#[test]
fn bytes_that_are_not_text_are_base64() {
    let server = Server::start();
    server
        .run_with(&["put", "jobs", "-"], &[0xff, 0x00])
        .ends(0);
    let got = server.run(&["get", "jobs", "-o", "json"]).ends(0).json();
    assert_eq!(got["jobs"][0]["payload_base64"], "/wA=");
}

#[test]
fn the_version_is_the_same_for_people_and_programs() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        run(&["version"]).ends(0).line(),
        format!("leaseq {version}")
    );
    assert_eq!(
        run(&["--version"]).ends(0).line(),
        format!("leaseq {version}")
    );
    assert_eq!(
        run(&["version", "-o", "json"]).ends(0).json()["version"],
        version
    );
    let server = Server::start();
    let said = server
        .run(&["version", "--server", "-o", "json"])
        .ends(0)
        .json();
    assert_eq!(said["server"]["version"], version);
    assert_eq!(said["server"]["sync"], "always");
}
