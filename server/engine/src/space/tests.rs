//! What is written and what is not, by the room there is.

use bytes::Bytes;

use super::*;
use crate::command::{Get, NewJob, Repeatable};
use crate::effect::Reply;
use crate::id::{JobsHash, RequestId, SessionId};
use crate::testing::{
    Desk, complete, fail, job, lease_of, name, reject, release, secs, settle_command,
};

/// More room than any test needs.
const PLENTY: u64 = 1 << 30;

fn no(what: Unwritten) -> Rejection {
    Rejection::DiskFull { what }
}

fn has(desk: &mut Desk, space: Space) {
    desk.engine.set_space(space, PLENTY);
    desk.together(Vec::new());
}

fn try_get(desk: &mut Desk) -> Result<Reply, Rejection> {
    desk.ask(|ticket| {
        Command::Get(Get {
            ticket,
            queue: name("q"),
            jobs_max: 1,
            lease_duration: None,
            auto_complete: false,
            until: None,
            worker: "".into(),
        })
    })
}

fn try_put(desk: &mut Desk) -> Result<Reply, Rejection> {
    let put = desk.put_command("q", vec![job("a")]);
    desk.ask(|ticket| Command::Put(crate::command::Put { ticket, ..put }))
}

/// A job with this payload, which is answered to a queue or kept.
fn job_with_result(payload: &str, told: bool) -> NewJob {
    let mut new = job(payload);
    new.reply_to = told.then(|| name("replies"));
    new.result_retention = (!told).then(|| secs(60));
    new
}

fn result(bytes: usize) -> Verdict {
    Verdict::Complete {
        result: Bytes::from(vec![1; bytes]),
    }
}

#[test]
fn each_tier_refuses_more_than_the_one_before() {
    for space in Space::ALL {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"); 9]);
        let leases: Vec<_> = desk.get("q", 6).iter().map(lease_of).collect();
        has(&mut desk, space);
        let up_to = |least, what| {
            if space <= least {
                Ok(())
            } else {
                Err(no(what))
            }
        };
        let case = format!("{space:?}");
        let put = try_put(&mut desk).map(|_| ());
        assert_eq!(put, up_to(Space::Enough, Unwritten::Jobs), "{case}");
        let got = try_get(&mut desk).map(|_| ());
        assert_eq!(got, up_to(Space::Low, Unwritten::Grants), "{case}");
        let extended = desk.extend(leases[0], secs(100)).map(|_| ());
        assert_eq!(extended, up_to(Space::Low, Unwritten::Extensions), "{case}");
        let given_back = up_to(Space::Low, Unwritten::GivenBack);
        assert_eq!(desk.settle(leases[1], fail()), given_back, "{case}");
        assert_eq!(desk.settle(leases[2], release()), given_back, "{case}");
        let ended = up_to(Space::Last, Unwritten::Ends);
        assert_eq!(desk.settle(leases[3], reject()), ended, "{case}");
        assert_eq!(desk.settle(leases[4], complete()), ended, "{case}");
    }
}

#[test]
fn a_result_stays_small_on_a_full_disk_and_is_never_dropped() {
    let max = RESULT_BYTES_MAX;
    // Space, payload, result, whether it is taken.
    let cases = [
        (Space::Enough, 1, max + 1, true),
        (Space::Reserve, 1, max, true),
        (Space::Reserve, 1 << 20, max + 1, false),
        (Space::Low, max, max - OUTCOME_BYTES, true),
        (Space::Low, 1, max, false),
        (Space::Last, max, max - OUTCOME_BYTES, true),
        (Space::Last, 1, 1, false),
        (Space::Full, max, 0, false),
    ];
    for told in [false, true] {
        for (space, payload, bytes, taken) in cases {
            let case = format!("{space:?}, payload {payload}, result {bytes}, told: {told}");
            let mut desk = Desk::new();
            let bytes = if (payload, bytes) == (1, 1) {
                200
            } else {
                bytes
            };
            let ids = desk.put("q", vec![job_with_result(&"p".repeat(payload), told)]);
            let lease = lease_of(&desk.get("q", 1)[0]);
            has(&mut desk, space);
            let settled = desk.settle(lease, result(bytes));
            assert_eq!(settled.is_ok(), taken, "{case}: {settled:?}");
            if !taken {
                // The worker keeps its lease and tries again.
                assert_eq!(desk.state(ids[0]), Some(JobState::Leased), "{case}");
                has(&mut desk, Space::Enough);
                assert_eq!(desk.settle(lease, result(bytes)), Ok(()), "{case}");
            }
        }
    }
}

#[test]
fn a_job_of_which_nothing_is_kept_may_have_any_result() {
    let mut desk = Desk::new();
    desk.put("q", vec![job("a")]);
    let lease = lease_of(&desk.get("q", 1)[0]);
    has(&mut desk, Space::Last);
    assert_eq!(desk.settle(lease, result(1 << 20)), Ok(()));
}

#[test]
fn a_put_that_is_repeated_is_answered_on_a_full_disk() {
    let mut desk = Desk::new();
    let mut put = desk.put_command("q", vec![job("a")]);
    put.repeatable = Some(Repeatable {
        id: RequestId(5),
        uuid: RequestId(5),
        jobs: JobsHash([1; 16]),
    });
    let again = put.clone();
    desk.send_put(put);
    has(&mut desk, Space::Full);
    let reply = desk.ask(|ticket| Command::Put(crate::command::Put { ticket, ..again }));
    assert!(
        matches!(reply, Ok(Reply::Put { deduplicated, .. }) if deduplicated),
        "{reply:?}"
    );
}

