//! `drover agent --simulate`: real agents on hosts that are simulated, so that everything but Docker is as in production.

use std::path::Path;

use drover_core::{Phase, World};
use tokio::process::Child;
use tokio::time::timeout;

use crate::cluster::{Cluster, PATIENCE};

/// A server, and three simulated hosts on which things take next to no time.
pub(crate) struct Simulated {
    pub(crate) cluster: Cluster,
    token: String,
    agents: Child,
}

impl Simulated {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::without_hosts().await;
        let token = cluster.drover("token create --reusable").await.with(0).out.trim().to_owned();
        let agents = spawn_agents(&cluster, &token, 3, "hosts");
        connected(&cluster).await;
        Self { cluster, token, agents }
    }

    /// Deploy a database, a service with a health check and the balancer in front of it. `web` is the image's tag and a label
    /// of its containers.
    async fn deploy(&self, strategy: &str) {
        files(&self.cluster, "1", "tier: front");
        let web = format!(
            "web:\n  scale: 2\n  upgrade_strategy: {{start_first: true, {strategy}}}\n  health_check: {{port: 80, \
             interval: 100, healthy_threshold: 1, unhealthy_threshold: 2, response_timeout: 500}}\nlb:\n  lb_config:\n    \
             port_rules: [{{source_port: 80, target_port: 80, service: web}}]\n"
        );
        self.cluster
            .write("rancher-compose.yml", &format!("version: '2'\nservices:\n{}", indented(&web)));
        self.cluster.drover("up").await.with(0).said(&[
            "web: running",
            "lb: running",
            "db: running",
        ]);
    }
}

/// So many simulated hosts, which keep what they know in a folder of this name.
pub(crate) fn spawn_agents(cluster: &Cluster, token: &str, number: u32, folder: &str) -> Child {
    let state = cluster.home().join(folder);
    let line = format!(
        "agent --simulate {number} --simulate-start-ms 20 --server {} --token {token} --state-dir {}",
        cluster.url,
        state.display()
    );
    cluster.command(Path::new(env!("CARGO_BIN_EXE_drover")), &line).spawn().unwrap()
}

async fn connected(cluster: &Cluster) {
    let all = |world: &World| world.seen.values().filter(|seen| seen.connected).count() == 3;
    cluster.comes_to("three hosts are connected", all).await;
}

fn files(cluster: &Cluster, tag: &str, label: &str) {
    let services = format!(
        "db:\n  image: postgres:15\nweb:\n  image: nginx:{tag}\n  labels: {{{label}}}\nlb:\n  image: \
         rancher/lb-service-haproxy\n  ports: ['80:80']\n"
    );
    cluster
        .write("docker-compose.yml", &format!("version: '2'\nservices:\n{}", indented(&services)));
}

