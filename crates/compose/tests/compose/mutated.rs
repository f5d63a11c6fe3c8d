//! By accident: real files with bytes changed, pieces of files put together, and noise. Whatever it is, the
//! parser answers, and every answer names a place in a file.

use proptest::prelude::*;

use super::{Files, lines};

/// Files in which most keys occur.
const SEEDS: &[&str] = &[
    "web:\n  image: a:${TAG:-1}\n  ports: ['80:80', 53/udp]\n  links: ['db:sql']\n  labels:\n    io.rancher.sidekicks: data\n    io.rancher.scheduler.affinity:host_label_ne: a=b\n  volumes_from: [data]\n  command: sh -c 'echo \"$$X\"'\ndb:\n  image: b\n  mem_limit: 512m\ndata:\n  image: c\n  net: container:web\n  volumes: ['x:/y:ro']\n",
    "version: '2.1'\nx-a: &a {tty: true, environment: &env {A: 1}}\nservices:\n  web: &web\n    <<: [*a, {init: true}]\n    image: x\n    environment: {<<: *env, B: 'yes'}\n    healthcheck: {test: [CMD, x], interval: 1m30s}\n    ulimits: {nofile: {soft: 1, hard: 2}}\n    logging: {driver: syslog, options: {a: b}}\n  api:\n    <<: *web\n    depends_on: [web]\n    extends: {file: base.yml, service: b}\n    env_file: [a.env]\nvolumes:\n  v: {driver: nfs, per_container: true}\n",
    "lb:\n  image: rancher/load-balancer-service\n  ports: ['8080:80', 443/tcp]\n  expose: [81]\n  links: [web]\n  labels:\n    io.rancher.loadbalancer.target.web: 'a.com:8080/x=81, b.com'\n    io.rancher.loadbalancer.ssl.ports: '443'\n  load_balancer_config: {haproxy_config: {global: |\n      x y\n      }}\nweb:\n  image: x\n",
    "version: '2'\nservices:\n  web:\n    scale: ${N}\n    health_check: {port: 80, request_line: GET /x HTTP/1.0, strategy: none}\n    lb_config:\n      port_rules:\n      - {source_port: 80, service: s/web, target_port: 80, weight: 3}\n    metadata: {a: [1, 2.5, {b: ~}]}\n    upgrade_strategy: {start_first: true}\n    scale_policy: {min: 1, max: 3}\n",
    "version: '3'\nservices:\n  web:\n    image: x\n    ports: [{target: 80, published: 80}]\n    volumes: [{type: bind, source: /a, target: /b}]\n    deploy:\n      replicas: 2\n      update_config: {parallelism: 2, order: start-first}\n      resources: {limits: {cpus: '0.5', memory: 1g}}\n      placement: {constraints: [node.labels.a == b]}\n",
];

/// Bytes that mean something to YAML or to the compose readers.
const SHARP: &[u8] = b"\n\t :-[]{},'\"#&*!|>%@`$<?=/\\~0\xff";

fn mutated() -> impl Strategy<Value = String> {
    let seed = proptest::sample::select(SEEDS.to_vec());
    let edit = (
        any::<prop::sample::Index>(),
        0..5_u8,
        proptest::sample::select(SHARP.to_vec()),
        0..40_usize,
    );
    (seed, proptest::collection::vec(edit, 0..8)).prop_map(|(seed, edits)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (at, what, byte, length) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => mutated(),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|b| String::from_utf8_lossy(&b).into_owned()),
        1 => proptest::collection::vec(proptest::sample::select(SHARP.to_vec()), 0..60)
            .prop_map(|b| String::from_utf8_lossy(&b).into_owned()),
        1 => "\\PC{0,100}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_answered(first in anything(), second in anything(), rancher in anything(), env in anything()) {
        let files = [
            ("docker-compose.yml", first.as_str()),
            ("docker-compose.override.yml", second.as_str()),
            ("rancher-compose.yml", rancher.as_str()),
            ("base.yml", second.as_str()),
            ("a.env", env.as_str()),
        ];
        for files in [&files[..], &files[..1], &[files[0], files[2], files[3], files[4]]] {
            match (Files { files, variables: &[("TAG", "$x"), ("N", "\n- {")] }).parse() {
                Ok(parsed) => {
                    let written = drover_compose::export(&parsed.stack);
                    let back = super::both(&written.docker_compose, &written.rancher_compose);
                    if let Err(said) = back {
                        panic!("{}\n{}\n{}", written.docker_compose, written.rancher_compose, lines(&said));
                    }
                }
                Err(said) => {
                    prop_assert!(said.iter().any(|d| d.severity == drover_compose::Severity::Error));
                    prop_assert!(said.iter().all(|d| d.at.line > 0 && files.iter().any(|f| f.0 == &*d.at.file)));
                }
            }
        }
    }
}
