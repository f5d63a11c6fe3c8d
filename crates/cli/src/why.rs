//! `why`: what a service, a container or a host waits for, what stands behind that, and the ways out.
//!
//! Everything comes from the server's own words, put in the order of cause and effect. Pure, but for the asking.

use drover_rollout::{ServiceView, text};
use serde_json::{Value, json};

use crate::Program;
use crate::args::Why;
use crate::failure::Failure;
use crate::operator::say;
use crate::progress::Reporter;
use crate::session::Session;
use crate::status::progress;

/// What is known of the stack, and of hosts.
struct Known {
    services: Vec<ServiceView>,
    containers: Vec<Value>,
    hosts: Vec<Value>,
    program: &'static str,
}

/// The answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    /// What it is about and how that stands.
    subject: String,
    /// What is behind it, each with what is behind that.
    causes: Vec<Cause>,
    /// What can be done.
    exits: Vec<String>,
}

/// Why something is as it is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cause {
    text: String,
    /// What is behind that.
    behind: Vec<String>,
    /// When it is over or decided at the latest, as the server has it; empty where only someone or something can end it.
    deadline: String,
}

/// `why`.
pub(crate) async fn why(
    options: &Why,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    let stack = session.stack()?;
    let filters = [("stackId", stack.id.as_str()), ("removed_null", "1")];
    let known = Known {
        services: session.services().await?,
        containers: session.client.list("list the containers", "containers", &filters).await?,
        hosts: session.client.list("list the hosts", "hosts", &[]).await?,
        program: program.name(),
    };
    let answer = known.explain(&options.name).ok_or_else(|| {
        let names: Vec<&str> = known.services.iter().map(|view| view.name.as_str()).collect();
        Failure::Failed(format!(
            "there is no service, container or host called {}; the services of the stack are {}",
            options.name,
            names.join(", ")
        ))
    })?;
    if options.common.output.json {
        return say(&answer.as_json().to_string());
    }
    answer.lines().iter().try_for_each(|line| say(line))
}

impl Known {
    fn explain(&self, name: &str) -> Option<Answer> {
        if let Some(view) = self.services.iter().find(|view| view.name.eq_ignore_ascii_case(name)) {
            return Some(self.of_service(view));
        }
        if let Some(container) = self.containers.iter().find(|c| text(c, "name") == name) {
            return Some(self.of_container(container));
        }
        let is_it =
            |host: &&Value| ["name", "hostname", "id"].iter().any(|k| text(host, k) == name);
        self.hosts.iter().find(is_it).map(|host| self.of_host(host))
    }

    fn of_service(&self, view: &ServiceView) -> Answer {
        let health =
            if view.health.is_empty() { String::new() } else { format!(", {}", view.health) };
        let mut subject = format!(
            "{}: {}{health}, {} of {} run",
            view.name, view.state, view.current_scale, view.scale
        );
        if view.whole["upgrade"].is_object() {
            let quiet = ServiceView { message: String::new(), ..view.clone() };
            subject = format!("{subject}; {}", progress(&quiet, None));
        }
        let causes = view.whole["causes"].as_array().into_iter().flatten();
        let causes =
            causes.map(|cause| Cause { behind: self.behind(cause), ..said(cause) }).collect();
        Answer { subject, causes, exits: self.exits(view) }
    }

    fn of_container(&self, container: &Value) -> Answer {
        let (name, state) = (text(container, "name"), text(container, "state"));
        let service = self.services.iter().find(|view| view.id == text(container, "serviceId"));
        let mut causes: Vec<Cause> = Vec::new();
        let message = text(container, "transitioningMessage");
        if !message.is_empty() {
            causes.push(Cause { behind: self.behind(container), ..Cause::of(message) });
        }
        for cause in service.iter().filter_map(|view| view.whole["causes"].as_array()).flatten() {
            let is_its = cause["instanceId"] == container["id"];
            if is_its {
                causes.push(said(cause));
            }
        }
        let subject = format!("{name}: {state}");
        Answer { subject, causes, exits: service.map(|view| self.exits(view)).unwrap_or_default() }
    }

    fn of_host(&self, host: &Value) -> Answer {
        let mut answer = Answer { subject: stand(host), ..Answer::default() };
        let said = text(host, "transitioningMessage");
        if !said.is_empty() {
            answer.causes.push(Cause::of(said));
        }
        let waits = |view: &&ServiceView| {
            let mut causes = view.whole["causes"].as_array().into_iter().flatten();
            causes.any(|cause| cause["hostId"] == host["id"])
        };
        let waiting: Vec<&str> =
            self.services.iter().filter(waits).map(|view| view.name.as_str()).collect();
        if !waiting.is_empty() && !answer.causes.is_empty() {
            let waiting = waiting.join(", ");
            answer.causes.push(Cause::of(format!("services wait for it: {waiting}")));
        }
        let (program, name) = (self.program, shown(host));
        match text(host, "agentState").as_str() {
            "active" => {}
            _ => answer.exits.push(format!(
                "bring its agent back, or forget the host for good: {program} host rm {name}"
            )),
        }
        match text(host, "state").as_str() {
            "evacuating" => answer
                .exits
                .push(format!("call the evacuation off: {program} host activate {name}")),
            "inactive" => {
                answer.exits.push(format!("let it take new units: {program} host activate {name}"));
            }
            _ => {}
        }
        answer
    }

    /// The host that something is on, if that is not well.
    fn behind(&self, what: &Value) -> Vec<String> {
        let host = self.hosts.iter().find(|host| host["id"] == what["hostId"]);
        let unwell = host.filter(|host| {
            text(host, "agentState") != "active" || !text(host, "transitioningMessage").is_empty()
        });
        let words = |host: &Value| match text(host, "transitioningMessage").as_str() {
            "" => stand(host),
            said => format!("{}: {said}", stand(host)),
        };
        unwell.map(words).into_iter().collect()
    }

