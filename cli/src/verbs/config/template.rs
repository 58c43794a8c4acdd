//! `leaseq config template`: a configuration file with every option, explained and switched off.

use std::fmt::Write;

use clap::Args;
use leaseq_server::config::{Kind, OptionSpec, options};

use crate::exit::{Exit, Outcome};
use crate::output;

/// Print a configuration file with every option explained
#[derive(Debug, Args)]
#[command(
    after_help = "leaseq config template > leaseq.toml, then leaseq serve --config leaseq.toml"
)]
pub(crate) struct Template {}

impl Template {
    pub(crate) fn run(&self) -> Outcome {
        output::raw(template().as_bytes())?;
        Ok(Exit::Ok)
    }
}

const HEAD: &str = "\
# The configuration of `leaseq serve`. Every line that begins with #KEY is an option at its
# default: take the # away to change it. Flags and environment variables win over this file;
# `leaseq config print --config FILE` shows what holds, and where it is from.
# Keys are not written here: use LEASEQ_AUTHKEY, authkey_file or keys_file.
";

fn template() -> String {
    let mut text = HEAD.to_owned();
    let mut section = None;
    for spec in options().iter().filter(|spec| !spec.is_secret()) {
        if spec.section() != section {
            section = spec.section();
            let _ = writeln!(text, "\n[{}]", section.unwrap_or_default());
        }
        text.push('\n');
        for line in wrapped(spec.help, 97) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# Allowed: {}.", spec.kind.allowed());
        let _ = writeln!(text, "#{} = {}", name(spec), value(spec));
    }
    text
}

/// The key without its section.
fn name(spec: &OptionSpec) -> &'static str {
    spec.key.split_once('.').map_or(spec.key, |(_, name)| name)
}

fn value(spec: &OptionSpec) -> String {
    match spec.kind {
        Kind::Switch | Kind::Count { .. } | Kind::Factor { .. } => spec.default.to_owned(),
        Kind::Address
        | Kind::AddressOrOff
        | Kind::Path
        | Kind::Choice(_)
        | Kind::Sync
        | Kind::Bytes { .. }
        | Kind::Duration { .. }
        | Kind::Secret => format!("{:?}", spec.default),
    }
}

/// The words of `text` in lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use leaseq_server::config::Layer;

    use super::*;

    #[test]
    fn the_template_is_a_file_that_the_server_accepts() {
        let path = Path::new("template.toml");
        assert!(Layer::from_toml(path, &template()).is_ok());
    }

    #[test]
    fn so_it_is_with_every_option_switched_on_that_has_a_default() {
        let text: Vec<String> = template()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(option) if !option.starts_with(' ') && !option.ends_with("\"\"") => option,
                _ => line,
            })
            .map(str::to_owned)
            .collect();
        let layer = Layer::from_toml(Path::new("template.toml"), &text.join("\n"));
        assert!(layer.is_ok(), "{layer:?}");
    }
}
