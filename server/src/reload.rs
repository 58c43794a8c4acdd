//! Reads keys and certificates again when their files change, or when asked.
//! Connections go on; new calls see the new keys, new connections the new
//! certificates. A file that cannot be used changes nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::auth::{KeySource, Keyring, KeysError};
use crate::tls::{Protocol, TlsFiles, TlsState};

/// How often the files are read. A change is used when two readings agree, so
/// that a file that is being written is not taken for one that lost its keys:
/// well within the second in which a revoked key's streams end.
const INTERVAL: Duration = Duration::from_millis(250);

/// Keys as they are and where they come from.
pub(crate) struct WatchedKeys {
    pub(crate) source: KeySource,
    pub(crate) keyring: Keyring,
    pub(crate) keys_max: usize,
    pub(crate) short_authkey: bool,
    pub(crate) digest: [u8; 32],
}

/// Certificates as they are and where they come from.
pub(crate) struct WatchedTls {
    pub(crate) files: TlsFiles,
    pub(crate) states: Vec<(Protocol, TlsState)>,
    pub(crate) digest: Option<[u8; 32]>,
}

/// Watches until it is dropped.
pub(crate) struct Reloader {
    keys: WatchedKeys,
    tls: Option<WatchedTls>,
    asked: Arc<Notify>,
    /// What the last reading found and was not used yet.
    keys_seen: Option<[u8; 32]>,
    tls_seen: Option<[u8; 32]>,
    /// The last thing that was wrong: said once, not with every reading.
    keys_wrong: Option<KeysError>,
}

impl Reloader {
    /// `asked` makes it read at once.
    pub(crate) fn new(keys: WatchedKeys, tls: Option<WatchedTls>, asked: Arc<Notify>) -> Self {
        Self {
            keys,
            tls,
            asked,
            keys_seen: None,
            tls_seen: None,
            keys_wrong: None,
        }
    }

    /// Watches for ever.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let at_once = tokio::select! {
                _ = ticks.tick() => false,
                () = self.asked.notified() => true,
            };
            if at_once {
                info!("reading keys and certificates again, as asked");
                self.keys_wrong = None;
            }
            // Files may be on a disk that does not answer; the calls go on meanwhile.
            let read = tokio::task::spawn_blocking(move || {
                self.read_keys(at_once);
                self.read_tls(at_once);
                self
            });
            match read.await {
                Ok(reloader) => self = reloader,
                Err(error) => {
                    error!(%error, "keys and certificates are not watched any more");
                    return;
                }
            }
        }
    }

    fn read_keys(&mut self, at_once: bool) {
        let keys = &mut self.keys;
        keys.keyring.revoke_expired(SystemTime::now());
        if keys.source.file().is_none() {
            return;
        }
        let read = match keys.source.read(keys.keys_max, keys.short_authkey) {
            Ok(read) => read,
            Err(wrong) => {
                self.keys_seen = None;
                if self.keys_wrong.as_ref() != Some(&wrong) {
                    error!(%wrong, "the new keys cannot be used; the ones before stay valid");
                    self.keys_wrong = Some(wrong);
                }
                return;
            }
        };
        self.keys_wrong = None;
        if read.digest == keys.digest {
            self.keys_seen = None;
            return;
        }
        if !at_once && self.keys_seen.replace(read.digest) != Some(read.digest) {
            return;
        }
        self.keys_seen = None;
        keys.digest = read.digest;
        for warning in &read.warnings {
            warn!("{warning}");
        }
        let revoked = keys.keyring.replace(&read.keys);
        info!(keys = read.keys.len(), revoked, "the keys were replaced");
    }

    fn read_tls(&mut self, at_once: bool) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        let digest = tls.files.digest();
        if digest == tls.digest {
            self.tls_seen = None;
            return;
        }
        if !at_once && std::mem::replace(&mut self.tls_seen, digest) != digest {
            return;
        }
        self.tls_seen = None;
        // Also when it cannot be used, so that it is said once.
        tls.digest = digest;
        for (protocol, state) in &tls.states {
            match tls.files.load(*protocol) {
                Ok(config) => state.replace(config),
                Err(wrong) => {
                    error!(%wrong, "the new certificates cannot be used; the ones before stay");
                    return;
                }
            }
        }
        info!("the certificates were replaced");
    }
}
