//! Two environments on one server, with stacks of the same name and addresses from the same range: neither's containers
//! reach the other's, by address, by name or through metadata.

use serde_json::json;
use xtask::command::output;
use xtask::packages;

use super::inside::Inside;
use super::stage::Stage;

#[test]
fn two_environments_never_reach_each_other() {
    let Some(mut stage) = Stage::set() else { return };
    let needed = [("dig", "bind9-dnsutils"), ("curl", "curl")];
    if let Err(error) = packages::provide(&needed) {
        eprintln!("SKIPPED, environments are not told apart with dig and curl: {error}");
        return;
    }
    let other = stage.cluster.host_numbers().into_iter().max().unwrap();
    let key = join_another(&mut stage, other);
    stage.web("v1", 2);
    stage.ok("--environment Default up");
    stage.web("v2", 2);
    let mut up = stage.cluster.command(stage.folder.path(), &["-p", super::stage::STACK, "up"]);
    output(up.env("DROVER_ACCESS_KEY", &key.0).env("DROVER_SECRET_KEY", &key.1)).unwrap();

    let running = stage.running("web");
    let (there, here): (Vec<_>, Vec<_>) = running.iter().partition(|(host, _)| *host == other);
    assert_eq!((here.len(), there.len()), (2, 2));
    let inside = |all: &[&(u8, xtask::docker::Container)]| -> Vec<Inside<'_>> {
        all.iter().map(|(host, c)| Inside::of(&stage, *host, &c.id)).collect()
    };
    let (here, there) = (inside(&here), inside(&there));
    let ask = |from: &Inside<'_>, to: &Inside<'_>| {
        let words = format!("-sS -m 3 http://{}/", to.address);
        let told = output(&mut from.command("curl", &words));
        told.map_or_else(|_| String::new(), |done| String::from_utf8(done.stdout).unwrap())
    };
    for (all, own, others) in [(&here, "v1", &there), (&there, "v2", &here)] {
        for from in all {
            for to in all {
                let told = ask(from, to);
                assert!(told.starts_with(own), "{} to {}: {told}", from.address, to.address);
            }
            // The same address may be one of its own environment's.
            for to in others {
                let told = ask(from, to);
                let own_or_none = told.is_empty() || told.starts_with(own);
                assert!(own_or_none, "{} to {}: {told}", from.address, to.address);
            }
        }
        let mut named: Vec<_> = all.iter().map(|inside| inside.address.as_str()).collect();
        named.sort_unstable();
        let said = all[0].ask("dig", "+short @169.254.169.250 web.shop.rancher.internal A");
        let mut said: Vec<_> = said.lines().collect();
        said.sort_unstable();
        assert_eq!(said, named);
        let hosts = all[0].ask("curl", "-sS -m 10 http://169.254.169.250/latest/hosts");
        assert_eq!(hosts.lines().count(), if own == "v1" { 2 } else { 1 }, "{hosts}");
    }
}

/// Take a host out of its environment and into a new one; a key of that.
fn join_another(stage: &mut Stage, host: u8) -> (String, String) {
    let api = stage.cluster.api();
    let address = stage.cluster.port(host, 80).ip().to_string();
    let hosts = api.list("/v2-beta/hosts").unwrap();
    let held = hosts.iter().find(|held| held["agentIpAddress"] == address.as_str()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    stage.cluster.forget_agent(host).unwrap();
    stage.ok(&format!("host rm {}", text(&held["hostname"])));
    let project = text(&api.post("/v2-beta/projects", &json!({ "name": "other" })).unwrap()["id"]);
    let make =
        |what: &str| api.post(&format!("/v2-beta/projects/{project}/{what}"), &json!({})).unwrap();
    let token = text(&make("registrationtokens")["token"]);
    stage.cluster.join(host, &token).unwrap();
    stage.cluster.wait_for_hosts().unwrap();
    let key = make("apikeys");
    (text(&key["publicValue"]), text(&key["secretValue"]))
}
