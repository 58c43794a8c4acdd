//! What a worker may say, without a shard that hears it.

use std::sync::Arc;

use leaseq_engine::command::Verdict;
use leaseq_engine::id::{JobSeq, LeaseNumber, Scope};
use leaseq_proto::v1;
use leaseq_proto::v1::settlement::Verdict as Wire;

use super::*;
use crate::auth::Role;

const LEASE: LeaseRef = LeaseRef {
    job: JobSeq(4),
    lease: LeaseNumber(9),
};

fn speech() -> Speech {
    Speech {
        tokens: Tokens::new(&[1; 16]),
        identity: Identity::new(
            "key",
            &[Role::Work],
            Scope::Patterns(["mine.*".into()].into()),
        ),
        limits: Arc::new(crate::config::Config::default().limits),
    }
}

fn open(queues: &[&str]) -> Open {
    Open {
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        ..Open::default()
    }
}

fn opened(wire: Open) -> (OpenSession, Opened) {
    let (command, opened) = speech().open(wire).expect("right");
    match command(SessionId(1), Ticket(2)) {
        Command::OpenSession(open) => (open, opened),
        other => panic!("{other:?}"),
    }
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[test]
fn a_session_has_defaults_and_says_them() {
    let (command, opened) = opened(open(&["mine.a", "mine.b", "mine.a"]));
    assert_eq!(command.queues.len(), 2, "named twice is named once");
    assert_eq!(command.flow.jobs_max, 1);
    assert_eq!(opened.lease_duration, seconds(30));
    assert_eq!(opened.grace, seconds(1));
    assert_eq!(opened.heartbeat_interval, seconds(10));
}

#[test]
fn held_tokens_that_are_not_ours_are_lost() {
    let token = speech().tokens.token(LEASE);
    let garbage = bytes::Bytes::from_static(b"of another server");
    let wire = Open {
        held_tokens: vec![garbage.clone(), token],
        ..open(&["mine.a"])
    };
    let (command, opened) = opened(wire);
    assert_eq!(command.held, [LEASE]);
    assert_eq!(opened.lost_tokens, [garbage]);
}

#[test]
fn a_bad_opening_is_named() {
    let refused = |wire: Open, field: &str| match speech().open(wire).err() {
        Some(Fault::Invalid(invalid)) => assert_eq!(invalid.field, field),
        other => panic!("{field}: {other:?}"),
    };
    let fine = || open(&["mine.a"]);
    refused(open(&[]), "open.queues");
    refused(open(&["mine.a", "?"]), "open.queues[1]");
    refused(open(&["mine.a"; 101]), "open.queues");
    refused(
        Open {
            worker: "w".repeat(129),
            ..fine()
        },
        "open.worker",
    );
    refused(
        Open {
            lease_duration: seconds(0),
            ..fine()
        },
        "open.lease_duration",
    );
    refused(
        Open {
            lease_duration: seconds(90_000),
            ..fine()
        },
        "open.lease_duration",
    );
    refused(
        Open {
            grace: seconds(-1),
            ..fine()
        },
        "open.grace",
    );
    refused(
        Open {
            grace: seconds(3_601),
            ..fine()
        },
        "open.grace",
    );
    let flow = Some(v1::Flow {
        max_jobs: 10_001,
        max_bytes: 0,
    });
    refused(Open { flow, ..fine() }, "open.flow.max_jobs");
    let held_tokens = vec![bytes::Bytes::new(); 10_001];
    refused(
        Open {
            held_tokens,
            ..fine()
        },
        "open.held_tokens",
    );
}

#[test]
fn a_queue_of_someone_else_is_not_opened() {
    let fault = speech().open(open(&["mine.a", "theirs"])).err();
    assert!(matches!(fault, Some(Fault::Refused(_))), "{fault:?}");
}

fn settled(settlements: Vec<v1::Settlement>) -> (Settle, Vec<(usize, ItemStatus)>) {
    let (command, refused) = speech().settle(SettleRequest { settlements }, 0);
    match command(SessionId(1), Ticket(2)) {
        Command::Settle(settle) => (settle, refused),
        other => panic!("{other:?}"),
    }
}

fn settlement(token: bytes::Bytes, verdict: Option<Wire>) -> v1::Settlement {
    v1::Settlement {
        lease_token: token,
        verdict,
    }
}

#[test]
fn a_bad_entry_keeps_its_place_and_the_others_go_on() {
    let token = speech().tokens.token(LEASE);
    let complete = || {
        Some(Wire::Complete(v1::Complete {
            result: bytes::Bytes::new(),
        }))
    };
    let late = Some(Wire::Fail(v1::Fail {
        error: String::new(),
        retry_delay: seconds(-1),
    }));
    let (settle, refused) = settled(vec![
        settlement(token.clone(), None),
        settlement(bytes::Bytes::from_static(b"garbage"), complete()),
        settlement(token.clone(), late),
        settlement(token, complete()),
    ]);
    assert_eq!(settle.settlements.len(), 4);
    let good = settle.settlements[3].as_ref().expect("good");
    assert!(matches!(good.verdict, Verdict::Complete { .. }));
    assert_eq!(settle.settlements[1], Err(Rejection::TokenInvalid));
    let places: Vec<_> = refused.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [0, 2]);
    assert!(
        refused[1]
            .1
            .message()
            .starts_with("settlements[2].fail.retry_delay")
    );
}

#[test]
fn too_many_entries_are_each_refused() {
    let (settle, refused) = settled(vec![settlement(bytes::Bytes::new(), None); 1001]);
    assert_eq!((settle.settlements.len(), refused.len()), (1001, 1001));
    assert!(
        refused[0]
            .1
            .message()
            .starts_with("settlements has 1001 entries")
    );
}

#[test]
fn a_bad_extension_refuses_each_of_its_entries() {
    let token = speech().tokens.token(LEASE);
    let wire = ExtendRequest {
        lease_tokens: vec![token.clone(), token],
        lease_duration: seconds(-1),
        progress: String::new(),
    };
    let (command, refused) = speech().extend(wire);
    let Command::Extend(extend) = command(SessionId(1), Ticket(2)) else {
        panic!("not an Extend")
    };
    assert_eq!((extend.leases.len(), refused.len()), (2, 2));
    assert!(extend.leases.iter().all(Result::is_err));
}
