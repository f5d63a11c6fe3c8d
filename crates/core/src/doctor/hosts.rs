//! What is wrong with a host by itself: its agent, its part of the network, its kernel, its name service.

use super::verdict::{Case, Finding, Severity, grouped};
use super::{Answers, Deviation, Examined, Hindered, NamesFound};
use crate::{DISCOVERY_ADDRESS, Host, HostId, HostNetwork};

/// All findings about hosts by themselves.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    case.hosts.iter().flat_map(|host| of_host(case, host)).collect()
}

/// Whether names and metadata are answered.
pub(super) fn names_answered(found: &Examined) -> bool {
    let NamesFound { running, dns, name, metadata, container: _, address: _ } = &found.names;
    *running && [dns, name, metadata].into_iter().all(String::is_empty)
}

fn of_host(case: &Case<'_>, host: &Host) -> Vec<Finding> {
    let Some(answers) = case.answers(host.id) else { return vec![not_asked(case, host)] };
    let mut found: Vec<Finding> = unanswered(case, host, answers).into_iter().collect();
    let Some(examined) = case.examined(host.id) else { return found };
    if let Some(not_set_up) = not_set_up(host, examined) {
        found.push(not_set_up);
        return found;
    }
    found.extend(behind(case, host, examined));
    found.extend(deviations(case, host, &examined.deviations));
    found.extend(names(case, host, &examined.names));
    found
}

fn error(code: &'static str, host: &Host, what: String, advice: impl Into<String>) -> Finding {
    let (severity, hosts) = (Severity::Error, vec![host.id]);
    Finding { severity, code, hosts, what, advice: advice.into() }
}

fn not_asked(case: &Case<'_>, host: &Host) -> Finding {
    let name = host.shown_name();
    let since = case.world.seen.get(&host.id).map(|seen| case.now - seen.since);
    let since = since.map_or_else(String::new, |ms| format!(" for {}", span(ms)));
    let (seen, advice) = from_outside(case, host.id);
    let what = format!("the agent of {name} is not connected{since}, so it was not asked{seen}");
    error("not-connected", host, what, advice)
}

/// What the others see of a host that says nothing.
fn from_outside(case: &Case<'_>, host: HostId) -> (String, String) {
    let (name, address) = (case.name(host), case.address(host));
    let probed = case.hosts.iter().filter_map(|other| case.probed(other.id)?.ways.get(&host.0));
    let ways: Vec<_> = probed.collect();
    let start =
        format!("start the agent on {name}, or see in its log why it can't reach the server");
    if ways.is_empty() {
        (String::new(), start)
    } else if ways.iter().all(|way| way.overlay.largest > 0) {
        (format!("; other hosts reach it and its containers go on at {address}"), start)
    } else if ways.iter().any(|way| way.underlay.largest > 0 || way.overlay.largest > 0) {
        let some = if ways.iter().any(|way| way.overlay.largest > 0) { "not all" } else { "none" };
        (format!("; it is on, but of the other hosts {some} reach it through the network"), start)
    } else if ways.iter().all(|way| way.underlay.full == 0) {
        (format!("; no other host reaches it through the network, at {address}"), start)
    } else {
        let advice =
            format!("switch {name} on, look at its cable; or remove it: drover host rm {name}");
        (format!("; no other host reaches it at {address} either: it is off or cut off"), advice)
    }
}

fn unanswered(case: &Case<'_>, host: &Host, answers: &Answers) -> Option<Finding> {
    let name = host.shown_name();
    let Answers { examined, probed } = answers;
    let log = format!("see the log of the agent on {name}");
    let failed = [
        ("say how it is", examined.as_ref().map(|a| a.as_ref().err())),
        ("probe the others", probed.as_ref().map(|a| a.as_ref().err())),
    ];
    for (asked, why) in failed {
        if let Some(Some(why)) = why {
            let (seen, _) = from_outside(case, host.id);
            let what = format!("{name} was asked to {asked}, and did not: {why}{seen}");
            return Some(error("no-answer", host, what, log));
        }
    }
    let problem = probed.as_ref()?.as_ref().ok()?.problem.as_str();
    let what = format!("{name} can't probe the others: {problem}");
    (!problem.is_empty()).then(|| error("no-answer", host, what, log))
}

fn not_set_up(host: &Host, examined: &Examined) -> Option<Finding> {
    let name = host.shown_name();
    if host.subnet.is_none() {
        let what =
            format!("{name} has no part of the network: the range is used up or makes no sense");
        let advice = format!("set a larger range: setting {}", crate::RANGE_SETTING);
        return Some(error("no-subnet", host, what, advice));
    }
    if !examined.problem.is_empty() {
        let what = format!("the network of {name} is not as it should be: {}", examined.problem);
        return Some(error(
            "not-set-up",
            host,
            what,
            "that comes first: the agent tries again all the time",
        ));
    }
    examined.network.is_none().then(|| {
        let what = format!("{name} has not heard of its part of the network yet");
        error(
            "behind",
            host,
            what,
            "ask again in a moment; if it stays so, see the log of its agent",
        )
    })
}

