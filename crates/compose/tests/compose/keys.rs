//! Every honoured key of a service, in every form it takes, and what it becomes.

use std::collections::BTreeSet;

use drover_compose::keys::{Fate, SERVICE};
use serde_json::{Value, json};

use super::{Files, lines};

/// A key's text, and what is different from a service with an image alone: path in the outcome → value.
type Row = (&'static str, &'static str, &'static [(&'static str, fn() -> Value)]);

/// Outcome of a service as JSON, without what an empty one has.
fn outcome(text: &str) -> Vec<(String, Value)> {
    let image = if text.starts_with("image:") { "" } else { "image: busybox\n" };
    let text = format!("{image}{text}").replace('\n', "\n    ");
    let docker = format!(
        "version: '2'\nsecrets: {{pw: {{external: true}}, cert: {{external: {{name: shop}}}}}}\nservices:\n  db: {{image: postgres}}\n  web:\n    {text}\n"
    );
    let files = [
        ("docker-compose.yml", docker.as_str()),
        ("common.yml", "version: '2'\nservices:\n  base: {image: base, tty: true}\n"),
        ("web.env", "A=1\nB=2\n"),
    ];
    let parsed = Files { files: &files, variables: &[("HOME_TOWN", "Oslo")] }
        .parse()
        .unwrap_or_else(|said| panic!("{docker}\n{}", lines(&said)));
    let empty = drover_compose::ServiceSpec { start_on_create: true, ..Default::default() };
    let empty = serde_json::to_value(empty).unwrap();
    let service = serde_json::to_value(parsed.stack.service("web").unwrap()).unwrap();
    let mut found = Vec::new();
    difference("", &empty, &service, &mut found);
    found.retain(|(path, value)| {
        path != "name" && (path != "template.primary.image" || value != "busybox")
    });
    found
}

fn difference(path: &str, empty: &Value, value: &Value, found: &mut Vec<(String, Value)>) {
    match (empty, value) {
        (Value::Object(empty), Value::Object(value)) if !empty.is_empty() => {
            for (key, value) in value {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                difference(&path, empty.get(key).unwrap_or(&Value::Null), value, found);
            }
        }
        _ if empty == value => {}
        _ => found.push((path.to_owned(), value.clone())),
    }
}

