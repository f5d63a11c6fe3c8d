//! `ps`: the containers of a stack, where they run and how they do.

use std::collections::BTreeMap;
use std::io::Write as _;

use drover_rollout::{ServiceView, number, text};
use serde_json::{Value, json};

use crate::Program;
use crate::args::Selected;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::session::Session;
use crate::table::{ago, now_ms, print};

const COLUMNS: [&str; 8] =
    ["NAME", "SERVICE", "STATE", "HOST", "IMAGE", "PORTS", "RESTARTS", "CREATED"];

/// `ps`.
pub(crate) async fn ps(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    let stack = session.stack()?;
    let views = session.selected(&options.services).await?;
    let filters = [("stackId", stack.id.as_str()), ("removed_null", "1")];
    let containers = session.client.list("list the containers", "containers", &filters).await?;
    let hosts = host_names(&session).await?;
    let rows = rows(&views, &containers, &hosts);
    if options.common.output.json {
        return print_json(&rows);
    }
    let now_ms = now_ms();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now_ms)).collect();
    print(&COLUMNS, &cells)
}

/// Host names by id; a host that is not listed any more is shown by its id.
pub(crate) async fn host_names(session: &Session<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let hosts = session.client.list("list the hosts", "hosts", &[]).await?;
    let name = |host: &Value| {
        let name = text(host, "name");
        let shown = if name.is_empty() { text(host, "hostname") } else { name };
        (text(host, "id"), shown)
    };
    Ok(hosts.iter().map(name).collect())
}

/// One row per container, and one per service that has none.
fn rows(
    views: &[ServiceView],
    containers: &[Value],
    hosts: &BTreeMap<String, String>,
) -> Vec<Value> {
    let mut rows = Vec::new();
    for view in views {
        let of_service = containers.iter().filter(|c| text(c, "serviceId") == view.id);
        let mut own: Vec<Value> = of_service.map(|container| row(view, container, hosts)).collect();
        own.sort_by_key(|row| natural(&text(row, "name")));
        if own.is_empty() {
            own.push(json!({ "service": view.name, "service_state": view.combined() }));
        }
        rows.extend(own);
    }
    rows
}

fn row(view: &ServiceView, container: &Value, hosts: &BTreeMap<String, String>) -> Value {
    let host = text(container, "hostId");
    let image = text(container, "imageUuid");
    json!({
        "id": container["id"],
        "name": container["name"],
        "service": view.name,
        "service_state": view.combined(),
        "state": container["state"],
        "health": container["healthState"],
        "message": container["transitioningMessage"],
        "host": hosts.get(&host).unwrap_or(&host),
        "image": image.strip_prefix("docker:").unwrap_or(&image),
        "address": container["primaryIpAddress"],
        "ports": container["ports"],
        "starts": number(container, "startCount"),
        "exit_code": container["exitCode"],
        "created": container["created"],
        "created_ms": container["createdTS"],
    })
}

fn cells(row: &Value, now_ms: u64) -> Vec<String> {
    let shown = |member: &str| {
        let text = text(row, member);
        if text.is_empty() { "-".to_owned() } else { text }
    };
    if row["name"].is_null() {
        let state = format!("{}, no containers", text(row, "service_state"));
        let mut cells = vec!["-".to_owned(), shown("service"), state];
        cells.resize(COLUMNS.len(), "-".to_owned());
        return cells;
    }
    vec![
        shown("name"),
        shown("service"),
        state(row),
        shown("host"),
        shown("image"),
        ports(row),
        restarts(row),
        row["created_ms"].as_u64().map_or_else(|| shown("created"), |at| ago(now_ms, at)),
    ]
}

/// State and health: `running (healthy)`; and what is wrong, where something is.
fn state(row: &Value) -> String {
    let (state, health, message) = (text(row, "state"), text(row, "health"), text(row, "message"));
    let state = if health.is_empty() { state } else { format!("{state} ({health})") };
    if message.is_empty() || message == "In Progress" {
        state
    } else {
        format!("{state}: {message}")
    }
}

fn ports(row: &Value) -> String {
    let ports = row["ports"].as_array().into_iter().flatten();
    let ports: Vec<&str> = ports.filter_map(Value::as_str).collect();
    if ports.is_empty() { "-".to_owned() } else { ports.join(", ") }
}

/// Starts after the first, and how the last run ended.
fn restarts(row: &Value) -> String {
    let restarts = number(row, "starts").saturating_sub(1);
    match row["exit_code"].as_i64() {
        Some(code) if restarts > 0 || code != 0 || text(row, "state") != "running" => {
            format!("{restarts} (exit {code})")
        }
        _ => restarts.to_string(),
    }
}

fn print_json(rows: &[Value]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for row in rows {
        match writeln!(out, "{row}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(Failure::Output)?,
        }
    }
    Ok(())
}

/// So that `web-10` comes after `web-9`.
fn natural(name: &str) -> (String, u64) {
    match name.rsplit_once('-') {
        Some((front, digits)) => match digits.parse() {
            Ok(n) => (front.to_owned(), n),
            Err(_) => (name.to_owned(), 0),
        },
        None => (name.to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_cells() {
        let web = ServiceView::read(&json!({
            "id": "1s1", "name": "web", "state": "active", "healthState": "healthy",
        }));
        let alias = ServiceView::read(&json!({ "id": "1s2", "name": "alias", "state": "active" }));
        let container = |name: &str, more: Value| {
            let mut container = json!({
                "id": "1i1", "name": name, "serviceId": "1s1", "state": "running", "hostId": "1h1",
                "imageUuid": "docker:nginx:1", "ports": ["8080:80/tcp"], "startCount": 1,
                "createdTS": 1_000_000,
            });
            for (key, value) in more.as_object().unwrap() {
                container[key] = value.clone();
            }
            container
        };
        let containers = [
            container("s-web-10", json!({ "healthState": "healthy" })),
            container("s-web-9", json!({ "startCount": 4, "exitCode": 137, "hostId": "1h9" })),
        ];
        let hosts = BTreeMap::from([("1h1".to_owned(), "node1".to_owned())]);
        let lines: Vec<String> = rows(&[web, alias], &containers, &hosts)
            .iter()
            .map(|row| cells(row, 1_090_000).join(" | "))
            .collect();
        assert_eq!(
            lines,
            [
                "s-web-9 | web | running | 1h9 | nginx:1 | 8080:80/tcp | 3 (exit 137) | 1 min ago",
                "s-web-10 | web | running (healthy) | node1 | nginx:1 | 8080:80/tcp | 0 | 1 min ago",
                "- | alias | active, no containers | - | - | - | - | -",
            ]
        );
    }
}
