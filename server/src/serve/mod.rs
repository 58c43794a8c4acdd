//! The composition root: the only place that knows all parts. Reads top to bottom
//! as the server is built: rules, keys, certificates, ports, store, shard, layers.

mod engine;
mod error;
mod health;
mod reflection;
mod rules;
mod running;
mod stack;
mod store;
#[cfg(test)]
mod tests;

pub use error::ServeError;
pub use running::RunningServer;
pub(crate) use stack::sync_name;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use leaseq_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::admin::Admin;
use crate::auth::{KeySource, Keyring};
use crate::config::{Config, Limits};
use crate::credit::Credits;
use crate::listener::{Admission, Closing, Listener, OpenFiles, Options};
use crate::os;
use crate::reload::{Reloader, WatchedKeys, WatchedTls};
use crate::shard::{self, Clock, ShardHandle};
use crate::telemetry::{GrpcMetrics, report_suppressed};
use crate::tls::{Protocol, TlsFiles, TlsState};

/// A server that is yet to be started.
pub struct Server {
    config: Config,
    short_authkey: bool,
    store: Option<Box<dyn Store>>,
    clock: Option<Clock>,
}

impl Server {
    /// A server with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            short_authkey: false,
            store: None,
            clock: None,
        }
    }

    /// Lets the authkey be short. For development: refused unless both ports are on
    /// loopback.
    #[must_use]
    pub fn allow_short_authkey(mut self) -> Self {
        self.short_authkey = true;
        self
    }

    /// Remembers jobs in `store` instead of the one that the configuration names.
    #[must_use]
    pub fn with_store(mut self, store: Box<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Goes by this clock instead of that of the machine.
    #[cfg(test)]
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Starts. When this returns, both ports answer; calls are refused with
    /// UNAVAILABLE/RECOVERING until the journal is read, see
    /// [`RunningServer::ready`].
    ///
    /// # Errors
    /// Whatever keeps the server from starting, in one sentence.
    pub async fn start(self) -> Result<RunningServer, ServeError> {
        let config = Arc::new(self.config);
        config.check()?;
        let keys = read_keys(&config, self.short_authkey)?;
        rules::check(&config, &keys.keyring, self.short_authkey)?;
        let tls = read_tls(&config)?;

        let (grpc_socket, grpc_addr) = bind("gRPC", "--listen", config.listen).await?;
        let admin_socket = match config.admin_listen {
            Some(addr) => Some(bind("admin", "--admin-listen", addr).await?),
            None => None,
        };

        let store = match self.store {
            Some(store) => store,
            None => store::open(&config)?,
        };
        let clock = self.clock.unwrap_or_else(Clock::start);
        let shard = shard::start(
            store,
            engine::config(&config),
            engine::options(&config),
            clock,
        )
        .map_err(ServeError::Threads)?;

        let parts = Parts {
            keyring: keys.keyring.clone(),
            credits: Credits::new(&config.limits),
            config,
            metrics: GrpcMetrics::new(),
            shard,
            started: Instant::now(),
            closing: Closing::default(),
        };
        let files = open_files(&parts);
        let mut tasks = vec![tokio::spawn(report_suppressed())];
        let stack = stack::build(&parts)?;
        let listener = Listener::new(
            grpc_socket,
            Admission::grpc(&parts.config.limits, parts.metrics.clone()),
            files.clone(),
            Options::new(
                &parts.config.limits,
                &parts.config.http2,
                tls.state(Protocol::Grpc),
                &parts.metrics,
            ),
            parts.credits.clone(),
            parts.metrics.clone(),
        );
        let connections = tokio::spawn(listener.run(stack, parts.closing.clone()));
        let admin_addr = admin_socket.as_ref().map(|(_, addr)| *addr);
        if let Some((socket, addr)) = admin_socket {
            let admin = Admin::new(&parts, addr, files.for_admin());
            tasks.push(tokio::spawn(admin.run(socket, tls.state(Protocol::Admin))));
        }
        let reload = Arc::new(Notify::new());
        let reloader = Reloader::new(keys, tls.watched, Arc::clone(&reload));
        tasks.push(tokio::spawn(reloader.run()));

        announce(&parts, grpc_addr, admin_addr);
        warn_of_open_files(&parts.config.limits, &files);
        Ok(RunningServer::new(
            parts,
            grpc_addr,
            admin_addr,
            reload,
            connections,
            tasks,
        ))
    }
}

