//! Sessions that wait for jobs that do not come: what each costs in memory and processor time.

use std::time::Duration;

use leaseq_client::{Client, Flow, Session};
use tokio::task::JoinSet;

use crate::failure::{Failure, Result};
use crate::leaseq::client;
use crate::measured::{Extra, Measured};
use crate::turn::Bench;
use crate::usage::{self, Usage};

/// File descriptors are few, so sessions share connections, below the server's usual limit of
/// calls on one.
const SESSIONS_PER_CONNECTION: usize = 200;
/// After the last session is open, what opening left behind has time to go.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Opens `sessions`, lets them wait for `duration`.
pub(crate) async fn turn(bench: &Bench, sessions: usize, duration: Duration) -> Result<Measured> {
    let limit = sessions + 1;
    let flags = format!("--admin-listen off --limits-sessions {limit}");
    let server = bench.leaseq.serve(&bench.data, &flags).await?;
    let addr = server.place().addr();
    client(&addr)?.server_info().await?;
    let before = usage::memory(server.pid());

    let mut waiting = JoinSet::new();
    let mut connection = client(&addr)?;
    for at in 0..sessions {
        if at % SESSIONS_PER_CONNECTION == 0 {
            connection = client(&addr)?;
        }
        let session = open(&connection).await?;
        waiting.spawn(wait(session));
    }
    tokio::time::sleep(SETTLE_TIME).await;

    let start = Usage::of(server.pid());
    tokio::time::sleep(duration).await;
    let end = Usage::of(server.pid());
    let memory = usage::memory(server.pid());
    let lost = std::iter::from_fn(|| waiting.try_join_next()).count();
    let seconds = (end.at - start.at).as_secs_f64();
    let each = |value: f64| Some(value / sessions as f64);
    Ok(Measured {
        seconds,
        server_memory_bytes: Some(memory),
        errors: lost as u64,
        first_error: (lost > 0).then(|| "a session ended".to_owned()),
        extra: Extra {
            sessions: Some(sessions as u64),
            memory_bytes_per_session: each(memory.saturating_sub(before) as f64),
            cpu_us_per_session_s: each((end.cpu - start.cpu).as_secs_f64() * 1e6 / seconds),
            ..Extra::default()
        },
        ..Measured::default()
    })
}

async fn open(client: &Client) -> Result<Session> {
    let opening = client.session("idle").worker("idle").flow(Flow::jobs(1));
    opening.open().await.map_err(Failure::from)
}

/// Gives signs of life until the session ends, which it should not.
async fn wait(mut session: Session) {
    while let Ok(Some(_)) = session.next().await {}
}
