//! Tests: no command is unbounded. Each case has 100,000 jobs, leases or callers, and no
//! command may take more steps than it names jobs and the configuration allows beside.

#![allow(clippy::wildcard_enum_match_arm)] // what is not expected fails the test

use crate::Output;
use crate::command::{Command, SettingsChange};
use crate::id::SessionId;
use crate::settings::EngineConfig;
use crate::testing::{Desk, flow, job, lease_of, name, secs};
use crate::transition::Transition;

const MANY: usize = 100_000;
const PUT: usize = 1000;

/// What one command may take beside the jobs that it names.
fn most() -> usize {
    let step_max = EngineConfig::default().step_max;
    step_max + step_max / 8
}

/// A desk that does not scan everything after each command.
fn desk() -> Desk {
    let mut desk = Desk::with(EngineConfig {
        waiters_max: 2 * MANY,
        ..EngineConfig::default()
    });
    desk.checked = false;
    desk
}

/// Applies a command that names `named` jobs and asserts that it stays within its bound.
fn bounded(desk: &mut Desk, named: usize, command: Command) {
    let what = format!("{command:?}");
    let what = what.get(..40).unwrap_or(&what).to_owned();
    let mut out = Output::default();
    desk.engine.apply(desk.now, command, &mut out);
    desk.journal.append(&mut out.transitions);
    desk.effects.append(&mut out.effects);
    let steps = out.steps;
    assert!(steps <= named + most(), "{steps} steps for {what}");
}

/// Ticks as long as one is due and holds each to its bound; says how many there were.
fn ticks(desk: &mut Desk) -> usize {
    let mut ticks = 0;
    while desk.engine.next_deadline().is_some_and(|at| at <= desk.now) {
        bounded(desk, 0, Command::Tick { random: 1 });
        ticks += 1;
        assert!(ticks < 10_000, "it never ends");
    }
    desk.engine.check_invariants().unwrap();
    ticks
}

fn put_many(desk: &mut Desk, count: usize) {
    for _ in 0..count / PUT {
        desk.put("q", vec![job("a"); PUT]);
    }
}

/// Opens sessions that take `each` of the many jobs.
fn lease_many(desk: &mut Desk, each: usize) {
    put_many(desk, MANY);
    for session in (1..).take(MANY / each) {
        let mut open = desk.open_command(session, &["q"]);
        open.flow = flow(each);
        open.grace = secs(0);
        bounded(desk, 0, Command::OpenSession(open));
    }
    ticks(desk);
    desk.effects.clear();
    assert_eq!(desk.counts("q").leased, MANY as u64);
}

/// How many records a store has written since, and how many jobs came back in them.
fn requeued(desk: &Desk, since: usize) -> (usize, usize) {
    let records = desk.journal.iter().skip(since);
    let jobs = records.clone().map(|it| {
        let Transition::JobsRequeued { leases, .. } = it else {
            panic!("another record: {it:?}");
        };
        leases.len()
    });
    (records.len(), jobs.sum())
}

#[test]
fn a_thousand_workers_that_fall_silent_at_once_hold_up_nobody() {
    let mut desk = desk();
    lease_many(&mut desk, 100);
    let since = desk.journal.len();
    desk.now = desk.now.after(secs(31));
    assert!(ticks(&mut desk) >= MANY / most());
    let (records, jobs) = requeued(&desk, since);
    assert_eq!(jobs, MANY);
    assert!(records <= MANY / 500, "{records} records of one cause");
    desk.restart(secs(0));
    assert_eq!(desk.counts("q").ready, MANY as u64);
}

#[test]
fn a_session_that_holds_many_closes_in_steps() {
    let mut desk = desk();
    lease_many(&mut desk, MANY);
    let session = SessionId(1);
    bounded(&mut desk, 0, Command::CloseSession { session });
    ticks(&mut desk);
    assert_eq!(desk.counts("q").ready, MANY as u64);
}

#[test]
fn leases_of_a_time_before_the_restart_end_in_steps() {
    let mut desk = desk();
    lease_many(&mut desk, MANY);
    desk.restart(secs(1));
    desk.now = desk.now.after(secs(31));
    ticks(&mut desk);
    assert_eq!(desk.counts("q").ready, MANY as u64);
}

