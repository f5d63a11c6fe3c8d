//! What is asked: the kinds of requests, and what there is to ask for.

use serde_json::{Value, json};

use super::stand::{Stand, text};
use crate::bench::BenchError;

/// Members of each collection that are asked for.
const CHOSEN: usize = 20;

/// Things of one project, a few of each kind, from the whole of its lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    pub(super) projects: Vec<Chosen>,
}

/// Those of one project.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub(super) project: String,
    pub(super) stacks: Vec<Value>,
    pub(super) services: Vec<Value>,
    pub(super) containers: Vec<Value>,
    pub(super) hosts: Vec<Value>,
}

/// What a request is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What all others are compared with.
    Floor,
    /// One resource.
    One,
    /// A collection.
    List,
    /// A change.
    Act,
}

impl Class {
    /// The aim for its p99, milliseconds.
    pub(super) fn aim_ms(self) -> Option<f64> {
        match self {
            Self::Floor | Self::Act => None,
            Self::One => Some(10.0),
            Self::List => Some(200.0),
        }
    }
}

/// A kind of request: name, class, method, path, body. In the path `P` is the project, `ST`, `S`, `C` and `H` are ids of a stack,
/// service, container and host, `NAME` a service's name; in the body `N` is a number that is another one each time.
type Kind = (&'static str, Class, &'static str, &'static str, &'static str);

