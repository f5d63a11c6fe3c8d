//! What every command about a stack begins with: files, names, the server, the stack on it.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_compose::{Severity, StackSpec};
use drover_core::ServiceId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Program;
use crate::args::{Common, OutputOptions, ServerOptions};
use crate::client::{CallError, Client};
use crate::failure::Failure;
use crate::progress::{Event, Reporter};
use crate::project::{Files, Project, ProjectError, Values, directory_name};
use crate::settings;
use crate::wait::{self, Patience, Rest, Wanted};
use crate::wire::{ServiceView, text};

/// Between two looks whether the server has taken a new service in, which takes it one plan.
const REGISTERED_AFTER: Duration = Duration::from_millis(20);

/// A stack on the server.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Answers for variables in the files that are kept with it.
    pub(crate) answers: BTreeMap<String, String>,
}

/// A command at work.
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) reporter: &'a Reporter,
    /// Name of the stack.
    pub(crate) name: String,
    /// The stack, if it is there.
    pub(crate) stack: Option<Stack>,
    program: Program,
    files: Option<Files>,
    values: Values,
    is_named: bool,
    deadline: Instant,
}

impl<'a> Session<'a> {
    /// Find the files, reach the server, look for the stack.
    pub(crate) async fn begin(
        common: &Common,
        program: Program,
        reporter: &'a Reporter,
    ) -> Result<Self, Failure> {
        let deadline = deadline(common.output);
        let values = Values::read(&common.stack, program == Program::Drover)?;
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
        let stack = None;
        let mut session =
            Self { client, reporter, name, stack, program, files, values, is_named, deadline };
        session.stack = session.find_stack(&session.name).await?;
        Ok(session)
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

    /// The services of the stack, as the server sees them now.
    pub(crate) async fn services(&self) -> Result<Vec<ServiceView>, CallError> {
        let Some(stack) = &self.stack else { return Ok(Vec::new()) };
        self.services_of(&stack.id).await
    }

    /// The same, once none of these is `registering` any more: a new service takes no action until then.
    pub(crate) async fn registered(&self, names: &[&str]) -> Result<Vec<ServiceView>, Failure> {
        loop {
            let views = self.services().await?;
            let is_new = |view: &&ServiceView| {
                matches!(view.state.as_str(), "requested" | "registering")
                    && names.iter().any(|name| view.name.eq_ignore_ascii_case(name))
            };
            let Some(new) = views.iter().find(is_new) else { return Ok(views) };
            if Instant::now() >= self.deadline {
                let name = &new.name;
                let why = format!(
                    "time is up, and the server has not taken {name} in yet; run the command again"
                );
                return Err(Failure::TimedOut(why));
            }
            tokio::time::sleep(REGISTERED_AFTER).await;
        }
    }

    /// The services of any stack.
    async fn services_of(&self, stack: &str) -> Result<Vec<ServiceView>, CallError> {
        let filters = [("stackId", stack), ("removed_null", "1")];
        let rows = self.client.list("list the services of the stack", "services", &filters).await?;
        Ok(rows.iter().map(ServiceView::read).filter(|view| view.state != "removed").collect())
    }

    /// A service of any stack.
    pub(crate) async fn find_service(
        &self,
        stack: &str,
        service: &str,
    ) -> Result<Option<ServiceView>, CallError> {
        let Some(stack) = self.find_stack(stack).await? else { return Ok(None) };
        Ok(view_of(&self.services_of(&stack.id).await?, service).cloned())
    }

    /// A stack by its name, in any case.
    async fn find_stack(&self, name: &str) -> Result<Option<Stack>, CallError> {
        let doing = format!("look for stack {name}");
        let filters = [("name", name), ("removed_null", "1")];
        let rows = self.client.list(&doing, "stacks", &filters).await?;
        let found = rows.iter().find(|row| text(row, "name").eq_ignore_ascii_case(name));
        Ok(found.map(Stack::read))
    }

    /// The stack, which must be there.
    pub(crate) fn stack(&self) -> Result<&Stack, Failure> {
        self.stack.as_ref().ok_or_else(|| {
            Failure::Failed(format!(
                "there is no stack {} on {}; `up` creates it, -p names another one",
                self.name,
                self.client.server()
            ))
        })
    }

    /// The stack, created if it isn't there.
    pub(crate) async fn make_stack(&mut self) -> Result<Stack, Failure> {
        if let Some(stack) = &self.stack {
            return Ok(stack.clone());
        }
        self.reporter.tell(&Event::general("create", format!("creating stack {}", self.name)));
        let doing = format!("create stack {}", self.name);
        let made = self.client.create(&doing, "stacks", &json!({ "name": self.name })).await?;
        let stack = Stack::read(&made);
        self.stack = Some(stack.clone());
        Ok(stack)
    }

    /// Wait for the outcome of all that was asked.
    pub(crate) async fn wait(&self, wanted: Vec<Wanted>) -> Result<(), Failure> {
        self.wait_and(wanted, Rest::Nothing).await
    }

    /// Wait for what is asked so far, and maybe go on from there.
    pub(crate) async fn wait_and(&self, wanted: Vec<Wanted>, rest: Rest) -> Result<(), Failure> {
        let stack = self.stack()?;
        let patience = Patience { until: self.deadline, program: self.program, rest };
        wait::wait(&self.client, self.reporter, &stack.id, wanted, patience).await
    }

    /// When waiting ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
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

/// A service by its name, in any case.
pub(crate) fn view_of<'a>(views: &'a [ServiceView], name: &str) -> Option<&'a ServiceView> {
    views.iter().find(|view| view.name.eq_ignore_ascii_case(name))
}

/// A server's id of a service as a number, for rules that hold numbers.
pub(crate) fn service_number(view: &ServiceView) -> Option<ServiceId> {
    drover_api::Kind::Service.parse(&view.id).map(ServiceId)
}

impl Stack {
    fn read(value: &Value) -> Self {
        let answers = value["environment"].as_object().into_iter().flatten();
        Self {
            id: text(value, "id"),
            name: text(value, "name"),
            answers: answers
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        }
    }
}

/// Services of the files and their sidekicks.
pub(crate) fn members(spec: &StackSpec) -> Vec<(String, Vec<String>)> {
    let one = |service: &drover_compose::ServiceSpec| {
        (service.name.clone(), service.template.sidekicks.keys().cloned().collect())
    };
    spec.services.iter().map(one).collect()
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

/// `a, b and c`, or `none`.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
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