    /// What its state allows.
    fn exits(&self, view: &ServiceView) -> Vec<String> {
        let (program, name) = (self.program, &view.name);
        let upgraded = view.whole["upgrade"].is_object();
        let offers = |action: &str| view.actions.contains(action);
        let mut exits = Vec::new();
        if offers("finishupgrade") {
            exits.push(format!("keep the new version: {program} up --confirm-upgrade {name}"));
        }
        if offers("continueupgrade") {
            exits.push(format!("go on with the upgrade: {program} upgrade continue {name}"));
        }
        if upgraded && offers("rollback") {
            exits.push(format!("return to the old version: {program} up --rollback {name}"));
        }
        if offers("cancelupgrade") {
            exits.push(format!("stop the upgrade half-way: {program} upgrade cancel {name}"));
        }
        if view.state == "inactive" {
            exits.push(format!("start it: {program} start {name}"));
        }
        if !upgraded && view.transitioning == "error" && view.state != "inactive" {
            exits.push(format!(
                "mend what is said above, or go back to an earlier configuration: {program} history {name}, {program} rollback {name} --to N"
            ));
        }
        exits
    }
}

impl Cause {
    fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// One of the server's causes, without what is behind it.
fn said(cause: &Value) -> Cause {
    Cause { deadline: text(cause, "deadline"), ..Cause::of(text(cause, "text")) }
}

impl Answer {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.subject.clone()];
        if self.causes.is_empty() {
            lines.push("  nothing is in its way".to_owned());
        }
        for cause in &self.causes {
            lines.push(format!("  because {}", cause.text));
            lines.extend(cause.behind.iter().map(|text| format!("    because {text}")));
        }
        lines.extend(self.exits.iter().map(|exit| format!("  to {exit}")));
        lines
    }

    fn as_json(&self) -> Value {
        let causes = self.causes.iter().map(|cause| {
            let deadline = Some(&cause.deadline).filter(|text| !text.is_empty());
            json!({ "text": cause.text, "behind": cause.behind, "deadline": deadline })
        });
        json!({
            "subject": self.subject,
            "causes": causes.collect::<Vec<_>>(),
            "exits": self.exits,
        })
    }
}

fn shown(host: &Value) -> String {
    let name = text(host, "name");
    if name.is_empty() { text(host, "hostname") } else { name }
}

/// `node2: active, its agent is reconnecting`.
fn stand(host: &Value) -> String {
    let (name, state) = (shown(host), text(host, "state"));
    match text(host, "agentState").as_str() {
        "active" => format!("{name}: {state}"),
        agent => format!("{name}: {state}, its agent is {agent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let web = json!({
            "id": "1s5", "type": "service", "name": "web", "state": "upgrading", "healthState": "degraded",
            "scale": 3, "currentScale": 2, "transitioning": "error",
            "actions": { "rollback": "u", "cancelupgrade": "u" },
            "upgrade": {
                "fromRevision": 1, "toRevision": 2, "slotsMoved": 1,
                "inServiceStrategy": { "batchSize": 1 },
            },
            "causes": [
                { "text": "shop-web-2: waiting for host node2, which is not connected", "stuck": true,
                  "instanceId": "1i8", "hostId": "1h2" },
                { "text": "upgrading: 1 of 3 moved", "stuck": false },
            ],
        });
        let db = json!({ "id": "1s6", "type": "service", "name": "db", "state": "active",
            "healthState": "healthy", "scale": 1, "currentScale": 1, "causes": [] });
        Known {
            services: [web, db].iter().map(ServiceView::read).collect(),
            containers: vec![
                json!({ "id": "1i8", "name": "shop-web-2", "state": "running", "serviceId": "1s5",
                "hostId": "1h2", "transitioningMessage": "node2 is not connected: this is what was last seen" }),
            ],
            hosts: vec![json!({ "id": "1h2", "hostname": "node2", "state": "active",
                "agentState": "reconnecting",
                "transitioningMessage": "it is not connected and does not answer node1 either" })],
            program: "drover",
        }
    }

    fn check(name: &str, want: &[&str]) {
        assert_eq!(known().explain(name).unwrap().lines(), want, "{name}");
    }

    #[test]
    fn a_service_is_traced_to_the_host_behind_it() {
        check(
            "web",
            &[
                "web: upgrading, degraded, 2 of 3 run; revision 1 to 2, 1 of 3 slots moved, 1 at a time",
                "  because shop-web-2: waiting for host node2, which is not connected",
                "    because node2: active, its agent is reconnecting: it is not connected and does not answer node1 either",
                "  because upgrading: 1 of 3 moved",
                "  to return to the old version: drover up --rollback web",
                "  to stop the upgrade half-way: drover upgrade cancel web",
            ],
        );
        check("db", &["db: active, healthy, 1 of 1 run", "  nothing is in its way"]);
    }

    #[test]
    fn a_container_and_a_host_too() {
        check(
            "shop-web-2",
            &[
                "shop-web-2: running",
                "  because node2 is not connected: this is what was last seen",
                "    because node2: active, its agent is reconnecting: it is not connected and does not answer node1 either",
                "  because shop-web-2: waiting for host node2, which is not connected",
                "  to return to the old version: drover up --rollback web",
                "  to stop the upgrade half-way: drover upgrade cancel web",
            ],
        );
        check(
            "node2",
            &[
                "node2: active, its agent is reconnecting",
                "  because it is not connected and does not answer node1 either",
                "  because services wait for it: web",
                "  to bring its agent back, or forget the host for good: drover host rm node2",
            ],
        );
        assert_eq!(known().explain("nobody"), None);
    }
}
