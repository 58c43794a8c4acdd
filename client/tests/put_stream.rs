//! Puts on a stream: each job once, in order, whatever happens to the connection.

mod support;

use std::time::Duration;

use leaseq_client::{Client, Error, Master, QueueSettings};
use support::{AUTHKEY, TestServer, builder, stats, through};

/// All payloads of a queue in the order in which they are leased.
async fn payloads(client: &Client, queue: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    loop {
        let jobs = client
            .get(queue)
            .max_jobs(1000)
            .auto_complete()
            .await
            .unwrap();
        if jobs.is_empty() {
            return payloads;
        }
        payloads.extend(jobs.iter().map(|job| job.text().unwrap().to_owned()));
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn over_broken_connections_every_job_is_there_once_and_in_order() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    // Every connection breaks somewhere in a request or in an answer.
    proxy.cut_after(30_000);
    let puts = through(&proxy).put_stream();
    for number in numbers(3000) {
        puts.put("numbers", number).await.unwrap();
    }
    puts.finish().await.unwrap();
    assert!(
        proxy.connections() > 3,
        "{} connections",
        proxy.connections()
    );
    assert_eq!(payloads(&server.client(), "numbers").await, numbers(3000));
}

#[tokio::test]
async fn single_puts_over_broken_connections_are_not_doubled() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    proxy.cut_after(6_000);
    let client = through(&proxy);
    for number in numbers(200) {
        client.put("numbers", number).await.unwrap();
    }
    assert!(
        proxy.connections() > 2,
        "{} connections",
        proxy.connections()
    );
    assert_eq!(payloads(&server.client(), "numbers").await, numbers(200));
}

#[tokio::test]
async fn a_master_puts_any_number_of_jobs_and_has_their_ids_in_order() {
    let server = TestServer::start().await;
    let master = Master::new(&server.client());
    let ids = master.put_all("numbers", numbers(2500)).await.unwrap();
    assert_eq!(ids.len(), 2500);
    let client = server.client();
    let first = client.get_job_full(&ids[0]).await.unwrap();
    let last = client.get_job_full(&ids[2499]).await.unwrap();
    assert_eq!(
        (&first.payload[..], &last.payload[..]),
        (&b"0"[..], &b"2499"[..])
    );
    assert_eq!(stats(&client, "numbers").await.ready, 2500);
}

#[tokio::test]
async fn a_refused_put_does_not_stop_the_others_and_finish_tells_it() {
    let server = TestServer::start().await;
    let puts = server.client().put_stream();
    puts.put("fine", "1").await.unwrap();
    puts.put("not a queue's name", "2").await.unwrap();
    let third = puts.put("fine", "3").await.unwrap();
    assert!(!third.await.unwrap().as_str().is_empty());
    let error = puts.finish().await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    assert_eq!(payloads(&server.client(), "fine").await, ["1", "3"]);
}

#[tokio::test]
async fn an_awaited_refusal_is_told_once() {
    let server = TestServer::start().await;
    let puts = server.client().put_stream();
    let ticket = puts.put("not a queue's name", "").await.unwrap();
    assert!(ticket.await.is_err());
    puts.finish().await.unwrap();
}

#[tokio::test]
async fn a_stream_waits_for_room_in_a_full_queue() {
    let server = TestServer::start().await;
    let client = server.client();
    let settings = QueueSettings {
        max_jobs: Some(2),
        ..QueueSettings::default()
    };
    client.create_queue("small", settings).await.unwrap();
    let puts = client.put_stream().wait(Duration::from_secs(60));
    for number in numbers(10) {
        puts.put("small", number).await.unwrap();
    }
    let (put, got) = tokio::join!(puts.finish(), async {
        let mut got = Vec::new();
        while got.len() < 10 {
            let get = client
                .get("small")
                .auto_complete()
                .wait(Duration::from_secs(60));
            got.extend(
                get.await
                    .unwrap()
                    .iter()
                    .map(|job| job.text().unwrap().to_owned()),
            );
        }
        got
    });
    put.unwrap();
    assert_eq!(got, numbers(10));
}

#[tokio::test]
async fn a_wrong_key_breaks_the_stream_for_good() {
    let server = TestServer::start().await;
    let client = builder(server.addr)
        .authkey("not-the-key-of-this-server")
        .build()
        .unwrap();
    assert_ne!(AUTHKEY, "not-the-key-of-this-server");
    let puts = client.put_stream();
    let ticket = puts.put("numbers", "1").await.unwrap();
    assert!(matches!(ticket.await, Err(Error::Unauthenticated { .. })));
    assert!(matches!(
        puts.put("numbers", "2").await,
        Err(Error::Unauthenticated { .. })
    ));
}
