//! TLS: who is let in, and certificates that are replaced while the server runs.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use leaseq_server::RunningServer;
use leaseq_server::config::Config;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use support::{Connection, KEY, config_with_key, start};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

const INFO: &str = "/leaseq.v1.AdminService/GetServerInfo";
const WITH_KEY: &[(&str, &str)] = &[("authkey", KEY)];

/// An authority, as PEM.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `name` and its key, as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

struct Files {
    _dir: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
}

impl Files {
    fn new(server: &(String, String), clients: &Authority) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
            client_ca: dir.path().join("ca.pem"),
            _dir: dir,
        };
        files.write(server);
        fs::write(&files.client_ca, &clients.pem).unwrap();
        files
    }

    fn write(&self, (cert, key): &(String, String)) {
        fs::write(&self.cert, cert).unwrap();
        fs::write(&self.key, key).unwrap();
    }

    async fn start(&self, ask_clients: bool) -> RunningServer {
        let mut config: Config = config_with_key();
        config.tls.cert = Some(self.cert.clone());
        config.tls.key = Some(self.key.clone());
        config.tls.client_ca = ask_clients.then(|| self.client_ca.clone());
        config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
        start(config).await
    }

    /// The configuration of this server as a probe on the same machine reads it.
    fn as_configured(&self, server: &RunningServer) -> Config {
        let mut config = config_with_key();
        config.tls.cert = Some(self.cert.clone());
        config.admin_listen = server.admin_addr();
        config
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

async fn connect(
    addr: SocketAddr,
    authority: &Authority,
    name: &'static str,
    own: Option<&(String, String)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&authority.pem).remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder
                .with_client_auth_cert(certificates(cert), key)
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_gets_in_with_its_key() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue("localhost"), &authority);
    let server = files.start(false).await;
    let stream = connect(server.grpc_addr(), &authority, "localhost", None)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connection = Connection::over(stream).await;
    assert_eq!(connection.code(INFO, WITH_KEY).await, Code::Ok);
    let answer = connection.answer_to_head(INFO, &[]).await;
    assert_eq!(answer.code, Code::Unauthenticated);

    let plain = support::wire::Wire::open(server.grpc_addr()).await;
    plain.closed().await;
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_get_in_and_still_need_a_key() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let files = Files::new(&servers.issue("localhost"), &clients);
    let server = files.start(true).await;
    let addr = server.grpc_addr();

    let known = clients.issue("worker");
    let stream = connect(addr, &servers, "localhost", Some(&known))
        .await
        .unwrap();
    let connection = Connection::over(stream).await;
    assert_eq!(connection.code(INFO, WITH_KEY).await, Code::Ok);
    let answer = connection.answer_to_head(INFO, &[]).await;
    assert_eq!(answer.code, Code::Unauthenticated);

    let stranger = Authority::new().issue("worker");
    for own in [None, Some(&stranger)] {
        // In TLS 1.3 the client is done before the server has said no.
        if let Ok(stream) = connect(addr, &servers, "localhost", own).await {
            let refused = match h2::client::handshake(stream).await {
                Ok((_, connection)) => connection.await.is_err(),
                Err(_) => true,
            };
            assert!(refused);
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_old_ones_go_on() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue("old.example"), &authority);
    let server = files.start(false).await;
    let addr = server.grpc_addr();
    let old = connect(addr, &authority, "old.example", None)
        .await
        .unwrap();
    let old = Connection::over(old).await;
    assert_eq!(old.code(INFO, WITH_KEY).await, Code::Ok);

    // One that does not fit its key is not used.
    let (cert, _) = authority.issue("broken.example");
    let (_, other_key) = authority.issue("broken.example");
    files.write(&(cert, other_key));
    server.reload();
    assert!(connect(addr, &authority, "old.example", None).await.is_ok());

    files.write(&authority.issue("new.example"));
    while connect(addr, &authority, "new.example", None)
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(old.code(INFO, WITH_KEY).await, Code::Ok);
}

#[tokio::test]
async fn a_local_probe_needs_no_authority_and_no_client_certificate() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue("queue.example"), &authority);
    let server = files.start(true).await;
    let config = files.as_configured(&server);
    assert!(leaseq_server::is_ready(&config).await.unwrap());
}

#[tokio::test]
async fn a_local_probe_without_an_admin_port_says_why_it_cannot_ask() {
    let refused = leaseq_server::is_ready(&config_with_key())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("admin_listen"), "{refused}");
}