/// The units of `web`, those left out that are only on their way out: on these hosts that takes a moment.
fn kept(cluster: &Cluster) -> Vec<String> {
    let mut units = cluster.units("web");
    units.retain(|unit| !unit.ends_with("Removed"));
    units
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_lives_where_there_is_no_docker() {
    let Simulated { cluster, token, mut agents } = {
        let simulated = Simulated::start().await;
        simulated.deploy("batch_size: 2").await;
        simulated
    };
    let hosts = cluster.drover("host ls").await.with(0);
    hosts.said(&["sim-0001", "sim-0002", "sim-0003", "198.18.0.1", "simulated"]);
    cluster.drover("scale web=3").await.with(0);
    let log = cluster.drover("logs web").await.with(0);
    assert_eq!(log.out.matches("started").count(), 3, "{}", log.out);

    // What drains is let go of by name services and balancers that are simulated: it takes no time.
    files(&cluster, "2", "tier: front");
    cluster.drover("up --upgrade").await.with(10);
    cluster.drover("up --rollback").await.with(0);
    let first = ["1/1/1 Running", "2/1/1 Running", "3/1/1 Running"];
    assert_eq!(kept(&cluster), first);
    cluster.drover("up --upgrade --confirm-upgrade").await.with(0);

    // The containers end with the process; the hosts and what they shall run do not.
    agents.kill().await.unwrap();
    let gone = |world: &World| world.seen.values().all(|seen| !seen.connected);
    cluster.comes_to("no host is connected", gone).await;
    let _agents = spawn_agents(&cluster, &token, 3, "hosts");
    connected(&cluster).await;
    assert_eq!(cluster.store.world().hosts.len(), 3, "they are the same hosts");
    cluster.drover("wait").await.with(0);
    assert_eq!(cluster.drover("logs web").await.with(0).out.matches("started").count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_where_there_is_no_docker() {
    let simulated = Simulated::start().await;
    simulated.deploy("batch_size: 2").await;
    let cluster = &simulated.cluster;
    let all = cluster.drover("stats --no-stream").await.with(0);
    all.said(&[
        "CPU %",
        "shop-web-1",
        "shop-web-2",
        "shop-db-1",
        "shop-lb-1",
        " / 8.00GiB",
        "sim-000",
    ]);
    let web = cluster.drover("stats --no-stream --json shop/web").await.with(0);
    let rows: Vec<serde_json::Value> =
        web.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row["id"].is_string()).collect();
    assert_eq!(rows.len(), 2, "{}", web.out);
    for row in &rows {
        assert!(row["cpu_percent"].as_f64() > Some(0.0), "{row}");
        assert!(row["received_bytes"].as_u64() > Some(0), "{row}");
    }
    let hosts = cluster.drover("stats --no-stream --hosts").await.with(0);
    hosts.said(&["sim-0001", "sim-0002", "sim-0003"]);
    let both = cluster.drover("stats --no-stream sim-0001 shop-db-1").await.with(0);
    assert_eq!(both.out.lines().count(), 3, "{}", both.out);
    let none = cluster.drover("stats --no-stream nobody").await.with(1);
    none.said(&["there is no service `nobody`, and no container or host of this name"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_healthy_or_never_starts_is_rolled_back() {
    let simulated = Simulated::start().await;
    simulated.deploy("on_failure: rollback, max_failures: 0, deadline: 2s").await;
    let cluster = &simulated.cluster;
    for (tag, fails, says) in [
        ("2", "never-healthy", "it is simulated as never healthy"),
        ("3", "never-starts", "it is simulated and io.drover.simulate.fail is never-starts"),
        ("4", "sometimes", "`sometimes` is none of never-starts, never-healthy, crash"),
    ] {
        files(cluster, tag, &format!("io.drover.simulate.fail: {fails}"));
        let ended = cluster.drover("up --upgrade").await.with(20);
        ended.said(&["web was rolled back to revision 1", says]);
        assert_eq!(kept(cluster), ["1/1/1 Running", "2/1/1 Running"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_crashes_is_started_again_and_waits_longer_each_time() {
    let simulated = Simulated::start().await;
    let cluster = &simulated.cluster;
    let file = "flaky:\n  image: busybox:1\n  labels: {io.drover.simulate.crash-after: 50ms}\n";
    cluster.write("docker-compose.yml", file);
    // Whether it runs at the moment it is looked at is nobody's to say.
    cluster.drover("up").await;
    let service = cluster.service("flaky").id;
    let waits = |world: &World| {
        let mut units = world.units_of(service).filter_map(|unit| world.observed(unit.key));
        units.any(|seen| seen.phase == Phase::BackOff && seen.attempt >= 3)
    };
    cluster.comes_to("it failed three times and waits", waits).await;
    // It is started again in between: whoever looks then looks once more.
    let waits = "exited with code 1; next attempt in ";
    let told = async {
        loop {
            let why = cluster.drover("why flaky").await.with(0);
            if why.out.contains(waits) {
                return why;
            }
        }
    };
    let why = timeout(PATIENCE, told).await.expect("it should be said that it waits");
    why.said(&["shop-flaky-1 on sim-000", waits]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_hosts_need_a_token_for_several() {
    let cluster = Cluster::without_hosts().await;
    let token = cluster.drover("token create").await.with(0).out.trim().to_owned();
    let line = format!("agent --simulate 2 --server {} --token {token}", cluster.url);
    let refused = cluster.drover(&line).await.with(1);
    refused.said(&["simulated host sim-000", "drover token create --reusable"]);
    cluster
        .drover("agent --simulate 2 --address fd00::1 --server http://x")
        .await
        .with(1)
        .said(&["IPv4"]);
    cluster.drover("agent --simulate 0").await.with(2);
    cluster.drover("agent --simulate-start-ms 5").await.with(2).said(&["--simulate"]);
}
