//! The table: every option once, with its help text, default and bounds. Flags,
//! environment, file, reference and example file are made from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use secrecy::SecretString;

use super::error::ConfigError;
use super::resolve::Values;
use super::value::{Kind, LogFormat, LogLevel, Reflection, StoreKind, SyncPolicy, Value};

/// One option: its names and what it takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OptionSpec {
    /// The key in the file, with its section: `limits.payload_bytes`.
    pub key: &'static str,
    /// The environment variable: `LEASEQ_LIMITS_PAYLOAD_BYTES`.
    pub env: &'static str,
    /// The flag without its dashes: `limits-payload-bytes`. A secret has none.
    pub flag: Option<&'static str>,
    /// What it is for, in one or a few sentences.
    pub help: &'static str,
    /// The default as text; empty: not set.
    pub default: &'static str,
    /// What it takes.
    pub kind: Kind,
}

impl OptionSpec {
    fn new(row: &Row) -> Self {
        let env = format!("LEASEQ_{}", row.key.replace('.', "_").to_uppercase());
        let flag = row.key.replace(['.', '_'], "-");
        Self {
            key: row.key,
            // Made once for the life of the process.
            env: env.leak(),
            flag: (row.kind != Kind::Secret).then(|| &*flag.leak()),
            help: row.help.trim(),
            default: row.default,
            kind: row.kind,
        }
    }

    /// Whether the value may not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// The section of the file it is in; `None`: at the top.
    #[must_use]
    pub fn section(&self) -> Option<&'static str> {
        self.key.split_once('.').map(|(section, _)| section)
    }
}

/// All options, in the order in which people read about them.
pub fn options() -> &'static [OptionSpec] {
    static OPTIONS: LazyLock<Vec<OptionSpec>> =
        LazyLock::new(|| Config::rows().iter().map(OptionSpec::new).collect());
    &OPTIONS
}

/// The option with this key.
#[must_use]
pub fn find_option(key: &str) -> Option<&'static OptionSpec> {
    options().iter().find(|spec| spec.key == key)
}

/// What the table says; the names are derived.
struct Row {
    key: &'static str,
    help: &'static str,
    default: &'static str,
    kind: Kind,
}