#[test]
fn many_leases_of_gets_and_many_delays_end_in_steps() {
    let mut desk = desk();
    let mut later = job("b");
    later.ready_time = Some(desk.now.after(secs(30)));
    for _ in 0..MANY / PUT {
        desk.put("q", vec![job("a"); PUT]);
        desk.get("q", PUT);
        desk.put("later", vec![later.clone(); PUT]);
    }
    let since = desk.journal.len();
    desk.now = desk.now.after(secs(31));
    ticks(&mut desk);
    assert_eq!(desk.counts("q").ready, MANY as u64);
    assert_eq!(desk.counts("later").ready, MANY as u64);
    assert!(desk.journal.len() - since <= MANY / 200);
}

#[test]
fn a_backlog_is_delivered_in_steps_and_completely() {
    let mut desk = desk();
    put_many(&mut desk, MANY);
    let pause = |paused| {
        move |ticket| Command::PauseQueue {
            ticket,
            queue: name("q"),
            paused,
        }
    };
    desk.ask(pause(true)).unwrap();
    for session in 1..=100 {
        desk.open_with(session, "q", PUT);
    }
    let resume = pause(false)(desk.ticket());
    bounded(&mut desk, 0, resume);
    assert!(ticks(&mut desk) > 0);
    assert_eq!(desk.counts("q").leased, MANY as u64);
}

#[test]
fn a_session_that_asks_for_many_gets_them_in_steps() {
    let mut desk = desk();
    put_many(&mut desk, MANY);
    desk.open_with(1, "q", 0);
    let session = SessionId(1);
    let flow = flow(MANY);
    bounded(&mut desk, 0, Command::SetFlow { session, flow });
    ticks(&mut desk);
    assert_eq!(desk.delivered(1).len(), MANY);
}

#[test]
fn everyone_who_waits_for_one_job_or_queue_is_answered_in_steps() {
    for for_job in [true, false] {
        let mut desk = desk();
        let ids = desk.put("q", vec![job("a")]);
        let until = Some(desk.now.after(secs(100)));
        for _ in 0..MANY {
            let ticket = desk.ticket();
            let wait = if for_job {
                Command::WaitJob {
                    ticket,
                    scope: crate::id::Scope::All,
                    job: ids[0],
                    until,
                }
            } else {
                Command::WaitQueue {
                    ticket,
                    queue: name("q"),
                    settled: true,
                    until,
                }
            };
            bounded(&mut desk, 0, wait);
        }
        let leases = vec![lease_of(&desk.get("q", 1)[0])];
        desk.effects.clear();
        let verdict = crate::testing::complete();
        let settlements = leases.into_iter().map(|lease| {
            let verdict = verdict.clone();
            Ok(crate::command::Settlement { lease, verdict })
        });
        let settle = crate::testing::settle_command(desk.ticket(), settlements.collect());
        bounded(&mut desk, 1, settle);
        // Also those whose wait is over before they are answered.
        desk.now = desk.now.after(secs(200));
        ticks(&mut desk);
        let right = desk.effects.iter().filter(|effect| {
            let text = format!("{effect:?}");
            text.contains("state: Completed") || text.contains("done: true")
        });
        assert_eq!(right.count(), MANY);
    }
}

#[test]
fn puts_that_waited_for_room_are_done_in_steps() {
    let mut desk = desk();
    let bound = |jobs_max| {
        move |ticket| Command::UpdateQueue {
            ticket,
            queue: name("q"),
            change: SettingsChange {
                jobs_max: Some(Some(jobs_max)),
                ..SettingsChange::default()
            },
            revision: None,
        }
    };
    desk.put("q", vec![job("a")]);
    desk.ask(bound(1)).unwrap();
    for _ in 0..MANY / 10 {
        let mut put = desk.put_command("q", vec![job("a")]);
        put.until = Some(desk.now.after(secs(100)));
        bounded(&mut desk, 1, Command::Put(put));
    }
    let raise = bound(MANY as u64)(desk.ticket());
    bounded(&mut desk, 0, raise);
    assert!(ticks(&mut desk) > 0);
    assert_eq!(desk.counts("q").ready, (MANY / 10 + 1) as u64);
}
