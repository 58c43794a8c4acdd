//! Queues are resources: created, looked at, listed, changed, paused, deleted.

use leaseq_proto::v1::{
    CreateQueueRequest, DeleteQueueRequest, GetQueueRequest, GetServerInfoRequest,
    ListQueuesRequest, PauseQueueRequest, Queue as QueueProto, ResumeQueueRequest,
    UpdateQueueRequest,
};
use tonic::Code;

use crate::support::*;

fn named(name: &str) -> QueueProto {
    QueueProto {
        name: name.to_owned(),
        ..QueueProto::default()
    }
}

async fn create(admin: &mut Admin, queue: QueueProto) -> QueueProto {
    let request = CreateQueueRequest { queue: Some(queue) };
    admin
        .create_queue(request)
        .await
        .unwrap()
        .into_inner()
        .queue
        .unwrap()
}

async fn look(admin: &mut Admin, name: &str) -> QueueProto {
    let queue = name.to_owned();
    let answer = admin.get_queue(GetQueueRequest { queue }).await.unwrap();
    answer.into_inner().queue.unwrap()
}

#[tokio::test]
async fn a_created_queue_has_its_settings_and_the_defaults() {
    let harness = Harness::start().await;
    let mut admin = harness.admin();
    let queue = QueueProto {
        max_jobs: 7,
        ..named("numbers")
    };
    let created = create(&mut admin, queue).await;
    assert_eq!((created.max_jobs, created.max_attempts), (7, 20));
    assert_eq!(created.lease_duration, millis(30_000));
    assert_eq!(created.retry.unwrap().initial_delay, millis(1_000));
    assert!(!created.etag.is_empty() && created.create_time.is_some());
    assert_eq!(look(&mut admin, "numbers").await.etag, created.etag);
    let again = CreateQueueRequest {
        queue: Some(named("numbers")),
    };
    let exists = admin.create_queue(again).await.unwrap_err();
    assert_eq!(
        refusal(&exists),
        (Code::AlreadyExists, "QUEUE_EXISTS".to_owned())
    );
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_checks_the_etag() {
    let harness = Harness::start().await;
    let mut admin = harness.admin();
    let created = create(
        &mut admin,
        QueueProto {
            max_jobs: 7,
            ..named("numbers")
        },
    )
    .await;
    let update = |queue, paths: &[&str]| UpdateQueueRequest {
        queue: Some(queue),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let new = QueueProto {
        max_attempts: 3,
        max_jobs: 0,
        etag: created.etag.clone(),
        ..named("numbers")
    };
    let answer = admin
        .update_queue(update(new.clone(), &["max_attempts"]))
        .await
        .unwrap();
    let updated = answer.into_inner().queue.unwrap();
    assert_eq!((updated.max_attempts, updated.max_jobs), (3, 7));
    assert_ne!(updated.etag, created.etag);

    let stale = admin
        .update_queue(update(new, &["max_jobs"]))
        .await
        .unwrap_err();
    assert_eq!(refusal(&stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let named_but_unset = update(named("numbers"), &["max_jobs"]);
    let answer = admin.update_queue(named_but_unset).await.unwrap();
    assert_eq!(
        answer.into_inner().queue.unwrap().max_jobs,
        0,
        "no bound again"
    );
}

#[tokio::test]
async fn queues_are_listed_by_name_a_page_at_a_time() {
    let harness = Harness::start().await;
    let mut admin = harness.admin();
    for name in ["c", "a", "e", "b", "d"] {
        create(&mut admin, named(name)).await;
    }
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListQueuesRequest {
            page_size: 2,
            page_token,
        };
        let page = admin.list_queues(request).await.unwrap().into_inner();
        assert!(page.queues.len() <= 2);
        names.extend(page.queues.into_iter().map(|queue| queue.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_paused_queue_takes_jobs_and_gives_none() {
    let harness = Harness::start().await;
    let (mut client, mut admin) = (harness.queue(), harness.admin());
    put(&mut client, "numbers", [job("1")]).await;
    let leased = next(&mut client, "numbers").await;
    let queue = || "numbers".to_owned();
    let paused = admin
        .pause_queue(PauseQueueRequest { queue: queue() })
        .await
        .unwrap();
    assert!(paused.into_inner().queue.unwrap().paused);
    put(&mut client, "numbers", [job("2")]).await;
    assert_eq!(get(&mut client, "numbers", 1).await, []);
    settle_one(&mut client, &leased, complete("")).await;
    let mut waiting = harness.other().await;
    let waiting = tokio::spawn(async move { next(&mut waiting, "numbers").await });
    let resumed = admin
        .resume_queue(ResumeQueueRequest { queue: queue() })
        .await
        .unwrap();
    assert!(!resumed.into_inner().queue.unwrap().paused);
    assert_eq!(texts(&[waiting.await.unwrap()]), ["2"]);
}

#[tokio::test]
async fn a_queue_with_jobs_is_deleted_only_by_force() {
    let harness = Harness::start().await;
    let (mut client, mut admin) = (harness.queue(), harness.admin());
    put(
        &mut client,
        "numbers",
        (0..1000).map(|n| job(n.to_string())),
    )
    .await;
    put(&mut client, "numbers", (0..500).map(|n| job(n.to_string()))).await;
    let leased = next(&mut client, "numbers").await;
    let delete = |force| DeleteQueueRequest {
        queue: "numbers".to_owned(),
        force,
    };
    let refused = admin.delete_queue(delete(false)).await.unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::FailedPrecondition, "QUEUE_NOT_EMPTY".to_owned())
    );
    let deleted = admin.delete_queue(delete(true)).await.unwrap().into_inner();
    assert_eq!(deleted.job_count, 1500);
    let reasons = settle(&mut client, [(leased.lease_token, complete(""))]).await;
    assert_eq!(reasons, ["LEASE_LOST"]);
    let gone = admin.delete_queue(delete(true)).await.unwrap_err();
    assert_eq!(
        refusal(&gone),
        (Code::NotFound, "QUEUE_NOT_FOUND".to_owned())
    );
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let harness = Harness::with(|config| config.limits.batch_jobs_max = 77).await;
    let answer = harness
        .admin()
        .get_server_info(GetServerInfoRequest {})
        .await;
    let info = answer.unwrap().into_inner();
    assert_eq!((&*info.store, &*info.sync), ("journal", "always"));
    assert_eq!(info.limits.unwrap().batch_jobs_max, 77);
    assert!(info.auto_create_queues && !info.version.is_empty());
}
