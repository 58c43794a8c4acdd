//! `leaseq dev`: a banner, and a server that the other verbs find without being told a key.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::port::free_port;
use crate::rig::{Said, leaseq};

#[test]
fn the_banner_says_where_it_is_and_the_verbs_need_no_key() {
    let dir = tempfile::TempDir::new().unwrap();
    let [listen, admin] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    let mut dev = leaseq(&[
        "dev",
        "-o",
        "json",
        "--listen",
        &listen,
        "--admin-listen",
        &admin,
    ])
    .arg("--data")
    .arg(dir.path().join("data"))
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut banner = String::new();
    let mut stdout = BufReader::new(dev.stdout.take().unwrap());
    stdout.read_line(&mut banner).unwrap();
    let said = |args: &[&str]| {
        let mut command = leaseq(args);
        Said::of(command.env("LEASEQ_ADDR", &listen).output().unwrap())
    };
    let put = said(&["put", "jobs", "hello", "--connect-timeout", "60s"]);
    let got = said(&["get", "jobs"]);
    dev.kill().unwrap();
    dev.wait().unwrap();
    let banner: serde_json::Value = serde_json::from_str(&banner).unwrap();
    assert_eq!(banner["grpc"], listen);
    assert_eq!(banner["admin"], admin);
    put.ends(0);
    assert_eq!(got.ends(0).stdout, "hello");
}

#[test]
fn a_port_that_is_taken_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut command = leaseq(&[
        "dev",
        "--ephemeral",
        "--admin-listen",
        "off",
        "--listen",
        &addr,
    ]);
    let said = Said::of(command.output().unwrap()).ends(1);
    assert!(said.stderr.contains(&addr), "{said:?}");
    assert!(said.stderr.contains("--listen"), "{said:?}");
}
