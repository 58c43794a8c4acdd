//! `leaseq dev`: a server for this machine, and what to type next.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use leaseq_server::config::{Config, Layer, Resolved};
use leaseq_server::{RunningServer, Server};
use serde_json::json;

use super::serve;
use crate::child::Scratch;
use crate::connect::DEV_AUTHKEY;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::server_options;

/// Run a server on this machine, for trying things out
///
/// Listens on loopback only, and keeps its data in ./leaseq-data. The authkey is that of
/// `LEASEQ_AUTHKEY`, else "dev", which the other verbs use on this machine when they are given
/// none. For real use: `leaseq serve`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The address of the gRPC port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5327")]
    listen: String,
    /// The address of the admin port (HTTP: metrics, health), or off
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5328")]
    admin_listen: String,
    /// The data directory; it is created if it is not there, and kept
    #[arg(long, value_name = "DIR", default_value = "./leaseq-data")]
    data: PathBuf,
    /// Forget everything at the end: keep the data in a temporary directory
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
}

impl Dev {
    pub(crate) async fn run(mut self, format: Format) -> Outcome {
        let start = Instant::now();
        let scratch = match self.ephemeral {
            true => Some(Scratch::new("dev", None)?),
            false => None,
        };
        if let Some(scratch) = &scratch {
            self.data = scratch.path().join("data");
        }
        let config = serve::prepare(self.resolve()?)?;
        let drain_timeout = config.drain_timeout;
        let key = KeyNote::of(&config);
        let data = config.data.clone();
        let server = Server::new(config).allow_short_authkey();
        let mut said = Ok(());
        let started = |running: &RunningServer| {
            let banner = Banner {
                millis: start.elapsed().as_millis(),
                grpc: running.grpc_addr(),
                admin: running.admin_addr(),
                data: data.display().to_string(),
                kept: !self.ephemeral,
                key,
            };
            said = banner.print(format);
        };
        leaseq_server::run(server, drain_timeout, started)
            .await
            .map_err(|error| serve::failure(&error))?;
        said?;
        Ok(Exit::Ok)
    }

    fn resolve(&self) -> Result<Resolved, Failure> {
        let mut flags = Layer::new();
        let data = self.data.display().to_string();
        let ours = [
            ("listen", &self.listen),
            ("admin_listen", &self.admin_listen),
            ("data", &data),
        ];
        for (key, value) in ours {
            flags
                .set(key, value)
                .map_err(|error| server_options::failure(&error))?;
        }
        let environment = environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Config::resolve(&flags, &environment, None).map_err(|error| server_options::failure(&error))
    }
}

/// The environment, with what is different for `dev` unless it says otherwise.
fn environment(variables: impl Iterator<Item = (String, String)>) -> (Layer, Vec<String>) {
    const KEYS: [&str; 3] = ["LEASEQ_AUTHKEY", "LEASEQ_AUTHKEY_FILE", "LEASEQ_KEYS_FILE"];
    let mut variables: Vec<(String, String)> = variables
        // An empty variable is one that somebody wanted to be rid of.
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut default = |names: &[&str], name: &str, value: &str| {
        if !variables
            .iter()
            .any(|(set, _)| names.contains(&set.as_str()))
        {
            variables.push((name.to_owned(), value.to_owned()));
        }
    };
    default(&KEYS, "LEASEQ_AUTHKEY", DEV_AUTHKEY);
    // The banner says what there is to say.
    default(&["LEASEQ_LOG_LEVEL"], "LEASEQ_LOG_LEVEL", "warn");
    // Whoever presses ctrl-c wants to be back at the prompt.
    default(&["LEASEQ_DRAIN_TIMEOUT"], "LEASEQ_DRAIN_TIMEOUT", "2s");
    // Only this machine can ask: let `grpcurl … list` work without more ado.
    default(&["LEASEQ_REFLECTION"], "LEASEQ_REFLECTION", "open");
    Layer::from_variables(variables)
}

/// Which key holds, without showing one that is not ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum KeyNote {
    Dev,
    FromEnvironment,
    FromFile,
}

impl KeyNote {
    fn of(config: &Config) -> Self {
        let dev = crate::connect::authkey_variable().is_none_or(|key| key == DEV_AUTHKEY);
        match (&config.authkey, dev) {
            (Some(_), true) => Self::Dev,
            (Some(_), false) => Self::FromEnvironment,
            (None, _) => Self::FromFile,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Dev => format!("\"{DEV_AUTHKEY}\"  (LEASEQ_AUTHKEY sets another)"),
            Self::FromEnvironment => "that of LEASEQ_AUTHKEY".to_owned(),
            Self::FromFile => "from a file".to_owned(),
        }
    }
}

/// What a newcomer reads first.
struct Banner {
    millis: u128,
    grpc: SocketAddr,
    admin: Option<SocketAddr>,
    data: String,
    kept: bool,
    key: KeyNote,
}

impl Banner {
    fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => output::json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "grpc": self.grpc.to_string(),
                "admin": self.admin.map(|addr| addr.to_string()),
                "data": self.data,
            })),
            Format::Name => output::line(&self.grpc.to_string()),
            Format::Table => output::line(&self.text()),
        }
    }

    fn text(&self) -> String {
        let kept = if self.kept {
            "kept; --ephemeral forgets"
        } else {
            "removed at the end"
        };
        let admin = match self.admin {
            Some(addr) => format!("http://{addr}  (metrics, health)"),
            None => "off".to_owned(),
        };
        let elsewhere = if self.grpc.port() == 5327 {
            String::new()
        } else {
            format!("\n    export LEASEQ_ADDR={}", self.grpc)
        };
        let Self { millis, grpc, .. } = self;
        format!(
            "\n  leaseq {}  listening after {millis} ms; ctrl-c ends\n\n  \
             gRPC    {grpc}  (reflection on)\n  \
             admin   {admin}\n  \
             data    {}  ({kept})\n  \
             key     {}\n\n  \
             next, in another terminal:{elsewhere}\n    \
             leaseq put jobs hello\n    \
             leaseq get jobs\n    \
             leaseq work jobs -- cat\n    \
             leaseq queue ls\n",
            env!("CARGO_PKG_VERSION"),
            self.data,
            self.key.words(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)]) -> Resolved {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::resolve(&Layer::new(), &environment(variables), None).unwrap()
    }

    #[test]
    fn without_a_key_the_key_is_dev() {
        assert!(resolve(&[]).config.authkey.is_some());
        assert!(resolve(&[("LEASEQ_AUTHKEY", "")]).config.authkey.is_some());
    }

    #[test]
    fn a_key_file_stands_alone() {
        let resolved = resolve(&[("LEASEQ_AUTHKEY_FILE", "key")]);
        assert!(resolved.config.authkey.is_none());
    }

    #[test]
    fn the_banner_says_what_to_type() {
        let banner = Banner {
            millis: 4,
            grpc: ([127, 0, 0, 1], 7000).into(),
            admin: None,
            data: "./leaseq-data".to_owned(),
            kept: true,
            key: KeyNote::Dev,
        };
        let text = banner.text();
        assert!(text.contains("export LEASEQ_ADDR=127.0.0.1:7000"), "{text}");
        assert!(text.contains("leaseq put jobs hello"), "{text}");
    }
}
