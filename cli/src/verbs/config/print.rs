//! `leaseq config print`: every option of the server, its value, and where that came from.

use clap::Args;
use leaseq_server::config::{Origin, Resolved};
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::server_options::ServerOptions;

/// Show every option of `leaseq serve`, its value and where it is from
///
/// Takes the same flags, environment variables and file as `serve`, and starts nothing.
#[derive(Debug, Args)]
pub(crate) struct Print {
    /// Only options that are not at their default
    #[arg(long)]
    changed: bool,
    #[command(flatten)]
    options: ServerOptions,
}

impl Print {
    pub(crate) fn run(&self, format: Format) -> Outcome {
        let resolved = self.options.resolve()?;
        for warning in resolved.warnings() {
            eprintln!("warning: {warning}");
        }
        match format {
            Format::Json => output::json(&self.to_json(&resolved))?,
            Format::Name => {
                for entry in self.shown(&resolved) {
                    output::line(entry.spec.key)?;
                }
            }
            Format::Table => output::line(&self.to_table(&resolved))?,
        }
        Ok(Exit::Ok)
    }

    fn shown<'a>(
        &self,
        resolved: &'a Resolved,
    ) -> impl Iterator<Item = &'a leaseq_server::config::Entry> {
        let changed = self.changed;
        resolved
            .entries()
            .filter(move |entry| !changed || entry.origin != Origin::Default)
    }

    fn to_table(&self, resolved: &Resolved) -> String {
        let rows = self.shown(resolved).map(|entry| {
            let value = match entry.value.as_str() {
                "" => "-".to_owned(),
                value => value.to_owned(),
            };
            [entry.spec.key.to_owned(), value, entry.origin.to_string()]
        });
        output::table(["KEY", "VALUE", "ORIGIN"], rows.collect())
    }

    fn to_json(&self, resolved: &Resolved) -> Value {
        let options: Map<String, Value> = self
            .shown(resolved)
            .map(|entry| {
                let value = json!({ "value": entry.value, "origin": entry.origin.to_string() });
                (entry.spec.key.to_owned(), value)
            })
            .collect();
        Value::Object(options)
    }
}
