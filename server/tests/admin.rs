//! The admin port: what is there, and who may look.

mod support;

use std::time::Duration;

use leaseq_proto::v1::{NewJob, PutRequest};
use leaseq_server::RunningServer;
use leaseq_server::config::Config;
use support::{Connection, KEY, config_with_key, page, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

const PUT: &str = "/leaseq.v1.QueueService/Put";
const WITH_KEY: &[(&str, &str)] = &[("authkey", KEY)];

async fn start_with(edit: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config = config_with_key();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    edit(&mut config);
    start(config).await
}

async fn put(server: &RunningServer, queue: &str, jobs: usize) {
    let connection = Connection::open(server.grpc_addr()).await;
    let request = PutRequest {
        queue: queue.to_owned(),
        jobs: vec![NewJob::default(); jobs],
        ..PutRequest::default()
    };
    let (_, answer) = connection.call(PUT, WITH_KEY, request).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
}

#[tokio::test]
async fn metrics_tell_of_queues_calls_limits_and_the_store() {
    let server = start_with(|_| {}).await;
    put(&server, "mail", 3).await;
    let admin = server.admin_addr().unwrap();
    let (code, text) = page(admin, "/metrics", &[]).await;
    assert_eq!(code, 200);
    for line in [
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8",
        "leaseq_build_info{version=\"",
        "leaseq_condition{state=\"serving\"} 1",
        "leaseq_queue_jobs{queue=\"mail\",state=\"ready\"} 3",
        "leaseq_queue_jobs{queue=\"mail\",state=\"dead\"} 0",
        "leaseq_queue_paused{queue=\"mail\"} 0",
        "grpc_server_started_total{grpc_service=\"leaseq.v1.QueueService\",\
         grpc_method=\"Put\",grpc_type=\"unary\"} 1",
        "leaseq_limit{limit=\"limits.payload_bytes\"} 1048576",
        "leaseq_store_batches_committed_total",
        "leaseq_jobs_put_total 3",
        "leaseq_request_ids 0",
        "leaseq_request_id_window_seconds 600",
        "leaseq_jobs_completed_total 0",
        "leaseq_grpc_connections",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // The call has ended when its answer is there, and its connection may have.
    let handled = "grpc_method=\"Put\",grpc_type=\"unary\",grpc_code=\"Ok\"} 1";
    while !page(admin, "/metrics", &[]).await.1.contains(handled) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_limit_that_is_reached_is_counted_under_the_name_of_its_option() {
    let server = start_with(|config| config.limits.payload_bytes_max = 1024).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let request = PutRequest {
        queue: "mail".to_owned(),
        jobs: vec![NewJob::new(vec![0; 2000])],
        ..PutRequest::default()
    };
    let (_, answer) = connection.call(PUT, WITH_KEY, request).await;
    assert_eq!(answer.code, Code::InvalidArgument, "{answer:?}");
    let (_, text) = page(server.admin_addr().unwrap(), "/metrics", &[]).await;
    let line = "leaseq_limit_refusals_total{limit=\"limits.payload_bytes\"}";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn queues_beyond_the_limit_share_a_label() {
    let server = start_with(|config| config.metrics.queues_max = 1).await;
    for queue in ["a", "b", "c"] {
        put(&server, queue, 2).await;
    }
    let (_, text) = page(server.admin_addr().unwrap(), "/metrics", &[]).await;
    assert!(
        text.contains("leaseq_queue_jobs{queue=\"a\",state=\"ready\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("leaseq_queue_jobs{queue=\"__other__\",state=\"ready\"} 4"),
        "{text}"
    );
    assert!(!text.contains("queue=\"b\""), "{text}");
}

#[tokio::test]
async fn the_first_page_is_text_with_the_queues() {
    let server = start_with(|_| {}).await;
    put(&server, "mail", 3).await;
    let (code, text) = page(server.admin_addr().unwrap(), "/", &[]).await;
    assert_eq!(code, 200);
    assert!(text.contains("content-type: text/plain"), "{text}");
    assert!(text.contains("x-content-type-options: nosniff"), "{text}");
    let row = text.lines().find(|line| line.starts_with("mail")).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("3"));
}

#[tokio::test]
async fn a_web_page_under_another_name_reads_nothing() {
    let server = start_with(|_| {}).await;
    let admin = server.admin_addr().unwrap();
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        let (code, text) = page(admin, path, &[("host", "evil.example")]).await;
        assert!(code == 421 && !text.contains("leaseq "), "{text}");
        assert_eq!(
            page(admin, path, &[("host", "localhost:5328")]).await.0,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_can_be_changed_there() {
    let server = start_with(|_| {}).await;
    let admin = server.admin_addr().unwrap();
    assert_eq!(page(admin, "/queues", &[]).await.0, 404);
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(admin).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 405"), "{text}");
}

#[tokio::test]
async fn a_key_with_patterns_sees_its_own_queues_and_failed_keys_are_counted() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[[key]]\nname='all'\nkey='{KEY}'\nroles=['put','read']\n\
         [[key]]\nname='mine'\nkey='the-key-of-one-team'\nroles=['read']\nqueues=['mine.*']\n\
         [[key]]\nname='works'\nkey='the-key-of-a-worker'\nroles=['work']\n"
    );
    std::fs::write(keys.path(), text).unwrap();
    let server = start(Config {
        keys_file: Some(keys.path().to_owned()),
        // Not on loopback, where no key is asked for.
        admin_listen: Some("0.0.0.0:0".parse().unwrap()),
        insecure_plaintext: true,
        ..support::config()
    })
    .await;
    put(&server, "mine.a", 1).await;
    put(&server, "theirs", 1).await;
    let port = server.admin_addr().unwrap().port();
    let admin = (std::net::Ipv4Addr::LOCALHOST, port).into();
    let look = async |path: &str, key: &str| {
        let bearer = format!("Bearer {key}");
        page(admin, path, &[("authorization", &bearer)]).await
    };
    for path in ["/", "/metrics"] {
        let (code, text) = look(path, KEY).await;
        assert_eq!(code, 200, "{text}");
        assert!(text.contains("mine.a") && text.contains("theirs"), "{text}");
        let (code, text) = look(path, "the-key-of-one-team").await;
        assert_eq!(code, 200, "{text}");
        assert!(
            text.contains("mine.a") && !text.contains("theirs"),
            "{text}"
        );
        assert_eq!(look(path, "the-key-of-a-worker").await.0, 403);
        assert_eq!(look(path, "not-a-key-of-this-server").await.0, 401);
        assert_eq!(page(admin, path, &[]).await.0, 401);
    }
    let (_, text) = look("/metrics", KEY).await;
    for reason in ["key_missing", "key_rejected", "role_missing"] {
        let line = format!("leaseq_auth_failures_total{{reason=\"{reason}\"}} 2");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

/// Connections that send many requests and read no answer.
async fn unread(addr: std::net::SocketAddr, count: usize) -> Vec<tokio::task::JoinHandle<()>> {
    let mut floods = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        floods.push(tokio::spawn(async move {
            let request = format!("GET /healthz HTTP/1.1\r\nhost: {addr}\r\n\r\n");
            while stream.write_all(request.as_bytes()).await.is_ok() {}
            std::future::pending::<()>().await;
        }));
    }
    floods
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_close_the_admin_port() {
    let server = start_with(|config| {
        config.limits.admin_connections_max = 2;
        config.limits.admin_timeout = Duration::from_secs(600);
    })
    .await;
    let admin = server.admin_addr().unwrap();
    let _floods = unread(admin, 2).await;
    // A probe that finds no place is refused until the oldest of them has had its second.
    while probe(admin).await != Some(200) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_to_the_admin_port_has_a_deadline() {
    let server = start_with(|config| {
        config.limits.admin_timeout = Duration::from_millis(50);
        config.limits.handshake_timeout = Duration::from_secs(60);
    })
    .await;
    let mut silent = TcpStream::connect(server.admin_addr().unwrap())
        .await
        .unwrap();
    let mut nothing = Vec::new();
    assert_eq!(silent.read_to_end(&mut nothing).await.unwrap(), 0);
}

/// The status of `/healthz`; `None`: the connection was refused.
async fn probe(addr: std::net::SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
