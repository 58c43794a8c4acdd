//! The start rules: what is reachable from other machines is protected, or the
//! server does not start.

use std::net::SocketAddr;

use super::error::ServeError;
use crate::auth::Keyring;
use crate::config::Config;

/// Whether it is safe to listen where the configuration says.
pub(super) fn check(
    config: &Config,
    keyring: &Keyring,
    short_authkey: bool,
) -> Result<(), ServeError> {
    port("listen", config.listen, config, keyring, short_authkey)?;
    match config.admin_listen {
        Some(addr) => port("admin_listen", addr, config, keyring, short_authkey),
        None => Ok(()),
    }
}

fn port(
    option: &str,
    addr: SocketAddr,
    config: &Config,
    keyring: &Keyring,
    short_authkey: bool,
) -> Result<(), ServeError> {
    if addr.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let refuse = |what: &str| {
        Err(ServeError::Unsafe(format!(
            "{option} {addr} can be reached from other machines, and {what}"
        )))
    };
    if keyring.is_open() {
        return refuse(
            "there is no authkey: set LEASEQ_AUTHKEY, authkey_file or keys_file, or listen on \
             127.0.0.1",
        );
    }
    if short_authkey {
        return refuse("the short authkey for development is not meant for that");
    }
    if config.tls.cert.is_none() && !config.insecure_plaintext {
        return refuse(
            "there is no TLS: set tls.cert and tls.key, or --insecure-plaintext if the network \
             is trusted",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Key;

    fn start(listen: &str, admin: &str, keys: bool, edit: fn(&mut Config)) -> Result<(), String> {
        let mut config = Config {
            listen: listen.parse().unwrap(),
            admin_listen: Some(admin.parse().unwrap()),
            ..Config::default()
        };
        edit(&mut config);
        let key = Key::single(&"sixteen-letters-or-more".into(), false).unwrap();
        let keyring = if keys {
            Keyring::new(&[key])
        } else {
            Keyring::open()
        };
        check(&config, &keyring, false).map_err(|error| error.to_string())
    }

    const LOOPBACK: &str = "127.0.0.1:0";
    const PUBLIC: &str = "0.0.0.0:0";

    #[test]
    fn on_loopback_everything_goes() {
        assert_eq!(start(LOOPBACK, "[::1]:0", false, |_| {}), Ok(()));
    }

    #[test]
    fn elsewhere_no_key_no_start() {
        assert!(
            start(PUBLIC, LOOPBACK, false, |_| {})
                .unwrap_err()
                .contains("authkey")
        );
        assert!(start("[::]:0", LOOPBACK, false, |_| {}).is_err());
        let admin = start(LOOPBACK, PUBLIC, false, |_| {}).unwrap_err();
        assert!(admin.starts_with("admin_listen 0.0.0.0:0"), "{admin}");
    }

    #[test]
    fn elsewhere_no_tls_no_start_unless_told() {
        assert!(
            start(PUBLIC, LOOPBACK, true, |_| {})
                .unwrap_err()
                .contains("TLS")
        );
        assert_eq!(
            start(PUBLIC, PUBLIC, true, |c| c.insecure_plaintext = true),
            Ok(())
        );
        assert_eq!(
            start(PUBLIC, PUBLIC, true, |c| c.tls.cert = Some("c.pem".into())),
            Ok(())
        );
    }

    #[test]
    fn a_short_key_is_for_loopback() {
        let mut config = Config {
            insecure_plaintext: true,
            listen: PUBLIC.parse().unwrap(),
            ..Config::default()
        };
        let keyring = Keyring::new(&[Key::single(&"dev".into(), true).unwrap()]);
        assert!(check(&config, &keyring, true).is_err());
        config.listen = LOOPBACK.parse().unwrap();
        assert!(check(&config, &keyring, true).is_ok());
    }
}
