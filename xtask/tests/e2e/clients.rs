//! Programs that others wrote ask what Drover answers: dig the name service, curl metadata and the balancer, from where
//! containers and users ask.

use std::process::Command;
use std::time::Duration;

use xtask::command::output;
use xtask::packages;
use xtask::wait::wait;

use super::inside::Inside;
use super::stage::Stage;

const COMPOSE: &str = "version: '2'
services:
  web:
    image: demo/web:v1
    expose:
      - '80'
    links:
      - site:own
  site:
    image: rancher/external-service
  all:
    image: rancher/dns-service
    links:
      - web
      - site
  balancer:
    image: rancher/lb-service-haproxy
    ports:
      - 80:80
";

const RANCHER: &str = "version: '2'
services:
  web:
    scale: 2
  site:
    external_ips:
      - 192.0.2.7
      - 2001:db8::7
  balancer:
    lb_config:
      port_rules:
        - source_port: 80
          target_port: 80
          service: web
          hostname: shop.example
";

#[test]
fn dig_and_curl_are_answered_as_they_expect() {
    let Some(stage) = Stage::set() else { return };
    let needed = [("dig", "bind9-dnsutils"), ("curl", "curl")];
    if let Err(error) = packages::provide(&needed) {
        eprintln!("SKIPPED, answers are not tested with dig and curl: {error}");
        return;
    }
    stage.files(COMPOSE, RANCHER);
    stage.ok("up -d");
    let all: Vec<Inside<'_>> =
        stage.running("web").iter().map(|(host, c)| Inside::of(&stage, *host, &c.id)).collect();
    let mut addresses: Vec<&str> = all.iter().map(|inside| inside.address.as_str()).collect();
    let (inside, own) = (&all[0], addresses[0]);
    addresses.sort_unstable();
    let both = addresses.join("\n");

    // The name service hears of them a moment later.
    let known = wait(Duration::from_secs(10), || dig(inside, "web A") == both);
    assert!(known, "{} instead of {both}", dig(inside, "web A"));
    names(inside, &both, own);
    metadata(inside, own);
    balancer(&stage);
}

fn names(inside: &Inside<'_>, both: &str, own: &str) {
    for (asked, want) in [
        ("web.shop.rancher.internal A", both),
        ("web.shop A +tcp", both),
        ("WEB.shop.Rancher.internal A +noedns", both),
        ("own A", "192.0.2.7"),
        ("site.shop A", "192.0.2.7"),
        ("site.shop AAAA", "2001:db8::7"),
        ("all.shop AAAA", "2001:db8::7"),
        ("rancher-metadata A", "169.254.169.250"),
        ("web AAAA", ""),
        ("nobody.shop.rancher.internal A", ""),
    ] {
        assert_eq!(dig(inside, asked), want, "{asked}");
    }
    let all = dig(inside, "all.shop A");
    assert_eq!(all.lines().count(), 3, "{all}");
    let port = dig(inside, "_80._tcp.web.shop.rancher.internal SRV");
    let srv = "0 1 80 shop-web-1.rancher.internal.\n0 1 80 shop-web-2.rancher.internal.";
    assert_eq!(port, srv);
    let name = dig(inside, &format!("-x {own}"));
    assert!(name.starts_with("shop-web-") && name.ends_with(".rancher.internal."), "{name}");
    for (asked, want) in [
        ("web.shop.rancher.internal AAAA", "status: NOERROR"),
        ("web.shop.rancher.internal A", "flags: qr aa rd ra;"),
        ("nobody.shop.rancher.internal A", "status: NXDOMAIN"),
        ("web.shop.rancher.internal ANY", "status: NOTIMP"),
    ] {
        let said =
            inside.ask("dig", &format!("+noall +comments +authority @169.254.169.250 {asked}"));
        assert!(said.contains(want), "{asked}: {said}");
    }
}

fn metadata(inside: &Inside<'_>, own: &str) {
    let get = |words: &str, path: &str| {
        inside.ask(
            "curl",
            &format!("-sS -m 10 {words} http://rancher-metadata.rancher.internal{path}"),
        )
    };
    // curl finds the name with the host's own resolver, not the container's.
    let resolve = "--resolve rancher-metadata.rancher.internal:80:169.254.169.250";
    assert_eq!(get(resolve, "/latest/self/container/primary_ip"), own);
    let json = format!("{resolve} -H Accept:application/json");
    let whole: serde_json::Value =
        serde_json::from_str(&get(&json, "/latest/self/service")).unwrap();
    assert_eq!(whole["name"], "web");
    assert_eq!(whole["scale"], 2);
    let version = get(resolve, "/latest/version");
    let wait = format!("/latest/version?wait=true&maxWait=1&value={version}");
    assert_eq!(get(resolve, &wait), version);
    assert_eq!(get(resolve, "/latest/self/nothing"), "Not found\n");
}

/// It is on one host, whichever that is.
fn balancer(stage: &Stage) {
    let hosts = stage.cluster.host_numbers();
    let place = hosts.into_iter().map(|host| stage.cluster.port(host, 80));
    let ask = |words: &str, host: &str, at: std::net::SocketAddr| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]);
        curl.args(words.split_whitespace()).args(["-H", &format!("Host: {host}")]);
        output(curl.arg(format!("http://{at}/")))
            .map(|done| String::from_utf8(done.stdout).unwrap())
    };
    let mut places = place.filter(|at| ask("", "shop.example", *at).is_ok());
    let at = places.next().unwrap();
    assert_eq!(ask("--http1.1", "shop.example", at).unwrap(), "200 1.1");
    assert_eq!(ask("--http2-prior-knowledge", "Shop.Example:80", at).unwrap(), "200 2");
    assert_eq!(ask("", "other.example", at).unwrap(), "503 1.1");
}

/// What dig says in short, in order of its lines: which is the first changes.
fn dig(inside: &Inside<'_>, asked: &str) -> String {
    let said = inside.ask("dig", &format!("+short @169.254.169.250 {asked}"));
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