/// What several parts of a running server hold.
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) keyring: Keyring,
    pub(crate) metrics: GrpcMetrics,
    pub(crate) credits: Credits,
    pub(crate) shard: ShardHandle,
    pub(crate) started: Instant,
    pub(crate) closing: Closing,
}

fn read_keys(config: &Config, short_authkey: bool) -> Result<WatchedKeys, ServeError> {
    let source = KeySource::of(config);
    let keys_max = config.limits.keys_max;
    let read = source.read(keys_max, short_authkey)?;
    for warning in &read.warnings {
        warn!("{warning}");
    }
    let keyring = match source {
        KeySource::None => Keyring::open(),
        _ => Keyring::new(&read.keys),
    };
    Ok(WatchedKeys {
        source,
        keyring,
        keys_max,
        short_authkey,
        digest: read.digest,
    })
}

/// The certificates in use, if any.
struct TlsInUse {
    watched: Option<WatchedTls>,
}

impl TlsInUse {
    fn state(&self, protocol: Protocol) -> Option<TlsState> {
        let states = self.watched.iter().flat_map(|tls| &tls.states);
        states
            .into_iter()
            .find(|(of, _)| *of == protocol)
            .map(|(_, state)| state.clone())
    }
}

fn read_tls(config: &Config) -> Result<TlsInUse, ServeError> {
    let Some(files) = TlsFiles::of(&config.tls) else {
        return Ok(TlsInUse { watched: None });
    };
    let mut states = vec![(Protocol::Grpc, TlsState::new(files.load(Protocol::Grpc)?))];
    if config.is_admin_port_encrypted() {
        states.push((Protocol::Admin, TlsState::new(files.load(Protocol::Admin)?)));
    }
    let digest = files.digest();
    Ok(TlsInUse {
        watched: Some(WatchedTls {
            files,
            states,
            digest,
        }),
    })
}

async fn bind(
    port: &'static str,
    flag: &'static str,
    addr: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |source| ServeError::Bind {
        port,
        flag,
        addr,
        source,
    };
    let socket = TcpListener::bind(addr).await.map_err(refused)?;
    // With port 0 the system has chosen one.
    let addr = socket.local_addr().map_err(refused)?;
    Ok((socket, addr))
}

/// Raises the limit of open files; connections get what the store leaves of it.
fn open_files(parts: &Parts) -> OpenFiles {
    let shard = parts.shard.clone();
    let segments = move || {
        let segments = shard.metrics().segments.load(Ordering::Relaxed);
        usize::try_from(segments).unwrap_or(usize::MAX)
    };
    let admin_max = parts.config.limits.admin_connections_max;
    OpenFiles::new(os::raise_open_files(), admin_max, segments)
}

fn warn_of_open_files(limits: &Limits, files: &OpenFiles) {
    let (configured, left) = (limits.connections_max, files.for_connections());
    if left < configured {
        warn!(
            open_files = files.max(),
            "limits.connections" = configured,
            "there is room for {left} connections only: the journal needs files, too. Raise the \
             limit of open files (ulimit -n, LimitNOFILE), or lower limits.connections"
        );
    }
}

fn announce(parts: &Parts, grpc_addr: SocketAddr, admin_addr: Option<SocketAddr>) {
    let config = &parts.config;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %grpc_addr,
        admin_listen = admin_addr.map(tracing::field::display),
        store = config.store.as_str(),
        data = %config.data.display(),
        sync = %config.sync,
        tls = config.tls.cert.is_some(),
        keys = parts.keyring.count(),
        "leaseq is listening"
    );
    if parts.keyring.is_open() {
        warn!("there is no authkey: every program on this machine may do everything");
    }
    if config.tls.cert.is_none() && !grpc_addr.ip().is_loopback() {
        warn!("there is no TLS: keys and payloads can be read on the way");
    }
}
