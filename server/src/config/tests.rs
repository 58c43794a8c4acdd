//! Where values come from, and what is said about wrong ones.

use std::path::Path;
use std::time::Duration;

use super::*;

fn environment(variables: &[(&str, &str)]) -> (Layer, Vec<String>) {
    Layer::from_variables(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn with_file(text: &str) -> Result<Resolved, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leaseq.toml");
    std::fs::write(&path, text).unwrap();
    Config::resolve(&Layer::new(), &environment(&[]), Some(&path))
}

fn file_error(text: &str) -> String {
    let error = with_file(text).unwrap_err().to_string();
    // The directory is a new one each time.
    match error.find("leaseq.toml") {
        Some(at) => error[at..].to_owned(),
        None => error,
    }
}

#[test]
fn every_default_is_allowed() {
    let config = Config::default();
    assert_eq!(config.listen.to_string(), "127.0.0.1:5327");
    assert_eq!(config.limits.payload_bytes_max, 1 << 20);
    config.check().unwrap();
}

#[test]
fn the_three_names_of_an_option_are_one() {
    let spec = find_option("limits.payload_bytes").unwrap();
    assert_eq!(spec.env, "LEASEQ_LIMITS_PAYLOAD_BYTES");
    assert_eq!(spec.flag, Some("limits-payload-bytes"));
    let mut flags: Vec<_> = options().iter().map(|spec| spec.env).collect();
    flags.sort_unstable();
    flags.dedup();
    assert_eq!(flags.len(), options().len());
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leaseq.toml");
    std::fs::write(
        &path,
        "data = '/file'\nlisten = '127.0.0.1:1'\ndrain_timeout = '1s'\n[log]\nlevel = 'warn'\n",
    )
    .unwrap();
    let mut flags = Layer::new();
    flags.set("data", "/flag").unwrap();
    let environment = environment(&[("LEASEQ_DATA", "/env"), ("LEASEQ_LISTEN", "127.0.0.1:2")]);

    let resolved = Config::resolve(&flags, &environment, Some(&path)).unwrap();
    assert_eq!(resolved.config.data, Path::new("/flag"));
    assert_eq!(resolved.config.listen.port(), 2);
    assert_eq!(resolved.config.drain_timeout, Duration::from_secs(1));

    let shown = |key: &str| {
        let entry = resolved.entries().find(|e| e.spec.key == key).unwrap();
        (entry.value.clone(), entry.origin.clone())
    };
    assert_eq!(shown("data"), ("/flag".into(), Origin::Flag));
    assert_eq!(
        shown("listen"),
        ("127.0.0.1:2".into(), Origin::Environment("LEASEQ_LISTEN"))
    );
    assert_eq!(shown("log.level"), ("warn".into(), Origin::File(path)));
    assert_eq!(shown("store"), ("journal".into(), Origin::Default));
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    assert_eq!(
        file_error("[limits]\npayload_bytes = '20MiB'\n"),
        "leaseq.toml: limits.payload_bytes is \"20MiB\"; allowed: a size from 1KiB to 16MiB"
    );
    let error = Config::resolve(
        &Layer::new(),
        &environment(&[("LEASEQ_SYNC", "sometimes")]),
        None,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment LEASEQ_SYNC: sync is \"sometimes\"; allowed: always, os, or interval:<1ms \
         to 10s> such as interval:5ms"
    );
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    assert_eq!(
        file_error("[limits]\npayload_byte = 1\n"),
        "leaseq.toml: there is no option \"limits.payload_byte\"; did you mean \
         \"limits.payload_bytes\"?"
    );
    assert!(file_error("nonsense_of_another_kind = 1\n").contains("config print"));
    assert!(Layer::new().set("lisen", "x").is_err());
}

#[test]
fn the_key_is_taken_from_the_environment_alone_and_never_shown() {
    assert!(file_error("authkey = 'sixteen-letters-or-more'\n").contains("LEASEQ_AUTHKEY"));
    assert!(
        Layer::new()
            .set("authkey", "sixteen-letters-or-more")
            .is_err()
    );

    let environment = environment(&[("LEASEQ_AUTHKEY", "sixteen-letters-or-more")]);
    let resolved = Config::resolve(&Layer::new(), &environment, None).unwrap();
    assert!(resolved.config.authkey.is_some());
    assert!(!format!("{resolved:?}").contains("sixteen"));
    let entry = resolved
        .entries()
        .find(|e| e.spec.key == "authkey")
        .unwrap();
    assert_eq!(entry.value, "***");
}

#[test]
fn a_broken_file_is_named_with_its_line_and_without_its_text() {
    let error = file_error("listen = '127.0.0.1:1'\nauthkey = a-secret\n");
    assert!(error.contains("line 2"), "{error}");
    assert!(!error.contains("a-secret"), "{error}");
}

#[test]
fn numbers_switches_and_texts_are_all_right_in_a_file() {
    let config = with_file(
        "auto_create_queues = false\nadmin_listen = 'off'\nsync = 'interval:5ms'\n\
         [limits]\nbatch_jobs = 500\nconnections = '1_000'\n[queue]\nretry_jitter = 0.5\n",
    )
    .unwrap()
    .config;
    assert!(!config.auto_create_queues);
    assert_eq!(config.admin_listen, None);
    assert_eq!(config.sync, SyncPolicy::Interval(Duration::from_millis(5)));
    assert_eq!(config.sync.to_string(), "interval:5ms");
    assert_eq!(config.limits.batch_jobs_max, 500);
    assert_eq!(config.limits.connections_max, 1000);
    assert!((config.queue.retry_jitter - 0.5).abs() < f64::EPSILON);
}

#[test]
fn contradictions_are_refused() {
    let error = |text: &str| with_file(text).unwrap_err().to_string();
    assert!(error("[limits]\nrequest_bytes = '1MiB'\n").contains("limits.payload_bytes"));
    assert!(error("[tls]\ncert = 'a.pem'\n").contains("tls.key"));
    assert!(error("authkey_file = 'a'\nkeys_file = 'b'\n").contains("keys_file"));
    assert!(error("[tls]\nclient_ca = 'a.pem'\n").contains("tls.cert"));
}

#[test]
fn variables_of_others_are_no_errors() {
    let (_, warnings) = environment(&[
        ("LEASEQ_PORT", "tcp://10.0.0.1:5327"),
        ("LEASEQ_SERVICE_HOST", "10.0.0.1"),
        ("LEASEQ_ADDR", "127.0.0.1:5327"),
        ("LEASEQ_LISTN", "127.0.0.1:5327"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("LEASEQ_LISTN"));
}

#[test]
fn a_key_or_a_file_that_is_set_and_empty_is_refused_and_not_taken_for_none() {
    for (name, key) in [
        ("LEASEQ_AUTHKEY", "authkey"),
        ("LEASEQ_AUTHKEY_FILE", "authkey_file"),
        ("LEASEQ_KEYS_FILE", "keys_file"),
        ("LEASEQ_TLS_CERT", "tls.cert"),
        ("LEASEQ_TLS_KEY", "tls.key"),
        ("LEASEQ_TLS_CLIENT_CA", "tls.client_ca"),
    ] {
        let resolved = Config::resolve(&Layer::new(), &environment(&[(name, "")]), None);
        let text = resolved.unwrap_err().to_string();
        let expected = format!("environment {name}: {key} is set and empty");
        assert!(text.starts_with(&expected), "{text}");
    }
    assert!(file_error("keys_file = ''").contains("keys_file is set and empty"));
}
