//! Certificates, by rustls with ring; read again when they change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Tls};

/// Certificates cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{option} {}: {what}", path.display())]
pub struct TlsError {
    option: &'static str,
    path: PathBuf,
    what: String,
}

/// What a client is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// HTTP/2; a client certificate if `tls.client_ca` is set.
    Grpc,
    /// HTTP/1; no client certificate, because probes and scrapers have none.
    Admin,
}

impl Config {
    /// Whether the admin port uses TLS. On loopback it does not: the browser and curl of this
    /// machine do not know the server's certificate.
    pub(crate) fn is_admin_port_encrypted(&self) -> bool {
        let beyond_loopback = |addr: SocketAddr| !addr.ip().is_loopback();
        self.tls.cert.is_some() && self.admin_listen.is_some_and(beyond_loopback)
    }
}

/// The files that the configuration names.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// The files, if TLS is on.
    pub(crate) fn of(tls: &Tls) -> Option<Self> {
        Some(Self {
            cert: tls.cert.clone()?,
            key: tls.key.clone()?,
            client_ca: tls.client_ca.clone(),
        })
    }

    /// Of the contents of all files: tells whether one has changed. `None`: one
    /// cannot be read.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        let mut digest = Sha256::new();
        for path in [&self.cert, &self.key].into_iter().chain(&self.client_ca) {
            digest.update(Sha256::digest(std::fs::read(path).ok()?));
        }
        Some(digest.finalize().into())
    }

    pub(crate) fn load(&self, protocol: Protocol) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = certificates("tls.cert", &self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| wrong("tls.key", &self.key, &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("tls.cert", &self.cert, &error))?;
        let builder = match &self.client_ca {
            Some(path) if protocol == Protocol::Grpc => {
                let mut roots = RootCertStore::empty();
                for authority in certificates_of_authorities(path)? {
                    roots
                        .add(authority)
                        .map_err(|error| wrong("tls.client_ca", path, &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .map_err(|error| wrong("tls.client_ca", path, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| wrong("tls.cert", &self.cert, &error))?;
        // gRPC clients refuse a server that does not agree on h2.
        config.alpn_protocols = match protocol {
            Protocol::Grpc => vec![b"h2".to_vec()],
            Protocol::Admin => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }
}

fn certificates_of_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates("tls.client_ca", path)
}

fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(option, path, &error))?;
    if certificates.is_empty() {
        return Err(wrong(option, path, &"there is no certificate (PEM) in it"));
    }
    Ok(certificates)
}

fn wrong(option: &'static str, path: &Path, what: &dyn std::fmt::Display) -> TlsError {
    TlsError {
        option,
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// The certificates in use. Cheap to clone; all clones see a replacement.
#[derive(Clone, Debug)]
pub(crate) struct TlsState(Arc<RwLock<Arc<ServerConfig>>>);

impl TlsState {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// For new connections; those there are go on with what they have.
    pub(crate) fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}
