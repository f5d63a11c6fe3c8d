//! What the parser makes of files: by key, by mistake, by whole file, there and back, and by accident.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests too.

mod errors;
mod export;
mod files;
mod keys;
mod mutated;
mod rules;

use drover_compose::{Diagnostic, Input, Parsed, parse};

/// Files by name: docker-compose and rancher-compose files are parsed, the others can be read by them.
struct Files<'a> {
    files: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
}

impl Files<'_> {
    fn parse(&self) -> Result<Parsed, Vec<Diagnostic>> {
        let named = |part: &str| {
            let found = self.files.iter().filter(move |(name, _)| name.contains(part));
            found.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<Vec<_>>()
        };
        let variables = |name: &str| {
            let found = self.variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let read = |path: &str| {
            let found = self.files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
        };
        parse(&Input {
            docker_compose: named("docker-compose"),
            rancher_compose: named("rancher-compose").pop(),
            variables: &variables,
            read: &read,
            project: "shop",
        })
    }
}

/// Parse one docker-compose file.
fn docker(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    Files { files: &[("docker-compose.yml", text)], variables: &[] }.parse()
}

/// Parse a docker-compose and a rancher-compose file.
fn both(docker: &str, rancher: &str) -> Result<Parsed, Vec<Diagnostic>> {
    let files = [("docker-compose.yml", docker), ("rancher-compose.yml", rancher)];
    Files { files: &files, variables: &[] }.parse()
}

/// What was said, a line each.
fn lines(said: &[Diagnostic]) -> String {
    let lines: Vec<_> = said.iter().map(|d| format!("{}: {d}\n", d.severity)).collect();
    lines.concat()
}
