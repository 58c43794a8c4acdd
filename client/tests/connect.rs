//! What a client says and does when its server is not there, not yet, or not for it.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use leaseq_client::{Client, Error};
use support::port::free_port;
use support::{Proxy, TestServer, builder};

/// An address at which nothing listens.
fn nowhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let server = TestServer::start().await;
    let addr = nowhere();
    let client = builder(addr).wait_forever().build().unwrap();
    let put = tokio::spawn(client.put("jobs", "early").into_future());
    // The first attempt has been refused when a second client says so.
    let refused = builder(addr).fail_fast().connect().await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }));
    let _proxy = Proxy::at(addr, server.addr).await;
    put.await.unwrap().unwrap();
    let job = server
        .client()
        .get_one("jobs", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.text().unwrap(), "early");
}

#[tokio::test]
async fn failing_fast_says_where_and_why() {
    let addr = nowhere();
    let error = builder(addr).fail_fast().connect().await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("leaseq at {addr} does not answer (")),
        "{said}"
    );
    assert!(error.is_unreachable());
}

#[tokio::test]
async fn patience_has_an_end() {
    let addr = nowhere();
    let client = builder(addr)
        .connect_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    assert!(client.put("jobs", "x").await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_told_at_once() {
    let server = TestServer::start().await;
    let wrong = builder(server.addr)
        .authkey("not-the-key-of-this-server")
        .wait_forever();
    let error = wrong.connect().await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
    assert!(error.is_auth());
    let missing = Client::builder()
        .address(server.addr.to_string())
        .wait_forever();
    let error = missing.connect().await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_named() {
    let server = TestServer::start().await;
    let client = Client::builder()
        .address(format!("https://{}", server.addr))
        .fail_fast();
    let error = client.connect().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
}