/// The agent follows another network than the server has in mind.
fn behind(case: &Case<'_>, host: &Host, examined: &Examined) -> Option<Finding> {
    let (wanted, held) = (case.world.host_network(host.id)?, examined.network.as_ref()?);
    let is_new = case.before.host_network(host.id).as_ref() != Some(&wanted);
    if wanted == *held || is_new {
        return None;
    }
    let name = host.shown_name();
    let mut differs = differences(case, &wanted, held);
    if differs.is_empty() {
        differs.push("its settings are older ones".to_owned());
    }
    let what = format!("{name} follows an older assignment: {}", differs.join("; "));
    let advice =
        format!("ask again in a moment; if it stays so, see the log of the agent on {name}");
    Some(error("behind", host, what, advice))
}

fn differences(case: &Case<'_>, wanted: &HostNetwork, held: &HostNetwork) -> Vec<String> {
    let known = |id: u64| held.peers.iter().find(|peer| peer.host == id);
    let differs = wanted.peers.iter().filter_map(|peer| {
        let other = case.name(HostId(peer.host));
        match known(peer.host) {
            None => Some(format!("it doesn't know {other}")),
            Some(known) if known.address != peer.address => {
                let (old, new) = (&known.address, &peer.address);
                Some(format!("it looks for {other} at {old}, which is at {new}"))
            }
            Some(known) if known.subnet != peer.subnet => {
                Some(format!("it looks for the containers of {other} in {}", known.subnet))
            }
            Some(_) => None,
        }
    });
    differs.collect()
}

fn deviations(case: &Case<'_>, host: &Host, found: &[Deviation]) -> Option<Finding> {
    let name = host.shown_name();
    let words = found.iter().map(|Deviation { hinders, to_do }| {
        let other = case.hosts.iter().filter(|other| other.id != host.id).find(|other| {
            let subnet = other.subnet.clone().unwrap_or_default();
            *hinders == Hindered::Subnet(subnet)
        });
        other.map_or_else(|| to_do.clone(), |other| format!("{to_do} ({})", other.shown_name()))
    });
    let words: Vec<String> = words.collect();
    let what = format!(
        "something changed the network of {name} behind the agent's back; to put it right, it has to {}",
        words.join("; ")
    );
    let advice = format!(
        "the agent does that within 15 s; if it comes back, look for what else on {name} manages the network"
    );
    (!words.is_empty()).then(|| error("kernel", host, what, advice))
}

fn names(case: &Case<'_>, host: &Host, found: &NamesFound) -> Option<Finding> {
    let name = host.shown_name();
    let NamesFound { container, running, dns, name: asked, metadata, address: _ } = found;
    let advice = match container.as_str() {
        "" => format!("the agent makes one within seconds; if not, its log on {name} says why"),
        container => format!(
            "on {name}, `docker logs {container}` says more; the agent starts it again if it ended"
        ),
    };
    let followed = case.world.names_followed.get(&host.id);
    let problem = followed.map(|followed| followed.problem.as_str()).unwrap_or_default();
    let what = match (running, dns.as_str(), metadata.as_str(), asked.as_str()) {
        (false, "", ..) if container.is_empty() => {
            format!("the name service of {name} is not there: no container of it exists")
        }
        (false, "", ..) => {
            format!("the name service of {name} does not run: its container {container} is stopped")
        }
        // Nobody could ask it: this is why the agent can't start it.
        (false, why, ..) => format!("the name service of {name} does not run: {why}"),
        (true, "", "", "") if problem.is_empty() => return None,
        (true, "", "", "") => {
            format!("the name service of {name} answers with older facts: {problem}")
        }
        (true, "", "", asked) => format!("the name service of {name} answers wrongly: {asked}"),
        (true, dns, "", _) => {
            format!(
                "the name service of {name} doesn't answer for names at {DISCOVERY_ADDRESS}: {dns}"
            )
        }
        (true, "", metadata, _) => {
            format!(
                "the name service of {name} gives no metadata at {DISCOVERY_ADDRESS}: {metadata}"
            )
        }
        (true, dns, _, _) => format!(
            "the name service of {name} doesn't answer at {DISCOVERY_ADDRESS}, neither for names nor for metadata: {dns}"
        ),
    };
    Some(error("names", host, what, advice))
}

/// `2 min`.
fn span(ms: u64) -> String {
    let seconds = u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", grouped(seconds / 3_600)),
    }
}
