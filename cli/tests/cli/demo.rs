//! `leaseq demo`: two kills, and every job gives exactly one result.

use crate::rig::run;

#[test]
fn every_job_gives_exactly_one_result() {
    let said = run(&["demo", "-o", "json", "--jobs", "24", "--pause", "60ms"]).ends(0);
    let found = said.json();
    assert_eq!(found["exact"], true, "{said:?}");
    assert_eq!(
        (&found["jobs"], &found["results"]),
        (&24.into(), &24.into())
    );
    assert_eq!(found["worker_killed"], true);
    assert_eq!(found["server_killed"], true);
    assert!(
        found["repeated_attempts"].as_u64().unwrap() >= 1,
        "the killed worker's job: {said:?}"
    );
}
