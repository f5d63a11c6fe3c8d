//! What a container finds in its `/etc/resolv.conf`, and which name servers the host itself asks.
//!
//! On networks of its own making Docker puts a resolver between containers and their name server, which answers some
//! names by itself, those of containers that are on their way out too. So containers get a file of ours.

use std::collections::BTreeSet;
use std::path::Path;

use drover_core::{ContainerSpec, NetworkMode};

/// Zone of all names that are ours.
const ZONE: &str = "rancher.internal";
/// Label: `true` gives names of ours to containers that aren't on the network, `false` takes them from one that is.
const DNS: &str = "io.rancher.container.dns";
/// Label: `service_last` puts the host's search domains first, `none` leaves out ours.
const PRIORITY: &str = "io.rancher.container.dns.priority";
/// Where a host says which name servers it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The same, where a local service stands in front of them.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// What a host's `resolv.conf` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    /// Name servers that can be asked from anywhere on the host.
    pub servers: Vec<String>,
    /// Search domains.
    pub search: Vec<String>,
}

impl HostNames {
    /// What this host's says now.
    pub(crate) fn read() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&text(RESOLV_CONF), || text(BEHIND_RESOLVED))
    }

    /// From the text of the file; `behind` gives that of the one behind it.
    fn of(text: &str, behind: impl FnOnce() -> String) -> Self {
        let (servers, search) = parse(text);
        let local = |server: &String| server.starts_with("127.") || server == "::1";
        let near = !servers.is_empty() && servers.iter().all(&local);
        let servers = if near { parse(&behind()).0 } else { servers };
        let servers = servers.into_iter().filter(|server| !local(server));
        Self { servers: servers.collect(), search }
    }
}

/// The search domains of a container of ours, in order; `None` if its names are not our business.
pub fn search(
    spec: &ContainerSpec,
    stack: &str,
    service: &str,
    host: &HostNames,
) -> Option<Vec<String>> {
    let label = spec.label(DNS).map(|value| value.trim().to_ascii_lowercase());
    let ours = match (&spec.network, label.as_deref()) {
        (NetworkMode::Managed, label) => label != Some("false"),
        (NetworkMode::Host | NetworkMode::Bridge, label) => label == Some("true"),
        (NetworkMode::None | NetworkMode::Container(_), _) => false,
    };
    if !ours {
        return None;
    }
    let (stack, service) = (stack.to_ascii_lowercase(), service.to_ascii_lowercase());
    let priority = spec.label(PRIORITY).map(|value| value.trim().to_ascii_lowercase());
    let platform = match (priority.as_deref(), &label) {
        (Some("none"), _) => Vec::new(),
        // Rancher leaves these two out wherever the label is set, whatever it says.
        (_, Some(_)) => vec![ZONE.to_owned()],
        (_, None) => {
            vec![format!("{stack}.{ZONE}"), format!("{service}.{stack}.{ZONE}"), ZONE.to_owned()]
        }
    };
    let own = &spec.dns_search;
    let theirs = if own.is_empty() { &host.search[..] } else { &[] };
    let (first, last) = if priority.as_deref() == Some("service_last") {
        (theirs, &[][..])
    } else {
        (&[][..], theirs)
    };
    let all = own.iter().chain(first).chain(&platform).chain(last);
    let mut search: Vec<String> = Vec::new();
    for domain in all {
        if !search.contains(domain) {
            search.push(domain.clone());
        }
    }
    Some(search)
}

/// The text of the file.
pub fn resolv_conf(search: &[String], options: &[String]) -> String {
    let mut text = format!("nameserver {}\n", super::DISCOVERY);
    for (word, values) in [("search", search), ("options", options)] {
        if !values.is_empty() {
            text.push_str(word);
            text.push(' ');
            text.push_str(&values.join(" "));
            text.push('\n');
        }
    }
    text
}

/// Write the file of a container, if it says something else. A container that runs has the file itself, so it is
/// written in place; it may be read by whoever the container's process is.
pub(crate) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::read_to_string(file).is_ok_and(|held| held == text) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))
}

/// Remove the files of containers other than these.
pub(crate) fn clean(folder: &Path, kept: &BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !kept.contains(&name) {
            // What stays is a line of text.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn parse(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut servers, mut search) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.next().map(str::to_owned)),
            // The last one counts.
            Some("search" | "domain") => search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    search.retain(|domain| domain != ".");
    (servers, search)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_domains() {
        let check = |labels: &[(&str, &str)], own: &[&str], network: NetworkMode, want: &str| {
            let spec = ContainerSpec {
                labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
                dns_search: own.iter().map(|domain| (*domain).to_owned()).collect(),
                network,
                ..ContainerSpec::default()
            };
            let host = HostNames { search: vec!["corp.example".into()], ..HostNames::default() };
            let search = search(&spec, "Shop", "web", &host).map(|search| search.join(" "));
            assert_eq!(search.as_deref().unwrap_or("-"), want, "{labels:?} {own:?}");
        };
        let managed = || NetworkMode::Managed;
        let all = "shop.rancher.internal web.shop.rancher.internal rancher.internal";
        check(&[], &[], managed(), &format!("{all} corp.example"));
        check(&[], &["a.b"], managed(), &format!("a.b {all}"));
        check(
            &[],
            &["rancher.internal"],
            managed(),
            "rancher.internal shop.rancher.internal web.shop.rancher.internal",
        );
        check(&[(PRIORITY, "service_last")], &[], managed(), &format!("corp.example {all}"));
        check(&[(PRIORITY, "None")], &[], managed(), "corp.example");
        check(&[(DNS, "true")], &[], managed(), "rancher.internal corp.example");
        check(&[(DNS, "false")], &[], managed(), "-");
        check(&[], &[], NetworkMode::Host, "-");
        check(&[(DNS, "true")], &[], NetworkMode::Host, "rancher.internal corp.example");
        check(&[(DNS, "True")], &[], NetworkMode::Bridge, "rancher.internal corp.example");
        check(&[(DNS, "true")], &[], NetworkMode::None, "-");
        check(&[], &[], NetworkMode::Container("db".into()), "-");
    }

    #[test]
    fn the_file() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let file = resolv_conf(&list("a.b c"), &list("ndots:2 timeout:1"));
        assert_eq!(file, "nameserver 169.254.169.250\nsearch a.b c\noptions ndots:2 timeout:1\n");
        assert_eq!(resolv_conf(&[], &[]), "nameserver 169.254.169.250\n");
    }

    #[test]
    fn servers_the_host_asks() {
        let check = |text: &str, servers: &str, search: &str| {
            let host = HostNames::of(text, || "nameserver 10.0.0.53\nsearch x\n".to_owned());
            assert_eq!(
                (host.servers.join(" "), host.search.join(" ")),
                (servers.to_owned(), search.to_owned())
            );
        };
        check(
            "# a\nnameserver 10.1.1.1\nnameserver 8.8.8.8\nsearch a b\n",
            "10.1.1.1 8.8.8.8",
            "a b",
        );
        check("nameserver 127.0.0.53\noptions edns0\nsearch corp\n", "10.0.0.53", "corp");
        check("nameserver 127.0.0.1\nnameserver 10.1.1.1\ndomain d\n", "10.1.1.1", "d");
        check("search .\n", "", "");
    }
}