macro_rules! row {
    ($key:literal, $text:literal $(, $path:literal => $value:tt)*) => {
        ($key, $text, &[$(($path, || json!($value))),*])
    };
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row!("image", "image: a/b:1", "template.primary.image" => "a/b:1"),
    row!("image", "image: docker:a/b:1", "template.primary.image" => "a/b:1"),
    row!("build", "build: ."),
    row!("command", "command: sh -c 'echo hi'", "template.primary.command" => ["sh", "-c", "echo hi"]),
    row!("command", "command: [sleep, 10]", "template.primary.command" => ["sleep", "10"]),
    row!("command", "command:"),
    row!("entrypoint", "entrypoint: /run --fast", "template.primary.entrypoint" => ["/run", "--fast"]),
    row!("environment", "environment: {A: x, B: 1, C: true, D: 1.5, E: 'yes', F: '', HOME_TOWN: , NOT_SET: }",
        "template.primary.environment" => {"A": "x", "B": "1", "C": "true", "D": "1.5", "E": "yes", "F": "", "HOME_TOWN": "Oslo"}),
    row!("environment", "environment: ['A=x=y', B=, HOME_TOWN, NOT_SET, 'C=${HOME_TOWN}!']",
        "template.primary.environment" => {"A": "x=y", "B": "", "HOME_TOWN": "Oslo", "C": "Oslo!"}),
    row!("environment", "environment: {A: yes, B: Off, C: True, D: 1.10, E: 0644}",
        "template.primary.environment" => {"A": "true", "B": "false", "C": "true", "D": "1.10", "E": "0644"}),
    row!("env_file", "env_file: web.env", "template.primary.environment" => {"A": "1", "B": "2"}),
    row!("env_file", "environment: [A=mine]\nenv_file: [web.env]", "template.primary.environment" => {"A": "mine", "B": "2"}),
    row!("labels", "labels: {a: b, c: 3, d: , e: '$${stack_name}'}",
        "template.primary.labels" => {"a": "b", "c": "3", "d": "", "e": "${stack_name}"}),
    row!("labels", "labels: [a=b, c]", "template.primary.labels" => {"a": "b", "c": ""}),
    row!("labels", "labels: {io.rancher.service.selector.link: tier=back, io.rancher.service.selector.container: a=b}",
        "template.primary.labels" => {"io.rancher.service.selector.container": "a=b", "io.rancher.service.selector.link": "tier=back"},
        "selector_link" => "tier=back", "selector_container" => "a=b"),
    row!("working_dir", "working_dir: /srv", "template.primary.working_dir" => "/srv"),
    row!("user", "user: 1000:1000", "template.primary.user" => "1000:1000"),
    row!("tty", "tty: true", "template.primary.tty" => true),
    row!("tty", "tty: 'true'", "template.primary.tty" => true),
    row!("stdin_open", "stdin_open: yes", "template.primary.stdin_open" => true),
    row!("init", "init: true", "template.primary.init" => true),
    row!("stop_signal", "stop_signal: SIGINT", "template.primary.stop_signal" => "SIGINT"),
    row!("stop_grace_period", "stop_grace_period: 1m30s", "template.primary.stop_grace_s" => 90),
    row!("stop_grace_period", "stop_grace_period: 1500ms", "template.primary.stop_grace_s" => 2),
    row!("links", "links: [db, 'db:sql', 'db:']",
        "links" => [{"stack": null, "service": "db", "alias": ""}, {"stack": null, "service": "db", "alias": "sql"}, {"stack": null, "service": "db", "alias": ""}]),
    row!("external_links", "external_links: [other/api, 'other/api:a', 'shop/db:d']",
        "links" => [{"stack": "other", "service": "api", "alias": ""}, {"stack": "other", "service": "api", "alias": "a"}, {"stack": null, "service": "db", "alias": "d"}]),
    row!("depends_on", "depends_on: [db]", "depends_on" => [{"service": "db", "condition": "service_started"}]),
    row!("depends_on", "depends_on: {DB: {condition: service_healthy}}", "depends_on" => [{"service": "db", "condition": "service_healthy"}]),
    row!("ports", "ports: [80, '8080:80', 53:53/udp, '10.0.0.5::81']",
        "template.primary.ports" => [
            {"private": 80, "protocol": "tcp"}, {"public": 8080, "private": 80, "protocol": "tcp"},
            {"public": 53, "private": 53, "protocol": "udp"}, {"ip": "10.0.0.5", "private": 81, "protocol": "tcp"}]),
    row!("ports", "ports: [{target: 80, published: 8080, protocol: udp, host_ip: 10.0.0.5, mode: host}]",
        "template.primary.ports" => [{"ip": "10.0.0.5", "public": 8080, "private": 80, "protocol": "udp"}]),
    row!("expose", "expose: [80, 53/udp]", "template.primary.expose" => ["80", "53/udp"]),
    row!("net", "net: host", "template.primary.network" => "host"),
    row!("network_mode", "network_mode: none", "template.primary.network" => "none"),
    row!("network_mode", "network_mode: bridge", "template.primary.network" => "bridge"),
    row!("network_mode", "network_mode: managed"),
    row!("network_mode", "network_mode: vxlan"),
    row!("hostname", "hostname: box", "template.primary.hostname" => "box"),
    row!("domainname", "domainname: example.com", "template.primary.domainname" => "example.com"),
    row!("dns", "dns: 8.8.8.8", "template.primary.dns" => ["8.8.8.8"]),
    row!("dns", "dns: [8.8.8.8, 9.9.9.9]", "template.primary.dns" => ["8.8.8.8", "9.9.9.9"]),
    row!("dns_search", "dns_search: example.com", "template.primary.dns_search" => ["example.com"]),
    row!("dns_opt", "dns_opt: ['ndots:2']", "template.primary.dns_options" => ["ndots:2"]),
    row!("extra_hosts", "extra_hosts: ['a:10.0.0.1', b=10.0.0.2]", "template.primary.extra_hosts" => ["a:10.0.0.1", "b:10.0.0.2"]),
    row!("extra_hosts", "extra_hosts: {a: 10.0.0.1}", "template.primary.extra_hosts" => ["a:10.0.0.1"]),
    row!("mac_address", "mac_address: 02:00:01:00:00:01", "template.primary.mac_address" => "02:00:01:00:00:01"),
    row!("volumes", "volumes: [/data, '/h:/c:ro,z', 'db:/var/lib/db', 'x:/y:nocopy']",
        "template.primary.volumes" => ["/data", "/h:/c:ro,z", "db:/var/lib/db", "x:/y:nocopy"]),
    row!("volumes", "volumes: [{type: bind, source: /h, target: /c, read_only: true, bind: {propagation: shared}}, {type: volume, source: v, target: /v, volume: {nocopy: true}}, {type: volume, target: /a}]",
        "template.primary.volumes" => ["/h:/c:ro,shared", "v:/v:nocopy", "/a"]),
    row!("volume_driver", "volume_driver: nfs", "template.primary.volume_driver" => "nfs"),
    row!("tmpfs", "tmpfs: /run", "template.primary.tmpfs" => {"/run": ""}),
    row!("tmpfs", "tmpfs: ['/run:size=64m,ro']", "template.primary.tmpfs" => {"/run": "size=64m,ro"}),
    row!("secrets", "secrets: [pw]", "template.primary.secrets" => [{"secret": "pw"}]),
    row!("secrets", "secrets: [cert]", "template.primary.secrets" => [{"secret": "shop", "file": "cert"}]),
    row!("secrets", "secrets:\n- {source: pw, target: /run/secrets/db, uid: '1000', gid: 7, mode: 0400}",
        "template.primary.secrets" => [{"secret": "pw", "file": "db", "uid": 1000, "gid": 7, "mode": 256}]),
    row!("read_only", "read_only: true", "template.primary.read_only" => true),
    row!("shm_size", "shm_size: 64m", "template.primary.shm_size" => 67_108_864),
    row!("mem_limit", "mem_limit: 1.5g", "template.primary.memory" => 1_610_612_736),
    row!("memswap_limit", "mem_limit: 1k\nmemswap_limit: -1", "template.primary.memory" => 1024, "template.primary.memory_swap" => (-1)),
    row!("mem_reservation", "mem_reservation: 1048576", "template.primary.memory_reservation" => 1_048_576),
    row!("mem_swappiness", "mem_swappiness: 0", "template.primary.memory_swappiness" => 0),
    row!("milli_cpu_reservation", "milli_cpu_reservation: 250", "template.primary.milli_cpu_reservation" => 250),
    row!("cpus", "cpus: 0.5", "template.primary.cpu_quota" => 50_000, "template.primary.cpu_period" => 100_000),
    row!("cpu_shares", "cpu_shares: '512'", "template.primary.cpu_shares" => 512),
    row!("cpu_quota", "cpu_quota: -1", "template.primary.cpu_quota" => (-1)),
    row!("cpu_period", "cpu_period: 50000", "template.primary.cpu_period" => 50_000),
    row!("cpuset", "cpuset: 0-2,4", "template.primary.cpu_set" => "0-2,4"),
    row!("cpuset", "cpuset: 0", "template.primary.cpu_set" => "0"),
    row!("cpuset_mems", "cpuset_mems: 0,1", "template.primary.cpu_set_mems" => "0,1"),
    row!("blkio_weight", "blkio_weight: 300", "template.primary.blkio_weight" => 300),
    row!("blkio_weight_device", "blkio_weight_device: ['/dev/sda:200']",
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": 200, "read_bps": null, "write_bps": null, "read_iops": null, "write_iops": null}}),
    row!("device_read_bps", "device_read_bps: ['/dev/sda:1m']",
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": null, "read_bps": 1_048_576, "write_bps": null, "read_iops": null, "write_iops": null}}),
    row!("device_write_bps", "device_write_bps: ['/dev/sda:1k']",
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": null, "read_bps": null, "write_bps": 1024, "read_iops": null, "write_iops": null}}),
    row!("device_read_iops", "device_read_iops: ['/dev/sda:100']",
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": null, "read_bps": null, "write_bps": null, "read_iops": 100, "write_iops": null}}),
    row!("device_write_iops", "device_write_iops: ['/dev/sda:100']",
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": null, "read_bps": null, "write_bps": null, "read_iops": null, "write_iops": 100}}),
    row!("blkio_config", "blkio_config: {weight: 300, weight_device: [{path: /dev/sda, weight: 400}], device_read_bps: [{path: /dev/sda, rate: 12mb}]}",
        "template.primary.blkio_weight" => 300,
        "template.primary.blkio_device_options" => {"/dev/sda": {"weight": 400, "read_bps": 12_582_912, "write_bps": null, "read_iops": null, "write_iops": null}}),
    row!("pids_limit", "pids_limit: 100", "template.primary.pids_limit" => 100),
    row!("oom_kill_disable", "oom_kill_disable: true", "template.primary.oom_kill_disable" => true),
    row!("oom_score_adj", "oom_score_adj: -500", "template.primary.oom_score_adj" => (-500)),
    row!("ulimits", "ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}",
        "template.primary.ulimits" => [{"name": "nproc", "soft": 65535, "hard": 65535}, {"name": "nofile", "soft": 20000, "hard": 40000}]),
    row!("privileged", "privileged: true", "template.primary.privileged" => true),
    row!("cap_add", "cap_add: [NET_ADMIN]", "template.primary.cap_add" => ["NET_ADMIN"]),
    row!("cap_drop", "cap_drop: [ALL]", "template.primary.cap_drop" => ["ALL"]),
    row!("security_opt", "security_opt: ['label:disable']", "template.primary.security_opt" => ["label:disable"]),
    row!("group_add", "group_add: [mail, 1000]", "template.primary.group_add" => ["mail", "1000"]),
    row!("devices", "devices: ['/dev/fuse:/dev/fuse:rwm']", "template.primary.devices" => ["/dev/fuse:/dev/fuse:rwm"]),
    row!("pid", "pid: host", "template.primary.pid_mode" => "host"),
    row!("ipc", "ipc: host", "template.primary.ipc_mode" => "host"),
    row!("uts", "uts: host", "template.primary.uts_mode" => "host"),
    row!("userns_mode", "userns_mode: host", "template.primary.userns_mode" => "host"),
    row!("cgroup_parent", "cgroup_parent: /lim", "template.primary.cgroup_parent" => "/lim"),
    row!("sysctls", "sysctls: {net.core.somaxconn: 1024}", "template.primary.sysctls" => {"net.core.somaxconn": "1024"}),
    row!("sysctls", "sysctls: [net.core.somaxconn=1024]", "template.primary.sysctls" => {"net.core.somaxconn": "1024"}),
    row!("isolation", "isolation: default", "template.primary.isolation" => "default"),
    row!("log_driver", "log_driver: syslog", "template.primary.log_driver" => "syslog"),
    row!("log_opt", "log_opt: {max-file: 3}", "template.primary.log_options" => {"max-file": "3"}),
    row!("logging", "logging: {driver: json-file, options: {max-size: 10m}}",
        "template.primary.log_driver" => "json-file", "template.primary.log_options" => {"max-size": "10m"}),
    row!("healthcheck", "healthcheck: {test: curl -f localhost, interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s}",
        "template.primary.docker_health" => {"test": ["CMD-SHELL", "curl -f localhost"], "interval_ms": 90_000, "timeout_ms": 10_000, "retries": 3, "start_period_ms": 40_000}),
    row!("healthcheck", "healthcheck: {test: [CMD, curl, -f, localhost]}",
        "template.primary.docker_health" => {"test": ["CMD", "curl", "-f", "localhost"], "interval_ms": null, "timeout_ms": null, "retries": null, "start_period_ms": null}),
    row!("healthcheck", "healthcheck: {disable: true}",
        "template.primary.docker_health" => {"test": ["NONE"], "interval_ms": null, "timeout_ms": null, "retries": null, "start_period_ms": null}),
    row!("deploy", "deploy: {replicas: 3, mode: replicated, restart_policy: {condition: any}}", "scale" => 3),
    row!("deploy", "deploy: {mode: global}", "template.primary.labels" => {"io.rancher.scheduler.global": "true"}),
    row!("deploy", "deploy: {update_config: {parallelism: 2, delay: 10s, order: start-first, failure_action: pause}}",
        "upgrade.batch_size" => 2, "upgrade.interval_ms" => 10_000, "upgrade.start_first" => true,
        "upgrade.policy" => {"on_failure": "pause"}),
    row!("deploy", "deploy: {replicas: 4, update_config: {failure_action: rollback, monitor: 20s, max_failure_ratio: 0.5}, rollback_config: {parallelism: 0, delay: 1s, order: stop-first}}",
        "scale" => 4,
        "upgrade.policy" => {"on_failure": "rollback", "max_failures": 2, "verify": {"for_ms": 20_000},
            "back": {"batch_size": 2_147_483_647, "interval_ms": 1_000, "start_first": false}}),
    row!("deploy", "deploy: {update_config: {parallelism: 0}}", "upgrade.batch_size" => 2_147_483_647),
    row!("deploy", "deploy: {update_config: {parallelism: 3, failure_action: rollback}}\nupgrade_strategy: {on_failure: retry}",
        "upgrade.batch_size" => 3),
    row!("deploy", "deploy: {resources: {limits: {cpus: '0.50', memory: 50M, pids: 9}, reservations: {cpus: '0.25', memory: 20M}}}",
        "template.primary.memory" => 52_428_800, "template.primary.memory_reservation" => 20_971_520,
        "template.primary.milli_cpu_reservation" => 250,
        "template.primary.cpu_quota" => 50_000, "template.primary.cpu_period" => 100_000, "template.primary.pids_limit" => 9),
    row!("deploy", "deploy: {placement: {constraints: [node.labels.gpu == yes, node.labels.zone==a, node.labels.disk != slow]}}",
        "template.primary.labels" => {"io.rancher.scheduler.affinity:host_label": "gpu=yes,zone=a", "io.rancher.scheduler.affinity:host_label_ne": "disk=slow"}),
    row!("container_name", "container_name: my_web"),
    row!("restart", "restart: always"),
    row!("restart", "restart: no"),
    row!("restart", "restart: 'on-failure:5'"),
    row!("extends", "extends: {file: common.yml, service: base}", "template.primary.tty" => true),
    row!("extends", "extends: db"),
    row!("scale", "scale: 3", "scale" => 3),
    row!("scale", "scale: '3'", "scale" => 3),
    row!("scale", "scale: 0", "scale" => 1),
    row!("start_on_create", "start_on_create: false", "start_on_create" => false),
    row!("health_check", "health_check: {port: 80, request_line: 'GET \"/ping\" \"HTTP/1.0\"', interval: 2000, response_timeout: '2000', healthy_threshold: 2, unhealthy_threshold: 3, initializing_timeout: 60000, reinitializing_timeout: 60000, strategy: recreateOnQuorum, recreate_on_quorum_strategy_config: {quorum: 2}}",
        "template.primary.health_check" => {"port": 80, "request_line": "GET /ping HTTP/1.0", "interval_ms": 2000, "response_timeout_ms": 2000, "healthy_threshold": 2, "unhealthy_threshold": 3, "initializing_timeout_ms": 60_000, "reinitializing_timeout_ms": 60_000, "strategy": "recreate_on_quorum", "quorum": 2}),
    row!("health_check", "health_check: {port: 6379, request_line: '', strategy: none}",
        "template.primary.health_check" => {"port": 6379, "request_line": null, "interval_ms": null, "response_timeout_ms": null, "healthy_threshold": null, "unhealthy_threshold": null, "initializing_timeout_ms": null, "reinitializing_timeout_ms": null, "strategy": "none", "quorum": null}),
    row!("metadata", "metadata: {a: 1, b: '1', c: 1.5, d: yes, e: [x, {f: }], g: 0777, h: '${HOME_TOWN}', i: '$$x'}",
        "metadata" => {"a": 1, "b": "1", "c": 1.5, "d": true, "e": ["x", {"f": null}], "g": "0777", "h": "Oslo", "i": "$x"}),
    row!("storage_driver", "storage_driver: {name: nfs, scope: environment, volume_access_mode: multiHostRW, blockDevicePath: '/dev/x'}",
        "driver" => {"storage": {"name": "nfs", "scope": "environment", "volumeAccessMode": "multiHostRW", "blockDevicePath": "/dev/x"}}),
    row!("upgrade_strategy", "upgrade_strategy: {start_first: true, batch_size: 2, interval_millis: 500}",
        "upgrade.batch_size" => 2, "upgrade.interval_ms" => 500, "upgrade.start_first" => true),
    row!("upgrade_strategy", "upgrade_strategy: {on_failure: rollback, max_failures: 1, deadline: 90s, finish: auto, rollback: {batch_size: 3}, verify: {for: 30s, requests: {failed: 2, server_errors: 0.5%, p99_factor: 1.5}, command: bin/ok --deep, failures: 1, stop: true}}",
        "upgrade.policy" => {"on_failure": "rollback", "max_failures": 1, "deadline_ms": 90_000, "finish": "auto", "back": {"batch_size": 3},
            "verify": {"for_ms": 30_000, "requests": {"failed": 2, "server_errors_per_mille": 5, "p99_percent": 150, "at_least": 100},
                "probe": {"command": ["bin/ok", "--deep"], "failures": 1}, "stop": true}}),
    row!("retain_ip", "retain_ip: true", "retain_ip" => true),
    row!("external_ips", "image: rancher/external-service\nexternal_ips: [10.0.0.1, 10.0.0.2]",
        "kind" => "external", "external" => {"addresses": ["10.0.0.1", "10.0.0.2"]}),
    row!("scale_policy", "scale_policy: {min: 1, max: 5, increment: 2}", "scale_policy" => {"min": 1, "max": 5, "increment": 2}),
    row!("on_host_loss", "on_host_loss: 90s", "template.primary.on_host_loss" => "90s"),
    row!("drain_timeout_ms", "drain_timeout_ms: 10000", "template.primary.drain_timeout_ms" => 10_000),
    row!("lb_config", "lb_config: {port_rules: [{target_port: 80, hostname: a.example.com, path: /x}]}",
        "balancer" => {"rules": [{"source_port": 0, "protocol": "http", "hostname": "a.example.com", "path": "/x", "priority": null, "service": null, "selector": null, "target_port": 80, "backend_name": null, "weight": null}],
            "certificates": [], "default_certificate": null, "custom": null, "stickiness": null}),
    row!("load_balancer_config", "image: rancher/load-balancer-service\nexpose: [80]\nlinks: [db]\nload_balancer_config: {name: x, haproxy_config: {defaults: 'timeout client 5s', global: maxconn 9}}\ncerts: [a]\ndefault_cert: b",
        "kind" => "balancer", "template.primary.image" => "rancher/lb-service-haproxy",
        "balancer" => {"rules": [{"source_port": 80, "protocol": "http", "hostname": null, "path": null, "priority": null, "service": "db", "selector": null, "target_port": 80, "backend_name": null, "weight": null}],
            "certificates": ["a"], "default_certificate": "b", "custom": "defaults\ntimeout client 5s\nglobal\nmaxconn 9\n", "stickiness": null}),
    row!("certs", "image: rancher/load-balancer-service\nports: ['443:80', '8443:80/tcp']\nlabels: {io.rancher.loadbalancer.ssl.ports: '443, 8443', a: b}\nlinks: [db]\ncerts: [a, b]",
        "kind" => "balancer", "template.primary.image" => "rancher/lb-service-haproxy", "template.primary.labels" => {"a": "b"},
        "template.primary.ports" => [{"public": 443, "private": 443, "protocol": "tcp"}, {"public": 8443, "private": 8443, "protocol": "tcp"}],
        "balancer" => {"rules": [
            {"source_port": 443, "protocol": "https", "hostname": null, "path": null, "priority": null, "service": "db", "selector": null, "target_port": 80, "backend_name": null, "weight": null},
            {"source_port": 8443, "protocol": "tls", "hostname": null, "path": null, "priority": null, "service": "db", "selector": null, "target_port": 80, "backend_name": null, "weight": null}],
            "certificates": ["a", "b"], "default_certificate": null, "custom": null, "stickiness": null}),
];

/// Keys whose effect needs a second service; tested in `files` and `rules`.
const ELSEWHERE: &[&str] = &["volumes_from", "default_cert"];

#[test]
fn each_key_becomes_what_it_says() {
    for (key, text, want) in ROWS {
        let mut found = outcome(text);
        let mut want: Vec<(String, Value)> =
            want.iter().map(|(path, value)| ((*path).to_owned(), value())).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        want.sort_by(|a, b| a.0.cmp(&b.0));
        if *key == "extends" {
            found.retain(|(path, _)| path != "template.primary.image");
        }
        assert_eq!(found, want, "{text}");
    }
}

#[test]
fn each_honoured_key_has_a_row() {
    let rows: BTreeSet<&str> =
        ROWS.iter().map(|row| row.0).chain(ELSEWHERE.iter().copied()).collect();
    let honoured: BTreeSet<&str> =
        SERVICE.iter().filter(|k| k.fate == Fate::Honoured).map(|k| k.name).collect();
    assert_eq!(rows, honoured);
}

#[test]
fn each_other_key_is_told_with_its_place() {
    for key in SERVICE {
        let name = key.name;
        let text = format!("web:\n  image: busybox\n  {name}: x\n");
        let said = match (key.fate, super::docker(&text)) {
            (Fate::Honoured, _) => continue,
            (Fate::Ignored(why), Ok(parsed)) => (format!("ignored: {why}"), parsed.warnings),
            (Fate::Refused(why), Err(said)) => (why.to_owned(), said),
            (fate, got) => panic!("{name}: {fate:?}, {got:?}"),
        };
        let want = format!("docker-compose.yml:3:3: services.web.{name}: {}", said.0);
        assert_eq!(said.1.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
    }
}

#[test]
fn an_empty_key_says_nothing() {
    for key in SERVICE {
        let name = key.name;
        if name == "image" {
            continue;
        }
        let text = format!("web:\n  image: busybox\n  {name}:\n");
        let parsed = super::docker(&text).unwrap_or_else(|said| panic!("{name}: {}", lines(&said)));
        assert_eq!(parsed.stack, {
            let mut plain = super::docker("web:\n  image: busybox\n").unwrap().stack;
            plain.services[0].at = parsed.stack.services[0].at.clone();
            plain
        });
    }
}
