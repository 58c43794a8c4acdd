//! Asks the server of this machine whether it serves, through its admin port: for a container's
//! HEALTHCHECK. It needs no key, no client certificate and no certificate authority: over TLS it
//! accepts exactly the certificate that the configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Config;

/// Shorter than the three seconds that container runtimes are told to allow.
const TIME_MAX: Duration = Duration::from_secs(2);

/// HTTP/1.0, so that the server closes the connection behind the answer. The admin port answers
/// on loopback only to names of this machine.
const REQUEST: &[u8] = b"GET /readyz HTTP/1.0\r\nhost: localhost\r\n\r\n";

/// No answer that says whether the server serves.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no port to ask.
    #[error("admin_listen is off, and `leaseq health --local` asks the admin port")]
    NoAdminPort,
    /// Nothing answered in time.
    #[error("the admin port {addr} did not answer within 2 s")]
    TooSlow {
        /// The address that was asked.
        addr: SocketAddr,
    },
    /// The connection failed.
    #[error("the admin port {addr} cannot be asked: {source}")]
    Io {
        /// The address that was asked.
        addr: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The certificate file cannot be used.
    #[error("tls.cert {}: {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        what: String,
    },
}

/// Whether the server that `config` describes is running on this machine and serves: `false`
/// while it starts, drains, or has a failed store.
///
/// # Errors
/// When the admin port is off, unreachable, slower than two seconds, or shows another certificate
/// than `tls.cert`.
pub async fn is_ready(config: &Config) -> Result<bool, ProbeError> {
    let addr = from_here(config.admin_listen.ok_or(ProbeError::NoAdminPort)?);
    let certificate = config.tls.cert.as_deref();
    let tls = certificate
        .filter(|_| config.is_admin_port_encrypted())
        .map(connector)
        .transpose()?;
    match timeout(TIME_MAX, ask(addr, tls)).await {
        Ok(answered) => answered.map_err(|source| ProbeError::Io { addr, source }),
        Err(_) => Err(ProbeError::TooSlow { addr }),
    }
}

/// An address to connect to: a port that listens on all addresses is reached by loopback.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(addr: SocketAddr, tls: Option<TlsConnector>) -> std::io::Result<bool> {
    let stream = TcpStream::connect(addr).await?;
    match tls {
        Some(tls) => exchange(tls.connect(ServerName::from(addr.ip()), stream).await?).await,
        None => exchange(stream).await,
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<bool> {
    stream.write_all(REQUEST).await?;
    let mut status = [0; b"HTTP/1.0 200".len()];
    stream.read_exact(&mut status).await?;
    Ok(status.starts_with(b"HTTP/1.") && status.ends_with(b" 200"))
}

fn connector(path: &Path) -> Result<TlsConnector, ProbeError> {
    let wrong = |what: &dyn std::fmt::Display| ProbeError::Certificate {
        path: path.to_owned(),
        what: what.to_string(),
    };
    let certificate = CertificateDer::from_pem_file(path).map_err(|error| wrong(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned {
        certificate,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Accepts one certificate, whatever names it has: it was read from the server's own file. The
/// handshake still proves that the server has its private key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            let other = CertificateError::ApplicationVerificationFailure;
            Err(Error::InvalidCertificate(other))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::net::TcpListener;

    use super::*;
    use crate::tls::{Protocol, TlsFiles};

    #[test]
    fn a_port_on_all_addresses_is_asked_on_loopback() {
        let check = |listen: &str, asked: &str| {
            let listen = listen.parse().expect("an address");
            assert_eq!(from_here(listen).to_string(), asked);
        };
        check("0.0.0.0:5328", "127.0.0.1:5328");
        check("[::]:5328", "[::1]:5328");
        check("10.0.0.7:5328", "10.0.0.7:5328");
    }

    /// Writes a certificate for another name than the address that is asked.
    fn write_certificate(config: &Config) {
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["queue.example".to_owned()]).unwrap();
        let cert = names.self_signed(&key).unwrap();
        std::fs::write(config.tls.cert.as_ref().unwrap(), cert.pem()).unwrap();
        std::fs::write(config.tls.key.as_ref().unwrap(), key.serialize_pem()).unwrap();
    }

    /// What a probe hears from a port that uses the present certificate, serves or not, and has
    /// its certificate file replaced before it is asked if `replaced`.
    async fn probe(status: &'static str, replaced: bool) -> std::io::Result<bool> {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.tls.cert = Some(dir.path().join("cert.pem"));
        config.tls.key = Some(dir.path().join("key.pem"));
        write_certificate(&config);
        let files = TlsFiles::of(&config.tls).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(files.load(Protocol::Admin).unwrap());
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = port.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = port.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = vec![0; REQUEST.len()];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(request, REQUEST);
                stream.write_all(status.as_bytes()).await.unwrap();
            }
        });
        if replaced {
            write_certificate(&config);
        }
        let heard = ask(addr, Some(connector(&config.tls.cert.unwrap()).unwrap())).await;
        serving.await.unwrap();
        heard
    }

    #[tokio::test]
    async fn over_tls_it_accepts_the_configured_certificate_and_no_other() {
        assert!(probe("HTTP/1.0 200 OK\r\n\r\n", false).await.unwrap());
        assert!(
            !probe("HTTP/1.0 503 Service Unavailable\r\n\r\n", false)
                .await
                .unwrap()
        );
        assert!(probe("HTTP/1.0 200 OK\r\n\r\n", true).await.is_err());
    }
}
