//! What keeps a server from starting is said in one sentence: what, where, and
//! what to do.

mod support;

use std::fs;
use std::time::Duration;

use leaseq_server::Server;
use leaseq_server::config::{Config, StoreKind};
use support::{Connection, KEY, config, config_with_key, start};
use tonic::Code;

async fn refused(config: Config) -> String {
    match Server::new(config).start().await {
        Ok(_) => panic!("it started"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            text
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_flag_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let grpc = refused(Config {
        listen: addr,
        ..config()
    })
    .await;
    let expected =
        format!("the gRPC port {addr} is taken by another process; choose another with --listen");
    assert_eq!(grpc, expected);
    let admin = refused(Config {
        admin_listen: Some(addr),
        ..config()
    })
    .await;
    assert!(
        admin.starts_with(&format!("the admin port {addr} is taken")),
        "{admin}"
    );
    assert!(admin.ends_with("--admin-listen"), "{admin}");
}

#[tokio::test]
async fn an_address_of_others_needs_a_key_and_tls() {
    let public = Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..config()
    };
    assert!(refused(public.clone()).await.contains("no authkey"));
    let with_key = Config {
        authkey: Some(KEY.into()),
        ..public
    };
    assert!(refused(with_key).await.contains("--insecure-plaintext"));
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Config {
        store: StoreKind::Journal,
        data: dir.path().join("data"),
        ..config()
    };
    let server = start(journal.clone()).await;
    let error = refused(journal.clone()).await;
    assert!(error.contains("in use by another process"), "{error}");
    assert!(
        error.contains(&journal.data.display().to_string()),
        "{error}"
    );
    // The one that has it is not disturbed.
    let connection = Connection::open(server.grpc_addr()).await;
    let code = connection
        .code("/leaseq.v1.AdminService/GetServerInfo", &[])
        .await;
    assert_eq!(code, Code::Ok);
}

#[tokio::test]
async fn a_directory_that_has_lost_its_newest_files_needs_a_word_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Config {
        store: StoreKind::Journal,
        data: dir.path().to_owned(),
        ..config()
    };
    let server = start(journal.clone()).await;
    server.shutdown(Duration::ZERO).await.unwrap();
    fs::remove_file(dir.path().join("0000000001.seg")).unwrap();
    let server = Server::new(journal.clone()).start().await.unwrap();
    let error = server.ready().await.unwrap_err().to_string();
    assert!(error.contains("0000000001.seg"), "what is missing: {error}");
    assert!(error.contains("--accept-loss"), "how to go on: {error}");
    server.shutdown(Duration::ZERO).await.unwrap_err();
    let accepted = Config {
        accept_loss: true,
        ..journal
    };
    start(accepted).await;
}

#[tokio::test]
async fn a_key_that_can_be_guessed_is_refused_unless_it_is_for_development() {
    let short = Config {
        authkey: Some("dev".into()),
        ..config()
    };
    let error = refused(short.clone()).await;
    assert!(error.contains("the authkey has 3 characters"), "{error}");
    let server = Server::new(short)
        .allow_short_authkey()
        .start()
        .await
        .unwrap();
    server.ready().await.unwrap();
    let connection = Connection::open(server.grpc_addr()).await;
    let info = "/leaseq.v1.AdminService/GetServerInfo";
    assert_eq!(connection.code(info, &[("authkey", "dev")]).await, Code::Ok);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.toml");
    let error = refused(Config {
        keys_file: Some(missing.clone()),
        ..config()
    })
    .await;
    let named = missing.display().to_string();
    assert!(
        error.contains(&named) && error.contains("cannot be read"),
        "{error}"
    );

    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "no certificate").unwrap();
    let mut config = config_with_key();
    config.tls.cert = Some(empty.clone());
    config.tls.key = Some(empty);
    let error = refused(config).await;
    assert!(
        error.starts_with("tls.cert") && error.contains("empty.pem"),
        "{error}"
    );
}
