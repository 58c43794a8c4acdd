//! Stalls of the server and wall clocks that are set, on a machine whose clocks stand
//! until they are moved.

use leaseq_engine::command::{Read, Repeatable};
use leaseq_engine::effect::Counts;
use leaseq_engine::id::{JobsHash, RequestId, SessionId};
use leaseq_engine::time::Time;

use super::*;
use crate::shard::clock::fake::FakeMachine;

const HOUR: i64 = 3_600_000;
const YEARS_10: i64 = 10 * 365 * 24 * HOUR;
const BEAT: Duration = Duration::from_millis(200);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A shard on a machine, with a store that outlives it.
struct Desk {
    machine: Arc<FakeMachine>,
    script: Arc<Script>,
    shard: ShardHandle,
}

impl Desk {
    async fn new() -> Self {
        let (machine, script) = (
            Arc::new(FakeMachine::default()),
            Arc::new(Script::default()),
        );
        let shard = serving_by(&script, Clock::of(Arc::clone(&machine) as _)).await;
        Self {
            machine,
            script,
            shard,
        }
    }

    async fn restart(&mut self) {
        self.shard.stop().await;
        let clock = Clock::of(Arc::clone(&self.machine) as _);
        self.shard = serving_by(&self.script, clock).await;
    }

    /// The driver looks at the clocks, and tells how many jobs are where.
    async fn look(&self) -> Counts {
        let read = |ticket| Command::Read {
            ticket,
            scope: Scope::All,
            read: Read::Queues {
                after: None,
                queues_max: 1,
            },
        };
        match self.shard.call(read).await.unwrap().reply {
            Reply::Queues { queues, .. } => queues.first().map(|q| q.counts).unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    /// Time passes while the server runs.
    async fn run(&self, length: Duration) {
        let end = self.shard.now().after(length);
        while self.shard.now() < end {
            self.machine.pass(BEAT.min(end.since(self.shard.now())));
            self.look().await;
        }
    }

    /// Puts a job; tells whether it was put before.
    async fn put(&self, ready_time: Option<Time>, request_id: Option<RequestId>) -> bool {
        let mut job = NewJob::plain(Content::default());
        job.ready_time = ready_time;
        let put = |ticket| {
            Command::Put(Put {
                ticket,
                queue: queue(),
                jobs: vec![job],
                repeatable: request_id.map(|id| Repeatable {
                    id,
                    uuid: id,
                    jobs: JobsHash([7; 16]),
                }),
                until: None,
            })
        };
        match self.shard.call(put).await.unwrap().reply {
            Reply::Put { deduplicated, .. } => deduplicated,
            other => panic!("{other:?}"),
        }
    }

    /// A session with a lease of two seconds on the only job.
    async fn session(&self) -> (SessionLink, SessionId) {
        let mut link = self.shard.link(None);
        let mut id = None;
        let open = |session, ticket| {
            id = Some(session);
            Command::OpenSession(OpenSession {
                ticket,
                session,
                queues: vec![queue()],
                worker: "w".into(),
                flow: Flow {
                    jobs_max: 1,
                    bytes_max: 1,
                },
                lease_duration: secs(2),
                grace: secs(1),
                held: Vec::new(),
                scope: Scope::All,
            })
        };
        link.sender().submit(open).unwrap();
        self.put(None, None).await;
        while !matches!(link.events.recv().await, Some(SessionEvent::Deliver { .. })) {}
        (link, id.expect("it was opened"))
    }

    /// What the wall clock says, as clients are told it.
    fn told(&self) -> u64 {
        self.shard.offset().wall(self.shard.now()).as_millis()
    }
}

#[tokio::test]
async fn a_stopped_server_takes_no_lease_from_a_session_that_is_alive() {
    let desk = Desk::new().await;
    let (_link, session) = desk.session().await;
    desk.run(Duration::from_millis(1_900)).await;
    // The heartbeat lies in a socket while something else comes first.
    desk.machine.pass(Duration::from_millis(3_500));
    assert_eq!(desk.look().await.leased, 1);
    desk.shard.tell(Command::Heartbeat { session });
    desk.run(Duration::from_millis(1_900)).await;
    assert_eq!(desk.look().await.leased, 1);
    desk.run(secs(1)).await;
    assert_eq!(desk.look().await.leased, 0, "it was silent for too long");
}

#[tokio::test]
async fn many_short_stalls_take_no_lease_from_a_session_that_is_alive() {
    let desk = Desk::new().await;
    let (_link, session) = desk.session().await;
    for _ in 0..20 {
        desk.machine.pass(Duration::from_millis(900));
        assert_eq!(desk.look().await.leased, 1);
        desk.shard.tell(Command::Heartbeat { session });
        desk.machine.pass(Duration::from_millis(100));
        assert_eq!(desk.look().await.leased, 1);
    }
}

#[tokio::test]
async fn a_silent_session_ends_also_on_a_server_that_stalls_all_the_time() {
    let desk = Desk::new().await;
    let (_link, _) = desk.session().await;
    let mut looks = 0;
    while desk.look().await.leased > 0 {
        desk.machine.pass(Duration::from_millis(900));
        looks += 1;
        assert!(looks < 20, "it never ends");
    }
}

#[tokio::test]
async fn a_stall_ends_no_call_that_waits() {
    let desk = Desk::new().await;
    let waiting = get(&desk.shard, secs(5));
    desk.look().await;
    desk.machine.pass(secs(10));
    desk.look().await;
    desk.run(secs(4)).await;
    desk.put(None, None).await;
    got(waiting).await;
}

#[tokio::test]
async fn a_stall_ends_no_call_that_had_just_come() {
    let desk = Desk::new().await;
    let begun = desk.script.begun();
    desk.script.set(|state| state.held = true);
    let mut blocks = Box::pin(desk.put(None, None));
    assert!(futures_poll(blocks.as_mut()).await.is_none());
    desk.script.wait_begun(begun + 1);
    let (first, second) = (get(&desk.shard, secs(5)), get(&desk.shard, secs(5)));
    desk.machine.pass(secs(10));
    desk.script.set(|state| state.held = false);
    blocks.await;
    got(first).await;
    desk.run(secs(4)).await;
    desk.put(None, None).await;
    got(second).await;
}

#[tokio::test]
async fn the_record_of_a_stall_is_not_followed_by_another() {
    let desk = Desk::new().await;
    let (_link, _) = desk.session().await;
    let begun = desk.script.begun();
    desk.machine.pass(secs(5));
    desk.look().await;
    assert_eq!(desk.script.begun(), begun + 1);
    desk.look().await;
    assert_eq!(desk.script.begun(), begun + 1);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_changes_no_delay_and_no_wait_and_forgets_nothing() {
    for wrong in [HOUR, -HOUR, YEARS_10, -YEARS_10] {
        let desk = Desk::new().await;
        let id = Some(RequestId(7));
        let ready_time = Some(desk.shard.now().after(secs(60)));
        desk.put(ready_time, id).await;
        let waiting = get(&desk.shard, secs(50));
        desk.machine.set_wall(wrong);
        desk.run(secs(30)).await;
        assert!(desk.put(ready_time, id).await, "it was put before");
        assert_eq!(desk.look().await.scheduled, 1);
        desk.put(None, None).await;
        got(waiting).await;
        desk.run(secs(31)).await;
        assert_eq!(desk.look().await.scheduled, 0, "after its delay");
    }
}

#[tokio::test]
async fn a_wall_clock_that_was_wrong_for_a_moment_leaves_no_trace() {
    let mut desk = Desk::new().await;
    for wrong in [YEARS_10, -YEARS_10, HOUR] {
        desk.put(Some(desk.shard.now().after(secs(30 * 24 * 3600))), None)
            .await;
        desk.machine.set_wall(wrong);
        desk.run(Duration::from_millis(1_500)).await;
        desk.put(None, None).await;
        desk.machine.set_wall(-wrong);
        let told = desk.told();
        desk.restart().await;
        assert_eq!(desk.told(), told);
        assert_eq!(desk.shard.wall_ahead(), 0);
    }
    assert_eq!(desk.look().await.scheduled, 3);
}

#[tokio::test]
async fn a_wall_clock_that_stays_is_followed_in_what_is_told_also_after_a_restart() {
    for set in [HOUR, -HOUR] {
        let mut desk = Desk::new().await;
        let (server, told) = (desk.shard.now(), desk.told());
        desk.machine.set_wall(set);
        desk.run(secs(12)).await;
        let right = told.saturating_add_signed(set) + 12_000;
        assert_eq!((desk.told(), desk.shard.wall_ahead()), (right, 0));
        assert_eq!(desk.shard.now(), server.after(secs(12)));
        desk.restart().await;
        assert_eq!((desk.told(), desk.shard.wall_ahead()), (right, 0));
        desk.machine.reboot();
        desk.restart().await;
        assert_eq!((desk.told(), desk.shard.wall_ahead()), (right, 0));
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_days_away_is_not_followed() {
    for set in [YEARS_10, -YEARS_10] {
        let desk = Desk::new().await;
        let told = desk.told();
        desk.machine.set_wall(set);
        desk.run(secs(20)).await;
        assert_eq!((desk.told(), desk.shard.wall_ahead()), (told + 20_000, set));
    }
}

#[tokio::test]
async fn the_time_that_the_server_was_down_counts_for_delays() {
    let mut desk = Desk::new().await;
    desk.put(Some(desk.shard.now().after(secs(60))), None).await;
    desk.shard.stop().await;
    desk.machine.pass(secs(61));
    desk.machine.set_wall(-HOUR);
    desk.restart().await;
    desk.look().await;
    assert_eq!(desk.look().await.ready, 1);
}
