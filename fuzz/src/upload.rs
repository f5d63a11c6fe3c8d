//! Compose texts through the API, as catalogs send them: templates filled in, understood, and brought into being by the same
//! code that the server runs. Texts that make no sense are refused with words; what the others make breaks no rule, and what was
//! given comes back.
//!
//! An input is docker-compose.yml, rancher-compose.yml and answers (`NAME=value` by line), then the first two again for
//! an upgrade.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_api::{ApiError, Kind, stack_spec};
use drover_core::{Change, Stack, StackId};
use drover_rollout::{
    Answering, Api, Asked, At, Call, CallError, Failure, Plan, Program, Session, Silent, Verb,
};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::PARTED;
use crate::stage::Stage;

/// How often a stack is brought on before it is left where it is.
const ROUNDS: usize = 4;

/// One input.
///
/// # Panics
///
/// An answer is neither a 2xx nor a 4xx, or a rule is broken.
pub fn feed(data: &[u8]) {
    live(data);
}

/// The cluster that an input leaves behind.
pub fn live(data: &[u8]) -> Stage {
    let inside = Arc::new(Inside(Mutex::new(Stage::with_hosts())));
    inside.live(data);
    inside.stage().clone()
}

fn environment(answers: &str) -> Map<String, Value> {
    let pairs = answers.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// The API of a cluster in a value, for whoever brings stacks to their texts.
struct Inside(Mutex<Stage>);

impl Inside {
    fn live(self: &Arc<Self>, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        let mut parts = text.split(PARTED);
        let mut part = || parts.next().unwrap_or_default();
        let (docker, rancher, answers) = (part(), part(), part());
        let next = (part(), part());
        let body = json!({
            "name": "fuzz", "dockerCompose": docker, "rancherCompose": rancher,
            "environment": environment(answers),
        });
        let Some(made) = self.must_answer("POST", "/v2-beta/projects/1a1/stacks", &body) else {
            return;
        };
        let id = made["id"].as_str().unwrap_or_default();
        self.bring_up(id, &Asked::default());
        let url = format!("/v2-beta/projects/1a1/stacks/{id}/?action=exportconfig");
        let given = self.must_answer("POST", &url, &json!({})).unwrap_or_default();
        if !docker.trim().is_empty() {
            assert_eq!(given["dockerComposeConfig"], docker, "what was given comes back");
        }
        let url = format!("/v2-beta/projects/1a1/stacks/{id}/?action=upgrade");
        let body = json!({ "dockerCompose": next.0, "rancherCompose": next.1 });
        if self.must_answer("POST", &url, &body).is_some() {
            let asked = Asked { upgrade: true, ..Asked::default() };
            self.bring_up(id, &asked);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if it was refused, with a 4xx.
    fn must_answer(&self, method: &str, url: &str, body: &Value) -> Option<Value> {
        let mut stage = self.stage();
        let answer = stage.ask(method, url, body);
        stage.plan();
        let refused = match answer {
            Ok(answer) => return Some(answer),
            Err(refused) => refused,
        };
        assert!((400..500).contains(&refused.status()), "{method} {url}: {refused:?}");
        assert!(!refused.message.is_empty(), "{method} {url}: refused without a word");
        None
    }

    /// What the server's runner does with a stack that was asked for, in rounds: agents do their part between them.
    fn bring_up(self: &Arc<Self>, id: &str, asked: &Asked) {
        for _ in 0..ROUNDS {
            let Some(stack) = Kind::Stack.parse(id).and_then(|id| self.stack(StackId(id))) else {
                return;
            };
            let Some(rollout) = stack.due().cloned() else { return };
            let outcome = self.work(id, &stack, asked.clone());
            let is_done = outcome.is_ok();
            let mut stage = self.stage();
            if is_done && let Some(ended) = stack.ended(&rollout, outcome, stage.now) {
                stage.commit(&[Change::PutStack(ended)]);
            }
            stage.settle();
        }
    }

    /// As far as it goes without waiting.
    fn work(self: &Arc<Self>, id: &str, stack: &Stack, asked: Asked) -> Result<(), String> {
        let world = self.stage().world.clone();
        let spec = stack_spec(&world, stack).map_err(|refused| refused.to_string())?;
        let mut session = Session {
            api: self.clone(),
            reporter: &Silent,
            name: stack.name.clone(),
            stack: Some(drover_rollout::Stack {
                id: id.to_owned(),
                name: stack.name.clone(),
                answers: stack.environment.clone(),
            }),
            program: Program::Drover,
            deadline: Instant::now(),
            failing_for: Duration::ZERO,
        };
        let brought = async {
            let plan = Plan::make(&session, spec, asked).await?;
            plan.carry_out(&mut session).await
        };
        runtime().block_on(brought).map_err(|failure: Failure| failure.to_string())
    }

    fn stack(&self, id: StackId) -> Option<Stack> {
        self.stage().world.stacks.get(&id).map(|stack| (**stack).clone())
    }

    fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let url = match call.at {
            At::Path(path) => format!("/v2-beta/projects/1a1/{path}"),
            At::Url(url) => url.trim_start_matches("http://server").to_owned(),
        };
        let method = match call.verb {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        };
        let mut stage = self.stage();
        let answer = stage.ask(method, &url, call.body);
        if call.verb != Verb::Get {
            stage.plan();
        }
        answer.map_err(|refused: ApiError| {
            assert!((400..500).contains(&refused.status()), "{method} {url}: {refused:?}");
            CallError::Refused {
                doing: call.doing.to_owned(),
                status: refused.status(),
                code: refused.code.to_string(),
                message: refused.message,
            }
        })
    }
}

impl Api for Inside {
    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a> {
        Box::pin(std::future::ready(Inside::call(self, call)))
    }

    fn place(&self) -> &'static str {
        "this cluster"
    }

    fn environment(&self) -> &'static str {
        "1a1"
    }
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_time().build();
    built.expect("a runtime without I/O can always be made")
}
