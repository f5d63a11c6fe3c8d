//! Who works on what: an environment of a server, a stack in it, whoever is told, and how long there is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::ServiceId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Program;
use crate::api::Api;
use crate::error::{CallError, Failure};
use crate::event::{Event, Report};
use crate::view::{ServiceView, text};
use crate::wait::{self, Patience, Rest, Wanted};

/// Between two looks whether the server has taken a new service in, which takes it one plan.
const REGISTERED_AFTER: Duration = Duration::from_millis(20);

/// A stack on the server.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Answers for variables in the files that are kept with it.
    pub answers: BTreeMap<String, String>,
}

/// Work on one stack.
pub struct Session<'a> {
    /// What is asked.
    pub api: Arc<dyn Api>,
    /// Who is told.
    pub reporter: &'a dyn Report,
    /// Name of the stack.
    pub name: String,
    /// The stack, if it is there.
    pub stack: Option<Stack>,
    /// Whose advice it is.
    pub program: Program,
    /// When waiting ends.
    pub deadline: Instant,
    /// How long trouble that the server keeps working at may last.
    pub failing_for: Duration,
}

impl Session<'_> {
    /// Look for the stack.
    pub async fn find(&mut self) -> Result<(), CallError> {
        self.stack = self.find_stack(&self.name).await?;
        Ok(())
    }

    /// The services of the stack, as the server sees them now.
    pub async fn services(&self) -> Result<Vec<ServiceView>, CallError> {
        let Some(stack) = &self.stack else { return Ok(Vec::new()) };
        self.services_of(&stack.id).await
    }

    /// The same, once none of these is `registering` any more: a new service takes no action until then.
    pub async fn registered(&self, names: &[&str]) -> Result<Vec<ServiceView>, Failure> {
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
        let rows = self.api.list("list the services of the stack", "services", &filters).await?;
        Ok(rows.iter().map(ServiceView::read).filter(|view| view.state != "removed").collect())
    }

    /// A service of any stack.
    pub async fn find_service(
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
        let rows = self.api.list(&doing, "stacks", &filters).await?;
        let found = rows.iter().find(|row| text(row, "name").eq_ignore_ascii_case(name));
        Ok(found.map(Stack::read))
    }

    /// The stack, which must be there.
    pub fn stack(&self) -> Result<&Stack, Failure> {
        self.stack.as_ref().ok_or_else(|| {
            Failure::Failed(format!(
                "there is no stack {} on {}; `up` creates it, -p names another one",
                self.name,
                self.api.place()
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
        let made = self.api.create(&doing, "stacks", &json!({ "name": self.name })).await?;
        let stack = Stack::read(&made);
        self.stack = Some(stack.clone());
        Ok(stack)
    }

    /// Wait for the outcome of all that was asked.
    pub async fn wait(&self, wanted: Vec<Wanted>) -> Result<(), Failure> {
        self.wait_and(wanted, Rest::Nothing).await
    }

    /// Wait for what is asked so far, and maybe go on from there.
    pub async fn wait_and(&self, wanted: Vec<Wanted>, rest: Rest) -> Result<(), Failure> {
        let stack = self.stack()?;
        let (until, failing_for, program) = (self.deadline, self.failing_for, self.program);
        let patience = Patience { until, failing_for, program, rest };
        wait::wait(&*self.api, self.reporter, &stack.id, wanted, patience).await
    }
}

/// A service by its name, in any case.
pub fn view_of<'a>(views: &'a [ServiceView], name: &str) -> Option<&'a ServiceView> {
    views.iter().find(|view| view.name.eq_ignore_ascii_case(name))
}

/// A server's id of a service as a number, for rules that hold numbers.
pub(crate) fn service_number(view: &ServiceView) -> Option<ServiceId> {
    drover_api::Kind::Service.parse(&view.id).map(ServiceId)
}

impl Stack {
    /// Read a stack resource.
    pub fn read(value: &Value) -> Self {
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
pub fn members(spec: &drover_compose::StackSpec) -> Vec<(String, Vec<String>)> {
    let one = |service: &drover_compose::ServiceSpec| {
        (service.name.clone(), service.template.sidekicks.keys().cloned().collect())
    };
    spec.services.iter().map(one).collect()
}

/// `a, b and c`, or `none`.
pub fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}
