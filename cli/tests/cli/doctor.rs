//! `leaseq doctor`: sound, in use, damaged, or nothing there.

use crate::rig::{Said, Server, leaseq, run};

fn doctor(dir: &std::path::Path, format: &str) -> Said {
    let mut command = leaseq(&["doctor", "-o", format]);
    Said::of(command.arg(dir).output().unwrap())
}

#[test]
fn a_stopped_directory_is_sound_and_a_used_one_is_refused() {
    let mut server = Server::start();
    server.run(&["put", "jobs", "a", "b", "c"]).ends(0);
    server.run(&["get", "jobs"]).ends(0);
    let said = doctor(&server.data(), "table").ends(1);
    assert!(said.stderr.contains("in use"), "{said:?}");
    server.stop();
    let said = doctor(&server.data(), "table").ends(0);
    assert!(said.stdout.contains("sound"), "{said:?}");
    let found = doctor(&server.data(), "json").ends(0).json();
    assert_eq!(found["sound"], true);
    assert_eq!(found["queues"][0]["name"], "jobs");
    assert_eq!(found["queues"][0]["ready_count"], 2);
}

#[test]
fn a_damaged_payload_is_told_with_its_job_its_file_and_place() {
    let mut server = Server::start();
    let id = server.put(&["jobs", "a payload that will be damaged"]);
    server.put(&["jobs", "another after it"]);
    server.stop();
    let needle = b"a payload that will be damaged";
    let damaged = std::fs::read_dir(server.data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let bytes = std::fs::read(path).unwrap();
            let Some(at) = bytes
                .windows(needle.len())
                .position(|window| window == needle)
            else {
                return false;
            };
            let mut bytes = bytes;
            bytes[at] ^= 0xff;
            std::fs::write(path, bytes).unwrap();
            true
        })
        .expect("payloads are in the journal as they are");
    let said = doctor(&server.data(), "table").ends(1);
    let name = damaged.file_name().unwrap().to_str().unwrap();
    assert!(said.stdout.contains(name), "{said:?}");
    assert!(said.stdout.contains("damaged at byte"), "{said:?}");
    assert!(said.stderr.contains("leaseq serve"), "{said:?}");
    let found = doctor(&server.data(), "json").ends(1).json();
    assert_eq!(found["sound"], false);
    assert!(found["problem"].is_null(), "a server starts: {found}");
    let damaged = found["damaged_jobs"].as_array().unwrap();
    assert_eq!(damaged.len(), 1, "{found}");
    assert_eq!(damaged[0]["queue"], "jobs");
    assert_eq!(damaged[0]["job_id"], id.trim());
    assert!(damaged[0]["put_time"].is_string(), "{found}");
}

#[test]
fn a_directory_of_something_else_is_not_called_sound() {
    let dir = tempfile::TempDir::new().unwrap();
    doctor(dir.path(), "table").ends(1);
    let said = run(&["doctor", "/no/such/directory"]).ends(1);
    assert!(said.stderr.contains("/no/such/directory"), "{said:?}");
}

/// Changes the bytes at `needle` in the segment that has it.
fn change(dir: &std::path::Path, needle: &[u8], change: impl Fn(&mut [u8], usize)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(needle.len()).position(|part| part == needle);
        if let Some(at) = found {
            change(&mut bytes, at);
            std::fs::write(path, bytes).unwrap();
            return;
        }
    }
    panic!("payloads are in the journal as they are");
}

#[test]
fn everything_sound_is_salvaged_from_a_directory_that_no_server_starts_on() {
    let mut server = Server::start();
    let ids: Vec<String> = ["first", "second", "third", "fourth"]
        .map(|job| server.put(&["jobs", &format!("the {job} job's payload")]))
        .into();
    server.run(&["get", "jobs"]).ends(0); // the first one is done
    server.stop();
    let data = server.data();
    // The batch of the second job, and the payload of the third.
    change(&data, b"the second job's payload", |bytes, at| {
        let header = bytes[..at].windows(4).rposition(|part| part == b"LSQF");
        bytes[header.unwrap() + 9] ^= 1;
    });
    change(&data, b"the third job's payload", |bytes, at| {
        bytes[at] ^= 1
    });
    let said = doctor(&data, "table").ends(1);
    assert!(said.stderr.contains("--salvage OUT"), "{said:?}");

    let new = tempfile::TempDir::new().unwrap();
    let out = new.path().join("data");
    let salvage = |format: &str| {
        let mut command = leaseq(&["doctor", "-o", format, "--salvage"]);
        Said::of(command.arg(&out).arg(&data).output().unwrap())
    };
    let said = salvage("table").ends(0);
    assert!(said.stdout.contains("MISSING IN"), "{said:?}");
    assert!(said.stdout.contains(ids[2].trim()), "{said:?}");
    let again = salvage("json").ends(1);
    assert!(again.stderr.contains("not an empty directory"), "{again:?}");
    doctor(&out, "table").ends(0);
    doctor(&data, "table").ends(1); // it was not changed

    let server = Server::on(new);
    let got = server
        .run(&["get", "jobs", "--max-jobs", "10", "-o", "json"])
        .ends(0);
    let is_there = |n: usize| got.stdout.contains(ids[n].trim());
    assert_eq!(
        [0, 1, 2, 3].map(is_there),
        [false, false, false, true],
        "{got:?}"
    );
    let lost = server.run(&["job", "ls", "jobs", "-o", "json"]).ends(0);
    assert!(lost.stdout.contains("CONTENT_DAMAGED"), "{lost:?}");
}
