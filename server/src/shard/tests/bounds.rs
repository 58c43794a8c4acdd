//! What waits for the shard, and in its outboxes, is bounded.

use super::*;
use crate::config::Config;
use crate::credit::Credits;

#[tokio::test]
async fn while_the_disk_stalls_a_session_has_one_entry_in_the_inbox() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    let link = opened(&shard, None).await;
    let begun = script.begun();
    script.set(|state| state.held = true);
    let mut waiting = Box::pin(put(&shard, "job"));
    assert!(futures_poll(waiting.as_mut()).await.is_none());
    script.wait_begun(begun + 1);
    let sender = link.sender();
    let most = (0..10_000).map(|jobs_max| {
        sender.heartbeat();
        sender.flow(Flow {
            jobs_max,
            bytes_max: 1,
        });
        sender.drain();
        shard.pending()
    });
    assert!(most.max().unwrap() <= 1);
    script.set(|state| state.held = false);
    assert!(waiting.await.is_ok());
}

#[tokio::test]
async fn sessions_that_never_open_leave_nothing_in_the_inbox() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    script.set(|state| state.held = true);
    for _ in 0..10_000 {
        drop(shard.link(None));
    }
    assert!(shard.pending() < 100);
    script.set(|state| state.held = false);
}

#[tokio::test]
async fn a_session_without_credit_ends_and_its_jobs_go_to_others_uncounted() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    let credit = Credits::new(&Config::default().limits).connection();
    let mut link = opened(&shard, Some(credit.clone())).await;
    let _unread = credit.force(1 << 30);
    put(&shard, "kept").await.unwrap();
    let SessionEvent::Failed(refusal) = link.events.recv().await.unwrap() else {
        panic!("the session ends");
    };
    assert!(matches!(
        refusal,
        Refusal::Overloaded {
            limit: "limits.unread_bytes_per_connection",
            ..
        }
    ));
    let (grant, _) = got(get(&shard, LONG)).await;
    assert_eq!(grant.attempt, 1);
}
