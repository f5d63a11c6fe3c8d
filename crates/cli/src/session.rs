//! What every command about a stack begins with: files, names, the server, the stack on it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use drover_compose::{Severity, StackSpec};
use drover_rollout::wait::FAILING_FOR;
use drover_rollout::{Event, ServiceView, list, members, view_of};
use tokio::time::Instant;

use crate::Program;
use crate::args::{Common, OutputOptions, ServerOptions};
use crate::client::Client;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::project::{Files, Project, ProjectError, Values, directory_name};
use crate::settings;

/// A command at work: the files it is about, and the [work](drover_rollout::Session) on a stack, to which it derefs.
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) reporter: &'a Reporter,
    work: drover_rollout::Session<'a>,
    files: Option<Files>,
    values: Values,
    is_named: bool,
}

impl<'a> Deref for Session<'a> {
    type Target = drover_rollout::Session<'a>;

    fn deref(&self) -> &Self::Target {
        &self.work
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.work
    }
}

impl<'a> Session<'a> {
    /// Find the files, reach the server, look for the stack.
    pub(crate) async fn begin(
        common: &Common,
        program: Program,
        reporter: &'a Reporter,
    ) -> Result<Self, Failure> {
        let deadline = deadline(common.output);
        let values = Values::read(&common.stack, program)?;
        let env = |name: &str| values.setting(name);
        let directory = directory_name(&common.stack, &values);
        let name = settings::project_name(&common.stack, &env, &directory);
        let is_named = settings::is_named(&common.stack, &env);
        let files = Files::find(&common.stack, &values)?;
        let client = match reach(&common.server, &env).await {
            Ok(client) => client,
            Err(error) => {
                // Mistakes in the files are worth more than that nobody is there to take them.
                if let Some(files) = &files {
                    files.parse(&name, &values, &BTreeMap::new())?;
                }
                return Err(error);
            }
        };
        let mut work = drover_rollout::Session {
            api: Arc::new(client.clone()),
            reporter,
            name,
            stack: None,
            program,
            deadline,
            failing_for: FAILING_FOR,
        };
        work.find().await?;
        Ok(Self { client, reporter, work, files, values, is_named })
    }

    /// What the files ask for, with what is to be said about them said.
    pub(crate) fn project(&self) -> Result<StackSpec, Failure> {
        let Some(files) = &self.files else { return Err(ProjectError::NoFile.into()) };
        let Project { spec, warnings } = self.parse(files)?;
        for said in warnings {
            match said.severity {
                Severity::Error | Severity::Warning => {
                    self.reporter.tell(&Event::warning(said.to_string()));
                }
                Severity::Note => tracing::info!("{said}"),
            }
        }
        Ok(spec)
    }

    /// The services a command is about: those named, or those of the files, or, where the stack is named and
    /// no file is there, all of the stack.
    pub(crate) async fn selected(&self, names: &[String]) -> Result<Vec<ServiceView>, Failure> {
        let views = self.services().await?;
        let known: Option<Vec<(String, Vec<String>)>> = match &self.files {
            Some(files) => Some(members(&self.parse(files)?.spec)),
            None if self.is_named => None,
            None => return Err(ProjectError::NoFile.into()),
        };
        select(&views, known.as_deref(), names).map_err(Failure::Failed)
    }

    fn parse(&self, files: &Files) -> Result<Project, ProjectError> {
        let none = BTreeMap::new();
        let answers = self.stack.as_ref().map_or(&none, |stack| &stack.answers);
        files.parse(&self.name, &self.values, answers)
    }
}

/// The server that options and environment name.
pub(crate) async fn reach(
    options: &ServerOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Client, Failure> {
    Ok(Client::connect(&settings::server(options, env)?).await?)
}

/// When waiting ends.
pub(crate) fn deadline(output: OutputOptions) -> Instant {
    let timeout = output.timeout.map_or(settings::DEFAULT_TIMEOUT, Duration::from_secs);
    // A number that overflows the clock means "for ever".
    Instant::now()
        .checked_add(timeout)
        .unwrap_or_else(|| Instant::now() + Duration::from_hours(8760))
}

/// Which of the services are meant. A sidekick's name means the service it belongs to.
pub(crate) fn select(
    views: &[ServiceView],
    known: Option<&[(String, Vec<String>)]>,
    names: &[String],
) -> Result<Vec<ServiceView>, String> {
    let on_server = |name: &str| view_of(views, name);
    if names.is_empty() {
        return Ok(match known {
            Some(known) => known.iter().filter_map(|(name, _)| on_server(name)).cloned().collect(),
            None => views.to_vec(),
        });
    }
    let mut chosen: Vec<ServiceView> = Vec::new();
    for name in names {
        let owner = known.into_iter().flatten().find(|(_, sidekicks)| sidekicks.contains(name));
        let meant = owner.map_or(name, |(primary, _)| primary);
        let Some(view) = on_server(meant) else {
            let in_files = known.is_some_and(|known| known.iter().any(|(known, _)| known == meant));
            return Err(if in_files {
                format!("{meant} is in the files but not on the server yet; `up` creates it")
            } else {
                let all: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
                format!("No such service: {name}; the stack has {}", list(&all))
            });
        };
        if !chosen.iter().any(|held| held.id == view.id) {
            chosen.push(view.clone());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn views(names: &[&str]) -> Vec<ServiceView> {
        let view = |name: &&str| ServiceView::read(&json!({ "id": name, "name": name }));
        names.iter().map(view).collect()
    }

    fn chosen(names: &[&str], with_files: bool) -> String {
        let known = [("db".to_owned(), vec![]), ("web".to_owned(), vec!["log".to_owned()])];
        let known = with_files.then_some(&known[..]);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match select(&views(&["web", "db", "old"]), known, &names) {
            Ok(views) => views.into_iter().map(|v| v.name).collect::<Vec<_>>().join(" "),
            Err(why) => why,
        }
    }

    #[test]
    fn which_services_are_meant() {
        assert_eq!(chosen(&[], true), "db web");
        assert_eq!(chosen(&[], false), "web db old");
        assert_eq!(chosen(&["log", "web"], true), "web");
        assert_eq!(chosen(&["old"], true), "old");
        assert_eq!(chosen(&["x"], true), "No such service: x; the stack has web, db and old");
    }
}
