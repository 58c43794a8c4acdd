//! Flags win over the environment, the environment over the file, the file over the default; and
//! mistakes are one sentence.

use crate::rig::{Said, leaseq, run};

#[test]
fn the_stronger_place_wins_and_is_named() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("leaseq.toml");
    std::fs::write(
        &file,
        "sync = \"os\"\nlisten = \"127.0.0.1:1\"\n[limits]\nwait = \"1m\"\n",
    )
    .unwrap();
    let mut command = leaseq(&["config", "print", "-o", "json", "--listen", "127.0.0.1:3"]);
    command.arg("--config").arg(&file);
    command
        .env("LEASEQ_SYNC", "always")
        .env("LEASEQ_LISTEN", "127.0.0.1:2");
    let printed = Said::of(command.output().unwrap()).ends(0).json();
    let check = |key: &str, value: &str, origin: &str| {
        assert_eq!(printed[key]["value"], value, "{key}");
        let found = printed[key]["origin"].as_str().unwrap();
        assert!(found.starts_with(origin), "{key}: {found}");
    };
    check("listen", "127.0.0.1:3", "command line");
    check("sync", "always", "environment LEASEQ_SYNC");
    check("limits.wait", "1m", "file ");
    check("data", "./leaseq-data", "default");
}

#[test]
fn a_secret_is_never_printed() {
    let mut command = leaseq(&["config", "print"]);
    command.env("LEASEQ_AUTHKEY", "0123456789abcdef");
    let said = Said::of(command.output().unwrap()).ends(0);
    assert!(!said.stdout.contains("0123456789abcdef"), "{said:?}");
    assert!(said.stdout.contains("***"), "{said:?}");
}

#[test]
fn mistakes_are_one_sentence_and_exit_code_2() {
    let said = run(&["config", "print", "--sync", "sometimes"]).ends(2);
    assert!(
        said.stderr.contains("sync") && said.stderr.contains("sometimes"),
        "{said:?}"
    );
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("leaseq.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let mut command = leaseq(&["serve", "--config"]);
    let said = Said::of(command.arg(&file).output().unwrap()).ends(2);
    assert!(
        said.stderr.contains("\"listen\""),
        "it guesses what was meant: {said:?}"
    );
    assert_eq!(
        said.stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        1
    );
}

#[test]
fn the_template_is_a_configuration() {
    let template = run(&["config", "template"]).ends(0).stdout;
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("leaseq.toml");
    std::fs::write(&file, template).unwrap();
    let mut command = leaseq(&["config", "print", "--changed", "-o", "name", "--config"]);
    let said = Said::of(command.arg(&file).output().unwrap()).ends(0);
    assert_eq!(said.stdout, "", "every option in it is off");
}

#[test]
fn a_server_open_to_the_network_needs_a_key() {
    let said = run(&["serve", "--listen", "0.0.0.0:0", "--admin-listen", "off"]).ends(2);
    assert!(said.stderr.contains("LEASEQ_AUTHKEY"), "{said:?}");
}