/// A struct of values, its rows of the table and its reading, from one definition.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $name:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident : $type:ty = $key:literal, $default:literal, $kind:expr;
            )*
        }
        $( sections { $( $(#[doc = $doc:literal])+ $part:ident : $part_type:ident, )* } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $help])+ pub $field: $type, )*
            $($( $(#[doc = $doc])+ pub $part: $part_type, )*)?
        }

        impl $name {
            fn rows() -> Vec<Row> {
                #[allow(unused_mut)]
                let mut rows = vec![$(
                    Row { key: $key, help: concat!($($help),+), default: $default, kind: $kind },
                )*];
                $($( rows.extend($part_type::rows()); )*)?
                rows
            }

            pub(super) fn read(values: &Values<'_>) -> Result<Self, ConfigError> {
                Ok(Self {
                    $( $field: values.get($key)?, )*
                    $($( $part: $part_type::read(values)?, )*)?
                })
            }

            /// The options that are numbers, with their values.
            pub(crate) fn numbers(&self) -> Vec<(&'static str, u64)> {
                let all = [$( ($key, self.$field.number()), )*];
                let own = all.into_iter().filter_map(|(key, number)| Some((key, number?)));
                #[allow(unused_mut)]
                let mut numbers: Vec<_> = own.collect();
                $($( numbers.extend(self.$part.numbers()); )*)?
                numbers
            }
        }
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const fn bytes(min: u64, max: u64) -> Kind {
    Kind::Bytes { min, max }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn millis(min: u64, max: u64) -> Kind {
    Kind::Duration {
        min: Duration::from_millis(min),
        max: Duration::from_millis(max),
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

section! {
    /// Everything that a server is told.
    Config {
        /// The address of the gRPC port. Not on loopback: no key, no start; no TLS, no start
        /// unless insecure_plaintext is set.
        listen: SocketAddr = "listen", "127.0.0.1:5327", Kind::Address;
        /// The address of the admin port (HTTP: metrics, health for probes), or off.
        /// Not on loopback it asks for a key with the read role.
        admin_listen: Option<SocketAddr> = "admin_listen", "127.0.0.1:5328", Kind::AddressOrOff;
        /// The data directory; created if it is not there.
        data: PathBuf = "data", "./leaseq-data", Kind::Path;
        /// What remembers the jobs: journal (files in the data directory) or memory (nothing
        /// outlives the process).
        store: StoreKind = "store", "journal", Kind::Choice(StoreKind::WORDS);
        /// When an answer is durable: always (after the disk has confirmed it), interval:5ms
        /// (a power cut may lose that much), os (a power cut may lose seconds).
        sync: SyncPolicy = "sync", "always", Kind::Sync;
        /// Start although the newest files of the journal are missing, and go on without the
        /// jobs in them. For one start: without it, a start that finds less than was there
        /// refuses.
        accept_loss: bool = "accept_loss", "false", Kind::Switch;
        /// One key that may do everything. Only from the environment: arguments and
        /// configuration files are read by too many.
        authkey: Option<SecretString> = "authkey", "", Kind::Secret;
        /// A file whose first line is one key that may do everything. Read again when it
        /// changes.
        authkey_file: Option<PathBuf> = "authkey_file", "", Kind::Path;
        /// A TOML file of named keys with roles and queues. Read again when it changes.
        keys_file: Option<PathBuf> = "keys_file", "", Kind::Path;
        /// Accept connections without TLS on addresses that are not loopback. Keys and
        /// payloads can then be read on the way.
        insecure_plaintext: bool = "insecure_plaintext", "false", Kind::Switch;
        /// Who may ask the server for its API by gRPC reflection: auth (whoever has a key),
        /// open (everyone), off.
        reflection: Reflection = "reflection", "auth", Kind::Choice(Reflection::WORDS);
        /// Whether a Put creates its queue.
        auto_create_queues: bool = "auto_create_queues", "true", Kind::Switch;
        /// Follow the wall clock also when it is more than a day away from the server's time,
        /// and believe it when it says that the server was down for more than a year.
        accept_clock: bool = "accept_clock", "false", Kind::Switch;
        /// How long calls and sessions get to finish when the server is told to stop.
        drain_timeout: Duration = "drain_timeout", "10s", millis(0, HOUR);
    }
    sections {
        /// Certificates.
        tls: Tls,
        /// The settings of a queue that a Put creates.
        queue: QueueDefaults,
        /// Limits.
        limits: Limits,
        /// The transport.
        http2: Http2,
        /// Logging.
        log: Log,
        /// Metrics.
        metrics: Metrics,
    }
}

section! {
    /// Certificates. Files are read again when they change.
    Tls {
        /// The server's certificate chain (PEM). Together with tls.key it turns TLS on.
        cert: Option<PathBuf> = "tls.cert", "", Kind::Path;
        /// The private key of tls.cert (PEM).
        key: Option<PathBuf> = "tls.key", "", Kind::Path;
        /// Certificate authorities (PEM); if set, only clients with a certificate from one of
        /// them get in. They still need a key.
        client_ca: Option<PathBuf> = "tls.client_ca", "", Kind::Path;
    }
}

section! {
    /// The settings of a queue that a Put creates.
    QueueDefaults {
        /// How long a lease taken by Get lasts unless the call says otherwise.
        lease_duration: Duration = "queue.lease_duration", "30s", millis(100, DAY);
        /// How often a job may be leased before a failure makes it dead.
        max_attempts: u32 = "queue.max_attempts", "20", count(1, 1_000);
        /// The wait before the first retry.
        retry_initial_delay: Duration = "queue.retry_initial_delay", "1s", millis(0, 7 * DAY);
        /// No wait between attempts is longer.
        retry_delay_max: Duration = "queue.retry_max_delay", "1h", millis(0, 7 * DAY);
        /// The factor from one wait to the next.
        retry_multiplier: f64 = "queue.retry_multiplier", "2", Kind::Factor { min: 1.0, max: 10.0 };
        /// The part of each wait that is random, from 0 (none) to 1 (all of it).
        retry_jitter: f64 = "queue.retry_jitter", "0.2", Kind::Factor { min: 0.0, max: 1.0 };
        /// How many scheduled, ready and leased jobs a queue may hold. 0: no bound.
        jobs_max: u64 = "queue.max_jobs", "0", count(0, 1_000_000_000_000);
        /// How long completed and cancelled jobs can still be read. 0: not at all.
        result_retention: Duration = "queue.result_retention", "0", millis(0, 30 * DAY);
    }
}

section! {
    /// Limits: what one call, one connection and the server as a whole may take.
    Limits {
        /// The largest payload or result.
        payload_bytes_max: usize = "limits.payload_bytes", "1MiB", bytes(KIB, 16 * MIB);
        /// The most entries in one Put, Get, Settle or Extend.
        batch_jobs_max: usize = "limits.batch_jobs", "1000", count(1, 10_000);
        /// The largest request. At least 64KiB more than limits.payload_bytes.
        request_bytes_max: usize = "limits.request_bytes", "4MiB", bytes(65 * KIB, 64 * MIB);
        /// The longest a call may ask to wait.
        wait_max: Duration = "limits.wait", "10m", millis(SECOND, 10 * MINUTE);
        /// The shortest lease.
        lease_duration_min: Duration = "limits.lease_duration_min", "100ms", millis(100, HOUR);
        /// The longest lease.
        lease_duration_max: Duration = "limits.lease_duration", "24h", millis(SECOND, DAY);
        /// The longest grace of a session.
        grace_max: Duration = "limits.grace", "1h", millis(0, HOUR);
        /// The most queues one session may lease from.
        queues_per_session_max: usize = "limits.session_queues", "100", count(1, 1_000);
        /// The most jobs one session may hold.
        flow_jobs_max: usize = "limits.session_jobs", "10000", count(1, 100_000);
        /// The most jobs in one delivery to a session.
        delivery_jobs_max: usize = "limits.delivery_jobs", "1000", count(1, 10_000);
        /// How many queues there may be.
        queues_max: usize = "limits.queues", "10000", count(1, 1_000_000);
        /// How many sessions may be open.
        sessions_max: usize = "limits.sessions", "10000", count(1, 1_000_000);
        /// How many callers may wait in Get, Put, WaitJob and WaitQueue together.
        waiters_max: usize = "limits.waiters", "100000", count(1, 10_000_000);
        /// How many bytes the Puts that wait for room in full queues may hold together.
        blocked_bytes_max: usize = "limits.blocked_bytes", "64MiB", bytes(MIB, 16 * GIB);
        /// How much memory the remembered request ids may take, at 224 bytes each. When it is
        /// full, the oldest are forgotten before limits.request_id_window has passed.
        request_id_bytes_max: usize = "limits.request_id_bytes", "64MiB", bytes(KIB, 16 * GIB);
        /// How long request ids are remembered, as far as limits.request_id_bytes has room.
        request_id_window: Duration = "limits.request_id_window", "10m", millis(SECOND, DAY);
        /// How often in a row a job may be released before a release counts as an attempt, so
        /// that a job which always takes its worker down ends as dead. A failed attempt starts
        /// the count anew.
        releases_max: u32 = "limits.releases", "1000", count(0, 1_000_000_000);
        /// How many verdicts are remembered, so that one can be sent twice.
        verdicts_max: usize = "limits.verdicts", "1048576", count(0, 100_000_000);
        /// How many commands may wait to be decided.
        pending_commands_max: usize = "limits.pending_commands", "65536", count(16, 1_000_000);
        /// How many bytes of payloads and results those may hold together.
        pending_bytes_max: usize = "limits.pending_bytes", "256MiB", bytes(16 * MIB, 64 * GIB);
        /// How many bytes of payloads are kept in memory beside the disk.
        cache_bytes_max: usize = "limits.cache_bytes", "16MiB", bytes(0, 64 * GIB);
        /// The size at which a new file of the journal is begun.
        segment_bytes: u64 = "limits.segment_bytes", "64MiB", bytes(MIB, 4 * GIB);
        /// How fast payloads on disk are read in the background to look for damage, so that it
        /// is found before a worker asks for the job. 0: not at all.
        scrub_bytes_per_second: u64 =
            "limits.scrub_bytes_per_second", "1MiB", bytes(0, 256 * MIB);
        /// How many connections to the gRPC port there may be.
        connections_max: usize = "limits.connections", "10000", count(1, 1_000_000);
        /// How many of them from one address (IPv6: one /64 network).
        connections_per_address_max: usize =
            "limits.connections_per_address", "2048", count(1, 1_000_000);
        /// How many connections that have not shown a key yet there may be. A newcomer ends the
        /// oldest one of the address that has most.
        unauthenticated_connections_max: usize =
            "limits.unauthenticated_connections", "512", count(1, 1_000_000);
        /// How many of them from one address. A newcomer ends the oldest one if that is at least
        /// a second old.
        unauthenticated_connections_per_address_max: usize =
            "limits.unauthenticated_connections_per_address", "128", count(1, 1_000_000);
        /// How many connections to the admin port there may be. A newcomer ends the oldest one of
        /// the address that has most.
        admin_connections_max: usize = "limits.admin_connections", "64", count(1, 10_000);
        /// How long a connection to the admin port may last. It serves one request.
        admin_timeout: Duration = "limits.admin_timeout", "10s", millis(50, 10 * MINUTE);
        /// How long the TLS handshake and the first bytes of HTTP/2 may take.
        handshake_timeout: Duration = "limits.handshake_timeout", "5s", millis(50, MINUTE);
        /// How long a connection may go without a first call that is let in, and how long the
        /// request of a call that needs no key may take to arrive.
        first_request_timeout: Duration =
            "limits.first_request_timeout", "10s", millis(50, 10 * MINUTE);
        /// How long the request of a single call with a key may take to arrive.
        request_timeout: Duration = "limits.request_timeout", "1m", millis(50, 10 * MINUTE);
        /// How many calls that need no key may be open on a connection without one.
        unauthenticated_calls_max: usize = "limits.unauthenticated_calls", "8", count(1, 1_000);
        /// How many bytes of answers may wait for one connection that does not read them. A
        /// session is given half of it at most.
        unread_bytes_per_connection_max: usize =
            "limits.unread_bytes_per_connection", "64MiB", bytes(4 * MIB, 16 * GIB);
        /// How many bytes of answers may wait for all connections together.
        unread_bytes_max: usize = "limits.unread_bytes", "512MiB", bytes(64 * MIB, 64 * GIB);
        /// How many calls a second a client may give up on one connection before they are
        /// answered; more ends the connection.
        abandoned_calls_max: usize =
            "limits.abandoned_calls_per_second", "2000", count(100, 1_000_000);
        /// How many calls may be open on one connection, those that wait included. More of them
        /// wait in the client.
        streams_per_connection_max: u32 = "limits.streams_per_connection", "1000", count(1, 65_536);
        /// The largest set of headers of a call.
        header_bytes_max: u32 = "limits.header_bytes", "8KiB", bytes(KIB, 256 * KIB);
        /// How many calls a client may have cancelled before the server has looked at them;
        /// more ends the connection.
        pending_accept_resets_max: usize =
            "limits.pending_accept_resets", "1000", count(20, 100_000);
        /// How many calls of one connection may have broken the rules of HTTP/2 in all its life;
        /// more ends the connection.
        local_error_resets_max: usize = "limits.local_error_resets", "10000", count(20, 10_000_000);
        /// How many keys a keys file may have.
        keys_max: usize = "limits.keys", "1000", count(1, 10_000);
    }
}

section! {
    /// The transport.
    Http2 {
        /// After this much silence a connection is asked whether it is alive.
        keepalive_interval: Duration = "http2.keepalive_interval", "15s", millis(SECOND, HOUR);
        /// Without an answer for this long it is closed.
        keepalive_timeout: Duration = "http2.keepalive_timeout", "10s", millis(SECOND, 10 * MINUTE);
        /// How much a client may send on one call before it is read.
        stream_window: u32 = "http2.stream_window", "1MiB", bytes(64 * KIB, 64 * MIB);
        /// How much a client may send on one connection before it is read.
        connection_window: u32 = "http2.connection_window", "4MiB", bytes(64 * KIB, 64 * MIB);
        /// How much of an answer waits in memory for a client that does not read, for each call.
        send_buffer_bytes: usize = "http2.send_buffer", "256KiB", bytes(16 * KIB, 16 * MIB);
    }
}

section! {
    /// Logging, to standard error.
    Log {
        /// What is logged: error, warn, info, debug (every call and every batch), trace. Of each
        /// kind of line above debug at most 10 are written in a second, of audit lines 1000; the
        /// others are counted.
        level: LogLevel = "log.level", "info", Kind::Choice(LogLevel::WORDS);
        /// How: text, json, or auto (text on a terminal, json elsewhere).
        format: LogFormat = "log.format", "auto", Kind::Choice(LogFormat::WORDS);
    }
}

section! {
    /// Metrics.
    Metrics {
        /// How many queues get a label of their own; the others count as `__other__`.
        queues_max: usize = "metrics.queues", "1000", count(0, 100_000);
    }
}