/// All of them; the first is the floor.
pub(super) const KINDS: &[Kind] = &[
    ("ping", Class::Floor, "GET", "/ping", ""),
    ("one stack", Class::One, "GET", "P/stacks/ST", ""),
    ("one service", Class::One, "GET", "P/services/S", ""),
    ("one container", Class::One, "GET", "P/containers/C", ""),
    ("one host", Class::One, "GET", "P/hosts/H", ""),
    ("the project", Class::One, "GET", "P", ""),
    ("stacks", Class::List, "GET", "P/stacks", ""),
    ("services", Class::List, "GET", "P/services", ""),
    ("containers", Class::List, "GET", "P/containers", ""),
    ("hosts", Class::List, "GET", "P/hosts", ""),
    ("hosts, all projects", Class::List, "GET", "/v2-beta/hosts?limit=100", ""),
    ("services, all projects", Class::List, "GET", "/v2-beta/services?limit=100", ""),
    ("containers, all projects", Class::List, "GET", "/v2-beta/containers?limit=100", ""),
    (
        "a service by name",
        Class::List,
        "GET",
        "P/services?name=NAME&stackId=ST&removed_null=<nil>",
        "",
    ),
    ("a stack's services", Class::List, "GET", "P/stacks/ST/services", ""),
    ("a stack by name", Class::List, "GET", "P/stacks?name=stack-1&removed_null=<nil>", ""),
    ("a service's containers", Class::List, "GET", "P/services/S/instances", ""),
    ("a host's containers", Class::List, "GET", "P/containers?hostId=H&limit=1000", ""),
    ("containers that don't run", Class::List, "GET", "P/containers?state_ne=running", ""),
    ("containers by name", Class::List, "GET", "P/containers?sort=name&order=desc", ""),
    ("services with containers", Class::List, "GET", "P/services?limit=20&include=instances", ""),
    ("who links to what", Class::List, "GET", "P/serviceconsumemaps?serviceId=S", ""),
    ("a change", Class::Act, "PUT", "P/services/S", r#"{"description":"N"}"#),
    ("an action", Class::Act, "POST", "P/services/S/?action=update", r#"{"description":"N"}"#),
];

/// A request of a kind, the `turn`th of a client: path and body.
pub(super) fn request(kind: &Kind, targets: &Targets, turn: usize) -> (String, Value) {
    let (_, _, _, path, body) = *kind;
    let Some(of) = pick(&targets.projects, turn) else { return (path.to_owned(), Value::Null) };
    let turn = turn / targets.projects.len();
    let service = pick(&of.services, turn).cloned().unwrap_or_default();
    let id = |from: &[Value]| pick(from, turn).map(|one| text(&one["id"])).unwrap_or_default();
    // One after the other, longest first: no replacement holds a placeholder of a later one.
    let mut whole = path.replace("NAME", &text(&service["name"]));
    let stack = if path.contains("NAME") { text(&service["stackId"]) } else { id(&of.stacks) };
    for (placeholder, put) in [
        ("/ST", format!("/{stack}")),
        ("=ST", format!("={stack}")),
        ("/S", format!("/{}", text(&service["id"]))),
        ("=S", format!("={}", text(&service["id"]))),
        ("/C", format!("/{}", id(&of.containers))),
        ("/H", format!("/{}", id(&of.hosts))),
        ("=H", format!("={}", id(&of.hosts))),
    ] {
        whole = whole.replace(placeholder, &put);
    }
    if let Some(rest) = whole.strip_prefix('P') {
        whole = format!("/v2-beta/projects/{}{rest}", of.project);
    }
    let body = serde_json::from_str(body).unwrap_or_default();
    (whole, numbered(body))
}

/// `N` as a number that was not there before.
fn numbered(body: Value) -> Value {
    use std::sync::atomic::{AtomicU64, Ordering};
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    if body["description"] == "N" {
        return json!({ "description": GIVEN.fetch_add(1, Ordering::Relaxed).to_string() });
    }
    body
}

fn pick<T>(from: &[T], turn: usize) -> Option<&T> {
    from.get(turn % from.len().max(1))
}

impl Targets {
    /// Choose from what is there.
    pub(super) fn choose(stand: &Stand) -> Result<Self, BenchError> {
        let mut targets = Self::default();
        for project in &stand.projects {
            let some = |plural: &str| -> Result<Vec<Value>, BenchError> {
                let path = format!("/v2-beta/projects/{project}/{plural}");
                let total = usize::try_from(stand.count(&format!("{path}?"))).unwrap_or_default();
                let at = |n: usize| n * total / CHOSEN;
                let mut chosen = Vec::new();
                for n in 0..CHOSEN.min(total) {
                    let page = format!("{path}?limit=1&marker=m{}", at(n));
                    chosen.extend(stand.solo.api().list(&page)?);
                }
                Ok(chosen)
            };
            targets.projects.push(Chosen {
                project: project.clone(),
                stacks: some("stacks")?,
                services: some("services")?,
                containers: some("containers")?,
                hosts: some("hosts")?,
            });
        }
        // Where there is nothing, nothing can be asked for.
        targets.projects.retain(|of| !of.containers.is_empty());
        Ok(targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_of_one_project() {
        let one = |id: &str| vec![json!({ "id": id, "name": "web", "stackId": "1st7" })];
        let chosen = Chosen {
            project: "1a5".to_owned(),
            stacks: one("1st1"),
            services: one("1s2"),
            containers: one("1i3"),
            hosts: one("1h4"),
        };
        let targets = Targets { projects: vec![chosen] };
        let path = |name: &str| {
            let kind = KINDS.iter().find(|kind| kind.0 == name).unwrap();
            request(kind, &targets, 3).0
        };
        for (name, want) in [
            ("ping", "/ping"),
            ("the project", "/v2-beta/projects/1a5"),
            ("one container", "/v2-beta/projects/1a5/containers/1i3"),
            ("a stack's services", "/v2-beta/projects/1a5/stacks/1st1/services"),
            (
                "a service by name",
                "/v2-beta/projects/1a5/services?name=web&stackId=1st7&removed_null=<nil>",
            ),
            ("a host's containers", "/v2-beta/projects/1a5/containers?hostId=1h4&limit=1000"),
            ("an action", "/v2-beta/projects/1a5/services/1s2/?action=update"),
            ("hosts, all projects", "/v2-beta/hosts?limit=100"),
        ] {
            assert_eq!(path(name), want, "{name}");
        }
    }
}
