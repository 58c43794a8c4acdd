//! deny.toml's bans, kept on Cargo.lock: banned crates and second copies. cargo-deny reads the
//! same file and knows more (advisories, licences); this needs nothing installed.

use toml::{Table, Value};

use crate::tree::Tree;

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let read = |path| tree.text(path).unwrap_or_default();
    match (read("Cargo.lock").parse(), read("deny.toml").parse()) {
        (Ok(lock), Ok(deny)) => violations(&lock, &deny),
        (lock, deny) => vec![format!("cannot be read: {:?} {:?}", lock.err(), deny.err())],
    }
}

fn violations(lock: &Table, deny: &Table) -> Vec<String> {
    let packages: Vec<(&str, &str)> = array(lock.get("package"))
        .filter_map(|package| Some((text(package, "name")?, text(package, "version")?)))
        .collect();
    let bans = deny.get("bans").and_then(|bans| bans.get("deny"));
    let mut findings = Vec::new();
    if packages.is_empty() || array(bans).count() == 0 {
        findings.push("Cargo.lock or deny.toml has nothing to compare".to_owned());
    }
    for ban in array(bans) {
        let named = text(ban, "crate").unwrap_or_default();
        let (name, range) = named.split_once('@').unwrap_or((named, ""));
        let versions = packages.iter().filter(|(package, _)| *package == name);
        let versions: Vec<&str> = versions.map(|(_, version)| *version).collect();
        if ban.get("deny-multiple-versions").is_some() {
            if versions.len() > 1 {
                findings.push(format!("{name} is there more than once: {versions:?}"));
            }
            continue;
        }
        let reason = text(ban, "reason").unwrap_or("no reason given");
        let banned = versions.iter().filter(|version| in_range(version, range));
        findings.extend(banned.map(|version| format!("{name} {version} is banned: {reason}")));
    }
    findings
}

fn array(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The forms that deny.toml uses: all versions, `=1.2.3`, `<1.2.3`.
fn in_range(version: &str, range: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let plain = version.split(['-', '+']).next().unwrap_or_default();
        plain
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect()
    };
    if let Some(below) = range.strip_prefix('<') {
        return numbers(version) < numbers(below);
    }
    range.is_empty() || range.strip_prefix('=') == Some(version)
}

mod tests {
    use super::violations;
    use crate::{assert_clean, assert_found};

    const DENY: &str = r#"
        [bans]
        deny = [
            { crate = "tonic", deny-multiple-versions = true },
            { crate = "openssl", reason = "TLS is rustls" },
            { crate = "h2@<0.4.16", reason = "old" },
            { crate = "tokio@=1.54.0", reason = "yanked" },
        ]
    "#;

    fn check(packages: &[(&str, &str)]) -> Vec<String> {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")
        };
        let lock: String = packages.iter().map(package).collect();
        violations(&lock.parse().expect("TOML"), &DENY.parse().expect("TOML"))
    }

    #[test]
    fn bans_are_kept() {
        assert_clean(&check(&[
            ("tonic", "0.14.9"),
            ("h2", "0.4.16"),
            ("tokio", "1.54.1"),
        ]));
        assert_found(
            &check(&[("tonic", "0.14.9"), ("tonic", "0.13.1")]),
            "more than once",
        );
        assert_found(&check(&[("openssl", "0.10.1")]), "TLS is rustls");
        assert_found(&check(&[("h2", "0.4.9")]), "old");
        assert_found(&check(&[("tokio", "1.54.0")]), "yanked");
        assert_found(&check(&[]), "nothing to compare");
    }
}
