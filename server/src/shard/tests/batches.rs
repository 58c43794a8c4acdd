//! How much is made durable at once.

use super::*;

/// Puts `jobs` four times while a batch is being made durable, and once before: gives how
/// many jobs and bytes of content each batch has.
async fn batches_of(jobs: Vec<NewJob>) -> Vec<(usize, usize)> {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    // With its answer the batch of the start is behind us.
    assert!(put(&shard, "").await.is_ok());
    let begun = script.begun();
    script.set(|state| state.held = true);
    let mut first = Box::pin(put(&shard, ""));
    assert!(futures_poll(first.as_mut()).await.is_none());
    script.wait_begun(begun + 1);
    let mut waiting: Vec<_> = (0..4)
        .map(|_| Box::pin(put_all(&shard, jobs.clone())))
        .collect();
    for put in &mut waiting {
        assert!(futures_poll(put.as_mut()).await.is_none());
    }
    script.set(|state| state.held = false);
    assert!(first.await.is_ok());
    for put in waiting {
        assert!(put.await.is_ok());
    }
    let state = script.state.lock().unwrap();
    let size_of = |batch: &Batch| {
        let puts = batch.transitions.iter().filter_map(|it| match it {
            Transition::JobsAdded { sizes, .. } => Some(sizes),
            _ => None,
        });
        puts.fold((0, 0), |(jobs, bytes), sizes| {
            (
                jobs + sizes.count() as usize,
                bytes + sizes.total() as usize,
            )
        })
    };
    state.batches.iter().map(size_of).collect()
}

/// Those who come first do not wait for all that has gathered behind them.
#[tokio::test]
async fn a_batch_is_closed_at_a_number_of_jobs() {
    let half = ShardOptions::default().batch_jobs_max / 2;
    let batches = batches_of(vec![NewJob::plain(Content::default()); half]).await;
    assert_eq!(
        batches.iter().map(|(jobs, _)| jobs).sum::<usize>(),
        2 + 4 * half
    );
    assert!(
        batches.iter().all(|(jobs, _)| *jobs <= 2 * half),
        "{batches:?}"
    );
}

/// It has to fit a segment of the journal, whatever gathers.
#[tokio::test]
async fn a_batch_is_closed_at_a_number_of_bytes() {
    let half = ShardOptions::default().batch_bytes_max / 2;
    let content = Content {
        payload: vec![7; half].into(),
        ..Content::default()
    };
    let batches = batches_of(vec![NewJob::plain(content)]).await;
    assert_eq!(
        batches.iter().map(|(_, bytes)| bytes).sum::<usize>(),
        4 * half
    );
    assert!(
        batches.iter().all(|(_, bytes)| *bytes <= 2 * half),
        "{batches:?}"
    );
}
