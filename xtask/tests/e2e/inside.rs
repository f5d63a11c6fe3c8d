//! Programs of this machine that run where a container is: in its network.

use std::path::Path;
use std::process::Command;

use xtask::command::{output, printed};

use super::stage::Stage;

/// The network of a running container.
pub(crate) struct Inside<'a> {
    stage: &'a Stage,
    host: u8,
    network: String,
    /// The container's address between hosts.
    pub(crate) address: String,
}

impl<'a> Inside<'a> {
    /// That of this container.
    pub(crate) fn of(stage: &'a Stage, host: u8, container: &str) -> Self {
        let seen = stage.cluster.engine(host).inspect(container).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let network = &seen["NetworkSettings"];
        let address = text(&network["Networks"]["drover"]["IPAddress"]);
        Self { stage, host, network: text(&network["SandboxKey"]), address }
    }

    /// A program with these words, to be run there.
    pub(crate) fn command(&self, program: &str, words: &str) -> Command {
        let bed = &self.stage.cluster.bed;
        let mut command = bed.command_in(self.host, &self.network, Path::new(program)).unwrap();
        command.args(words.split_whitespace());
        command
    }

    /// What it prints; it must succeed.
    #[track_caller]
    pub(crate) fn ask(&self, program: &str, words: &str) -> String {
        let mut command = self.command(program, words);
        let done = output(&mut command);
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", printed(&command)));
        String::from_utf8(done.stdout).unwrap()
    }
}