#[test]
fn those_who_wait_get_jobs_when_there_is_room_again() {
    let mut desk = Desk::new();
    desk.open_with(1, "q", 2);
    let waiting = desk.wait_get("q", 1);
    has(&mut desk, Space::Last);
    desk.apply(Command::Heartbeat {
        session: SessionId(1),
    });
    // A job comes back into the queue: nobody gets it.
    has(&mut desk, Space::Enough);
    desk.put("other", vec![job("a")]);
    has(&mut desk, Space::Last);
    let written = desk.journal.len();
    desk.apply(Command::Heartbeat {
        session: SessionId(1),
    });
    assert_eq!(desk.journal.len(), written, "a heartbeat writes nothing");
    has(&mut desk, Space::Low);
    has(&mut desk, Space::Enough);
    desk.put("q", vec![job("a"), job("b")]);
    let got = desk.got(waiting).map_or(0, |grants| grants.len());
    assert_eq!(got + desk.delivered(1).len(), 2);
}

#[test]
fn a_session_gets_nothing_new_in_the_last_part_and_goes_on_after_it() {
    let mut desk = Desk::new();
    desk.put("q", vec![job("a"), job("b")]);
    has(&mut desk, Space::Last);
    desk.open_with(1, "q", 2);
    assert_eq!(desk.delivered(1), []);
    has(&mut desk, Space::Low);
    assert_eq!(desk.delivered(1).len(), 2);
}

#[test]
fn a_batch_writes_no_more_than_there_is_room_for() {
    let mut desk = Desk::new();
    desk.put("q", vec![job("a"); 30]);
    let leases: Vec<_> = desk.get("q", 20).iter().map(lease_of).collect();
    desk.engine.set_space(Space::Last, 3 * RECORD_BYTES);
    let ticket = desk.ticket();
    let settlements = leases.iter().map(|lease| {
        Ok(Settlement {
            lease: *lease,
            verdict: complete(),
        })
    });
    let settle = settle_command(ticket, settlements.collect());
    desk.together(vec![settle]);
    let Some(Ok(Reply::Settled(results))) = desk.answer(ticket) else {
        panic!("not answered");
    };
    let done = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(done, 3);
    assert_eq!(results[19], Err(no(Unwritten::Ends)));
    let reply = Effect::Reply {
        ticket,
        reply: Ok(Reply::Settled(results)),
    };
    assert_eq!(unwritten(&[reply]), [Unwritten::Ends; 17]);
    // Grants beyond the room come with the next batch.
    desk.engine.set_space(Space::Low, 2 * RECORD_BYTES);
    desk.open_with(1, "q", 10);
    desk.open_with(2, "q", 10);
    let first = desk.delivered(1).len() + desk.delivered(2).len();
    assert!(first < 10, "{first} at once");
    for _ in 0..10 {
        desk.engine.set_space(Space::Low, 2 * RECORD_BYTES);
        desk.together(Vec::new());
    }
    let then = desk.delivered(1).len() + desk.delivered(2).len();
    assert_eq!(first + then, 10);
}

#[test]
fn a_lease_that_is_over_settles_nothing_though_its_end_is_not_written() {
    let mut desk = Desk::new();
    let ids = desk.put("q", vec![job("a"), job("b")]);
    let lease = lease_of(&desk.get("q", 1)[0]);
    has(&mut desk, Space::Last);
    let written = desk.journal.len();
    desk.pass(secs(100));
    assert_eq!(desk.journal.len(), written, "nothing is written");
    assert_eq!(desk.engine.next_deadline(), None, "and nothing is due");
    let lost = Rejection::LeaseLost {
        state: Some(JobState::Ready),
    };
    assert_eq!(desk.settle(lease, complete()), Err(lost.clone()));
    assert_eq!(desk.extend(lease, secs(100)), Err(lost));
    has(&mut desk, Space::Low);
    desk.pass(secs(0));
    assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
}

#[test]
fn a_session_that_is_lost_keeps_no_lease_alive() {
    let mut desk = Desk::new();
    let ids = desk.put("q", vec![job("a")]);
    desk.open_with(1, "q", 1);
    let lease = lease_of(&desk.delivered(1)[0]);
    has(&mut desk, Space::Last);
    let written = desk.journal.len();
    desk.pass(secs(40));
    assert_eq!(desk.journal.len(), written);
    let expired = |effect: &Effect| matches!(effect, Effect::SessionExpired { .. });
    assert!(desk.effects.iter().any(expired), "it is told");
    assert!(matches!(
        desk.settle(lease, complete()),
        Err(Rejection::LeaseLost { .. })
    ));
    has(&mut desk, Space::Reserve);
    desk.pass(secs(1));
    assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
}

#[test]
fn what_is_kept_for_a_time_goes_in_the_last_part_too() {
    let mut desk = Desk::new();
    let ids = desk.put("q", vec![job_with_result("a long payload", false)]);
    let lease = lease_of(&desk.get("q", 1)[0]);
    desk.settle(lease, complete()).unwrap();
    has(&mut desk, Space::Full);
    desk.pass(secs(60));
    assert_eq!(desk.state(ids[0]), None);
}
