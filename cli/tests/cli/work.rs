//! `leaseq work`: any program as a worker.

use crate::rig::{Said, Server};

fn work(server: &Server, script: &str) -> Said {
    server.run(&[
        "work",
        "jobs",
        "--exit-when-idle",
        "500ms",
        "--",
        "sh",
        "-c",
        script,
    ])
}

#[test]
fn what_a_program_writes_is_the_result() {
    let server = Server::start();
    let id = server.put(&["jobs", "21", "--retention", "1m"]);
    let said = work(&server, "read n; echo $((n * 2))").ends(0);
    assert!(said.stderr.contains("completed"), "{said:?}");
    assert_eq!(server.run(&["job", "wait", &id]).ends(0).stdout, "42\n");
}

#[test]
fn a_master_can_wait_for_the_result_in_one_line() {
    let server = Server::start();
    let mut worker = server
        .leaseq(&["work", "jobs", "--", "tr", "a-z", "A-Z"])
        .spawn()
        .unwrap();
    let said = server.run(&["put", "jobs", "hello", "--wait-result", "30s"]);
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(said.ends(0).stdout, "HELLO");
}

#[test]
fn the_exit_code_settles_the_job() {
    let server = Server::start();
    let put = |payload: &str| server.put(&["jobs", payload, "--max-attempts", "1"]);
    let [failed, rejected] = ["1", "65"].map(put);
    work(&server, "read code; echo because >&2; exit $code").ends(0);
    let error = |id: &str| {
        server
            .run(&["job", "show", id])
            .ends(0)
            .fact("last error")
            .to_owned()
    };
    assert_eq!(error(&failed), "exit code 1: because");
    assert_eq!(error(&rejected), "exit code 65: because");
    let dead = server.run(&["dead", "ls", "jobs", "-o", "name"]).ends(0);
    assert_eq!(dead.stdout.lines().count(), 2);
}

#[test]
fn a_released_job_comes_back_with_its_attempt() {
    let server = Server::start();
    let marker = server.path().join("seen");
    let marker = marker.display();
    let id = server.put(&["jobs", "x", "--retention", "1m"]);
    let script = format!(
        "if [ -e {marker} ]; then printf $LEASEQ_ATTEMPT; else touch {marker}; exit 75; fi"
    );
    let args = [
        "work",
        "jobs",
        "--exit-when-idle",
        "3s",
        "--",
        "sh",
        "-c",
        &script,
    ];
    server.run(&args).ends(0);
    assert_eq!(server.run(&["job", "wait", &id]).ends(0).stdout, "1");
}

#[test]
fn the_environment_says_which_job_it_is() {
    let server = Server::start();
    let id = server.put(&["jobs", "x", "--retention", "1m"]);
    work(
        &server,
        "printf \"$LEASEQ_JOB_ID $LEASEQ_QUEUE $LEASEQ_MAX_ATTEMPTS\"",
    )
    .ends(0);
    let result = server.run(&["job", "wait", &id]).ends(0).stdout;
    assert_eq!(result, format!("{id} jobs 20"));
}

#[test]
fn a_wrong_key_ends_a_worker_at_once() {
    let server = Server::start();
    let mut command = server.leaseq(&["work", "jobs", "--", "cat"]);
    let said = Said::of(command.env("LEASEQ_AUTHKEY", "wrong").output().unwrap());
    said.ends(4);
}

#[test]
fn until_empty_ends_when_every_job_is_settled() {
    let server = Server::start();
    server
        .run(&["queue", "create", "jobs", "--retry-initial-delay", "0"])
        .ends(0);
    server.run(&["put", "jobs", "a", "b", "c"]).ends(0);
    // Each job fails once: those that wait for their second attempt are left, too.
    let script = "test $LEASEQ_ATTEMPT = 2";
    let said = server
        .run(&["work", "jobs", "--until-empty", "--", "sh", "-c", script])
        .ends(0);
    assert_eq!(said.stderr.matches("completed").count(), 3, "{said:?}");
    server.run(&["get", "jobs"]).ends(3);
}

#[test]
fn a_program_that_is_not_there_ends_the_worker_and_spares_the_jobs() {
    let server = Server::start();
    server.put(&["jobs", "x"]);
    let said = server
        .run(&["work", "jobs", "--", "/no/such/program"])
        .ends(1);
    assert!(said.stderr.contains("/no/such/program"), "{said:?}");
    let got = server
        .run(&["get", "jobs", "-o", "json", "--wait", "10s"])
        .ends(0)
        .json();
    assert_eq!(got["jobs"][0]["attempt"], 1);
}
