//! `network doctor`: a row for every host, a sentence for everything that is wrong, and what to do about it. What is
//! wrong is the server's to say, which asks all agents.

use drover_rollout::{nothing, number, text};
use serde_json::Value;

use crate::args::Operator;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::table::print;

const COLUMNS: [&str; 7] = ["HOST", "ADDRESS", "SUBNET", "MTU", "HOSTS", "NAMES", "ADDRESSES"];

/// `network doctor`.
pub(super) async fn doctor(operator: &Operator) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let project = format!("projects/{}", client.environment());
    let doing = "examine the network";
    let diagnosis = client.act(doing, &project, "networkdoctor", &nothing()).await?;
    if operator.output.json {
        say(&diagnosis.to_string())?;
    } else {
        let hosts = rows(&diagnosis, "hosts").iter().map(cells).collect::<Vec<_>>();
        print(&COLUMNS, &hosts)?;
        for finding in rows(&diagnosis, "findings") {
            say(&format!("\n{}", paragraph(finding)))?;
        }
    }
    let summary = text(&diagnosis, "summary");
    if diagnosis["healthy"] != true {
        return Err(Failure::Failed(summary));
    }
    if operator.output.json { Ok(()) } else { say(&format!("\n{}", capital(&summary))) }
}

fn rows<'a>(diagnosis: &'a Value, member: &str) -> &'a [Value] {
    diagnosis[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A host's row; what is not known is `-`.
fn cells(host: &Value) -> Vec<String> {
    let shown = |value: String| if value.is_empty() { "-".to_owned() } else { value };
    let of = |part: &str, whole: &str| match number(host, whole) {
        0 => "-".to_owned(),
        all => format!("{} of {all}", number(host, part)),
    };
    let mut cells = vec![shown(text(host, "name")), shown(text(host, "address"))];
    cells.push(shown(text(host, "subnet")));
    if host["examined"] == true {
        cells.push(number(host, "mtu").to_string());
        cells.push(of("reachedHosts", "otherHosts"));
        cells.push(if host["namesAnswered"] == true { "ok" } else { "no answer" }.to_owned());
        cells.push(of("answeringAddresses", "addresses"));
    } else {
        cells.extend(["-", "not asked", "-", "-"].map(str::to_owned));
    }
    cells
}

/// What is wrong, and below it what to do.
fn paragraph(finding: &Value) -> String {
    let (what, advice) = (text(finding, "message"), text(finding, "advice"));
    let severity = text(finding, "severity");
    format!("{severity}: {what}\n  → {advice}")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_as_a_row() {
        let host = |more: Value| {
            let mut host = json!({
                "name": "host1", "address": "10.0.0.1", "subnet": "10.42.1.0/24", "examined": true, "mtu": 1450,
                "otherHosts": 2, "reachedHosts": 1, "namesAnswered": true, "addresses": 3, "answeringAddresses": 3,
            });
            for (key, value) in more.as_object().unwrap() {
                host[key] = value.clone();
            }
            cells(&host).join(" | ")
        };
        assert_eq!(
            host(json!({})),
            "host1 | 10.0.0.1 | 10.42.1.0/24 | 1450 | 1 of 2 | ok | 3 of 3"
        );
        assert_eq!(
            host(json!({ "otherHosts": 0, "namesAnswered": false })),
            "host1 | 10.0.0.1 | 10.42.1.0/24 | 1450 | - | no answer | 3 of 3"
        );
        assert_eq!(
            host(json!({ "examined": false, "subnet": "" })),
            "host1 | 10.0.0.1 | - | - | not asked | - | -"
        );
    }

    #[test]
    fn a_finding_says_what_to_do() {
        let finding =
            json!({ "severity": "error", "message": "it is dark", "advice": "light a lamp" });
        assert_eq!(paragraph(&finding), "error: it is dark\n  → light a lamp");
    }
}
