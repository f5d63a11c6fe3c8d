//! Every kind of mistake in a file, and the exact sentence it is answered with.

use drover_compose::Severity;

use super::{Files, both, docker};

/// A file, and its errors after the file's name.
#[rustfmt::skip]
const ROWS: &[(&str, &[&str])] = &[
    ("web: [", &["1:6: not YAML: unclosed bracket '['"]),
    ("web:\n\timage: a", &["2:2: a tab stands where only spaces may; indent with spaces"]),
    ("web:\n  image: a\n image: b", &["3:2: not YAML: while parsing a block mapping, did not find expected key; look at the indentation here and above"]),
    ("web: 'a", &["1:6: not YAML: unclosed quote"]),
    ("web: *a", &["1:6: this alias has no anchor above it; write `&name` at the value"]),
    ("web: &a [*a]", &["1:10: an anchor must not contain an alias of itself"]),
    ("web:\n  image: a\nweb:\n  image: b", &["3:1: the key `web` stands here a second time; the first is in line 1"]),
    ("web:\n  image: a\n---\nweb:\n  image: b", &["3:1: a second document (`---`) begins here: one file holds one"]),
    ("? [a]\n: b", &["1:3: a key must be plain text, not a list or a map"]),
    ("web: !x {image: a}", &["1:9: YAML tags (`!name`) are not supported"]),
    ("web:\n  <<: a", &["2:7: `<<` takes a map or a list of maps"]),
    ("web:\n  {{if a}}\n  image: a", &["2:4: a key must be plain text, not a list or a map; templates (`{{ … }}`) are not supported: replace them by variables"]),
    ("", &["1:1: the file holds no services"]),
    ("# nothing\n", &["1:1: the file holds no services"]),
    ("- a", &["1:1: expected a map of services, found a list"]),
    ("hello", &["1:1: expected a map of services, found `hello`"]),
    ("version: '2'\n", &["1:1: the file has no `services`"]),
    ("version: '4'\nservices: {}", &["1:10: version: version `4` is not known; versions 1, 2 and 3 are"]),
    ("version: '2.x'\nservices: {}", &["1:10: version: expected a version like '2', found `2.x`"]),
    ("version: [2]\nservices: {}", &["1:10: version: expected a version like '2', found a list"]),
    ("version: '2'\nservices: [a]", &["2:11: services: expected a map of services, found a list"]),
    ("version: '2'\nweb:\n  image: a", &["2:1: web: unknown key at the top level; services stand below `services` in a file with a version"]),
    ("version: '2'\nsevices:\n  web: {image: a}", &["2:1: sevices: unknown key at the top level; did you mean `services`?"]),
    ("version: '2'\nservices:\n  web: {image: a}\nsecrets: {a: {}}", &["4:11: secrets.a: a secret is made in the cluster before it is read; make it with `drover secret add NAME FILE`, and write `external: true`"]),
    ("version: '2'\nservices:\n  web: {image: a}\nsecrets: {a: {file: x}}", &["4:15: secrets.a.file: values are not taken from files here: make the secret first (`drover secret add NAME FILE`), and write `external: true`"]),
    ("version: '2'\nservices:\n  web: {image: a, secrets: [b, {target: x}]}\nsecrets: {a: {external: true}}", &["3:29: services.web.secrets[0]: there is no secret `b` at the top level; did you mean `a`?", "3:32: services.web.secrets[1]: expected the name of a secret under `source`, found a map"]),
    ("version: '2'\nservices:\n  web:\n    image: a\n    secrets: [{source: a, mode: 9}, {source: a, target: x/y}, {source: a, target: z}, {source: a, target: z}]\nsecrets: {a: {external: true}}", &["5:33: services.web.secrets[0].mode: expected permissions like 0400, found `9`", "5:37: services.web.secrets[1]: another secret goes into the same file", "5:57: services.web.secrets[1].target: expected the name of a file in /run/secrets, found `x/y`", "5:87: services.web.secrets[3]: another secret goes into the same file"]),
    ("version: '2'\nservices:\n  web: {image: a}\ncontainers: {a: {}}", &["4:1: containers: not supported; write it as a service below `services`"]),
    ("web:\n  image: a\n  prots: ['80:80']", &["3:3: services.web.prots: unknown key; did you mean `ports`?"]),
    ("web:\n  image: a\n  frobnicate: 1", &["3:3: services.web.frobnicate: unknown key"]),
    ("web:\n  image: a\n  health_check: {port: 80, intervall: 5}", &["3:28: services.web.health_check.intervall: unknown key; did you mean `interval`?"]),
    ("web: hello", &["1:6: services.web: expected a map, found `hello`"]),
    ("web:\n  image: [a]", &["2:10: services.web.image: expected text, found a list"]),
    ("web:\n  image: ''", &["2:10: services.web.image: expected text, found an empty text"]),
    ("web:\n  image: a b", &["2:10: services.web.image: expected an image like name:tag, found `a b`"]),
    ("web: {}", &["1:1: services.web: has no `image`"]),
    ("web:", &["1:1: services.web: has no `image`"]),
    ("web:\n  build: .", &["2:10: services.web.build: images are not built here; build and push the image, and name it under `image`"]),
    ("web:\n  image: a\n  ports: 80", &["3:10: services.web.ports: expected a list, found `80`"]),
    ("web:\n  image: a\n  ports: {a: b}", &["3:10: services.web.ports: expected a list, found a map"]),
    ("web:\n  image: a\n  ports: [http]", &["3:11: services.web.ports[0]: `http` is not a port; write [address:][public:]private[/tcp|udp], ports from 1 to 65535"]),
    ("web:\n  image: a\n  ports: ['0:80']", &["3:11: services.web.ports[0]: `0:80` is not a port; write [address:][public:]private[/tcp|udp], ports from 1 to 65535"]),
    ("web:\n  image: a\n  ports: ['80:80/sctp']", &["3:11: services.web.ports[0]: `80:80/sctp` is not a port; write [address:][public:]private[/tcp|udp], ports from 1 to 65535"]),
    ("web:\n  image: a\n  ports: ['3000-3005:3000-3005']", &["3:11: services.web.ports[0]: `3000-3005:3000-3005` is a range of ports, which is not supported; write one entry for each port"]),
    ("web:\n  image: a\n  ports: ['80:80', '80:80/tcp']", &["3:20: services.web.ports[1]: `80:80/tcp` stands here twice"]),
    ("web:\n  image: a\n  ports: ['80:80', '80:81']", &["3:20: services.web.ports[1]: `80:81` publishes a port that is published already"]),
    ("web:\n  image: a\n  ports: [[80]]", &["3:11: services.web.ports[0]: expected a port like 8080:80, found a list"]),
    ("web:\n  image: a\n  ports: [{published: 80}]", &["3:11: services.web.ports[0]: needs a `target`"]),
    ("web:\n  image: a\n  expose: ['80-90']", &["3:12: services.web.expose[0]: expected a port like 80 or 80/udp, found `80-90`"]),
    ("web:\n  image: a\n  tty: maybe", &["3:8: services.web.tty: expected true or false, found `maybe`"]),
    ("web:\n  image: a\n  scale: many", &["3:10: services.web.scale: expected a whole number, found `many`"]),
    ("web:\n  image: a\n  scale: -1", &["3:10: services.web.scale: `-1` is out of range"]),
    ("web:\n  image: a\n  scale: 1.5", &["3:10: services.web.scale: expected a whole number, found `1.5`"]),
    ("web:\n  image: a\n  mem_limit: 12q", &["3:14: services.web.mem_limit: expected a size like 512m, 2g or a number of bytes, found `12q`"]),
    ("web:\n  image: a\n  memswap_limit: 1g", &["1:1: services.web: `memswap_limit` needs `mem_limit` beside it"]),
    ("web:\n  image: a\n  mem_swappiness: 101", &["3:19: services.web.mem_swappiness: expected a whole number from 0 to 100, found `101`"]),
    ("web:\n  image: a\n  cpus: lots", &["3:9: services.web.cpus: expected a number of CPUs like 0.5, found `lots`"]),
    ("web:\n  image: a\n  stop_grace_period: soon", &["3:22: services.web.stop_grace_period: expected a time span like 30s or 1m30s, found `soon`"]),
    ("web:\n  image: a\n  ulimits: {nofile: {soft: 1}}", &["3:21: services.web.ulimits.nofile: needs both `soft` and `hard`"]),
    ("web:\n  image: a\n  command: 'echo \"'", &["3:12: services.web.command: `echo \"` has a quote that is not closed"]),
    ("web:\n  image: a\n  command: {a: b}", &["3:12: services.web.command: expected text or a list, found a map"]),
    ("web:\n  image: a\n  environment: A=1", &["3:16: services.web.environment: expected a map or a list of KEY=VALUE, found `A=1`"]),
    ("web:\n  image: a\n  environment: [{A: 1}]", &["3:17: services.web.environment[0]: expected KEY=VALUE, found a map"]),
    ("web:\n  image: a\n  environment: {A: [1]}", &["3:20: services.web.environment.A: expected text, found a list"]),
    ("web:\n  image: a\n  environment: [=1]", &["3:17: services.web.environment[0]: expected KEY=VALUE, found `=1`"]),
    ("web:\n  image: a\n  env_file: gone.env", &["3:13: services.web.env_file: cannot read `gone.env`: no such file"]),
    ("web:\n  image: a\n  restart: sometimes", &["3:12: services.web.restart: expected no, always, unless-stopped or on-failure, found `sometimes`"]),
    ("web:\n  image: a\n  net: weave", &["3:8: services.web.net: expected managed, host, bridge, none or container:SERVICE, found `weave`"]),
    ("web:\n  image: a\n  net: container:db", &["3:8: services.web.net: there is no service `db`"]),
    ("web:\n  image: a\n  volumes_from: [data]\ndata:\n  image: a", &["3:18: services.web.volumes_from[0]: `data` may run on another host, so its volumes can't be shared; make one a sidekick of the other: `io.rancher.sidekicks: web` on `data`, or the other way round"]),
    ("web:\n  image: a\n  volumes_from: [web]", &["3:18: services.web.volumes_from[0]: a container can't take its volumes from itself"]),
    ("web:\n  image: a\n  volumes: [./src:/src]", &["3:13: services.web.volumes[0]: a relative path has no meaning: the container may run on any host; write an absolute path or the name of a volume"]),
    ("web:\n  image: a\n  volumes: [data]", &["3:13: services.web.volumes[0]: expected a mount like name:/path, /host:/path:ro or /path, found `data`"]),
    ("web:\n  image: a\n  volumes: ['a:/b:rx']", &["3:13: services.web.volumes[0]: the mode of this mount is not known; known are ro, rw, z, Z, shared, rshared, private, rprivate, slave, rslave, nocopy, consistent, cached, delegated"]),
    ("web:\n  image: a\n  volumes: ['a b:/b']", &["3:13: services.web.volumes[0]: expected a mount from an absolute path or the name of a volume, found `a b:/b`"]),
    ("web:\n  image: a\n  volumes: ['/a:/b', '/c:/b/']", &["3:22: services.web.volumes[1]: mounts a path that is mounted already"]),
    ("web:\n  image: a\n  volumes: ['a:b:c:d']", &["3:13: services.web.volumes[0]: expected a mount like name:/path, /host:/path:ro or /path, found `a:b:c:d`"]),
    ("web:\n  image: a\n  links: [other/db]", &["3:11: services.web.links[0]: `other/db` names a service of another stack; write it under `external_links`"]),
    ("web:\n  image: a\n  external_links: [mysql]", &["3:20: services.web.external_links[0]: expected stack/service or stack/service:alias, found `mysql`"]),
    ("web:\n  image: a\n  depends_on: [dbb]\ndb:\n  image: a", &["3:16: services.web.depends_on[0]: there is no service `dbb`; did you mean `db`?"]),
    ("web:\n  image: a\n  labels: {io.rancher.sidekicks: 'dta'}\ndata:\n  image: a", &["3:34: services.web.labels[\"io.rancher.sidekicks\"]: there is no service `dta` to be the sidekick; did you mean `data`?"]),
    ("web:\n  image: a\n  labels: {io.rancher.sidekicks: 'web'}", &["3:34: services.web.labels[\"io.rancher.sidekicks\"]: a service can't be its own sidekick"]),
    ("web:\n  image: a\n  labels: {io.rancher.sidekicks: 'x, x'}\nx:\n  image: a", &["3:34: services.web.labels[\"io.rancher.sidekicks\"]: the sidekick `x` is listed twice"]),
    ("a:\n  image: a\n  labels: {io.rancher.sidekicks: 'x'}\nb:\n  image: a\n  labels: {io.rancher.sidekicks: 'x'}\nx:\n  image: a", &["6:34: services.b.labels[\"io.rancher.sidekicks\"]: `x` is a sidekick of `a` already"]),
    ("a:\n  image: a\n  labels: {io.rancher.sidekicks: 'b'}\nb:\n  image: a\n  labels: {io.rancher.sidekicks: 'c'}\nc:\n  image: a", &["3:34: services.a.labels[\"io.rancher.sidekicks\"]: the sidekick `b` has sidekicks of its own"]),
    ("a:\n  image: a\n  labels: {io.rancher.sidekicks: b}\n  volumes_from: [b]\nb:\n  image: a\n  volumes_from: [a]", &["1:1: services.a: takes volumes or network from a container that takes them from it", "5:1: services.b: takes volumes or network from a container that takes them from it"]),
    ("Web:\n  image: a\nweb:\n  image: a", &["3:1: services.web: differs from `Web` in case only; names are one whatever their case"]),
    ("web_1:\n  image: a", &["1:1: services.web_1: a name may hold letters, digits and dashes only, not `_`"]),
    ("web:\n  image: a:${", &["2:10: services.web.image: `${` has no closing brace"]),
    ("web:\n  image: $1", &["2:10: services.web.image: `$` is not followed by a name; write `$$` for a dollar sign"]),
    ("web:\n  image: ${TAG:?say which}", &["2:10: services.web.image: the variable TAG must be set: say which"]),
    ("web:\n  image: ${A!}", &["2:10: services.web.image: `${A!…}` is not a variable: write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+other}"]),
    ("web:\n  image: a\n  extends: {file: gone.yml, service: b}", &["3:12: services.web.extends: cannot read the file it names: no such file"]),
    ("web:\n  image: a\n  extends: b", &["3:12: services.web.extends: the service it names is not in that file"]),
    ("web:\n  extends: web", &["2:12: services.web.extends: extends itself, by this or a longer way"]),
    ("a:\n  extends: b\nb:\n  extends: a", &["2:12: services.a.extends: extends itself, by this or a longer way", "4:12: services.b.extends: extends itself, by this or a longer way"]),
    ("web:\n  extends: b\nb:\n  image: a\n  links: [c]", &["2:12: services.web.extends: a service with `links` can't be extended"]),
    ("web:\n  image: a\n  extends: {file: x.yml}", &["3:12: services.web.extends: expected a `service`, found a map"]),
    ("web:\n  image: a\n  health_check: {interval: 5}", &["3:17: services.web.health_check: needs a `port`"]),
    ("web:\n  image: a\n  health_check: {port: 0}", &["3:24: services.web.health_check.port: expected a whole number from 1 to 65535, found `0`"]),
    ("web:\n  image: a\n  health_check: {port: 80, strategy: always}", &["3:38: services.web.health_check.strategy: expected none, recreate or recreateOnQuorum, found `always`"]),
    ("web:\n  image: a\n  health_check: {port: 80, request_line: GET}", &["3:42: services.web.health_check.request_line: expected a request like `GET /path HTTP/1.0`, found `GET`"]),
    ("web:\n  image: a\n  healthcheck: {test: [curl]}", &["3:23: services.web.healthcheck.test: expected [CMD, program, …], [CMD-SHELL, line] or [NONE], found a list"]),
    ("web:\n  image: a\n  scale_policy: {min: 3, max: 2}", &["3:17: services.web.scale_policy: `min` is greater than `max`"]),
    ("web:\n  image: rancher/external-service", &["1:1: services.web: an external service needs `external_ips` or `hostname`"]),
    ("web:\n  image: rancher/external-service\n  external_ips: [a.example.com]", &["3:17: services.web.external_ips: expected IP addresses; a name goes under `hostname`"]),
    ("web:\n  image: rancher/external-service\n  external_ips: [10.0.0.1]\n  hostname: a", &["1:1: services.web: an external service has either `external_ips` or `hostname`, not both"]),
    ("web:\n  image: rancher/none", &["1:1: services.web: a service without containers of its own is not supported"]),
    ("web:\n  image: a\n  network_driver: {name: x}", &["3:3: services.web.network_driver: network drivers are not supported: the network is built in"]),
    ("web:\n  image: rancher/dns-service\n  storage_driver: {name: x}", &["1:1: services.web: a service without containers of yours installs no `storage_driver`"]),
    ("web:\n  image: a\n  secrets: [a]", &["3:13: services.web.secrets[0]: there is no secret `a` at the top level; declare it there with `external: true`"]),
    ("web:\n  image: rancher/load-balancer-service\n  links: [db]\ndb:\n  image: a", &["1:1: services.web: a balancer needs `ports` or `expose`"]),
    ("web:\n  image: rancher/load-balancer-service\n  ports: [80]\n  links: [db]\n  labels: {io.rancher.loadbalancer.target.db: 'a=b'}\ndb:\n  image: a", &["5:47: services.web.labels[\"io.rancher.loadbalancer.target.db\"]: `a=b` is not a route; write [host][:source_port][/path][=target_port]"]),
    ("web:\n  image: rancher/load-balancer-service\n  ports: [80]\n  links: [db]\n  labels: {io.rancher.loadbalancer.ssl.ports: 'x'}\ndb:\n  image: a", &["5:47: services.web.labels[\"io.rancher.loadbalancer.ssl.ports\"]: `x` is not a list of ports"]),
    ("lb:\n  image: rancher/lb-service-haproxy\n  lb_config:\n    config: |\n      defaults\n        timeout client 5s\n        option httpchk\n      frontend 80\n        acl a b\n    port_rules: [{source_port: 80, service: db, target_port: 1}]\ndb: {image: a}", &["7:7: services.lb.lb_config.config: `option httpchk`: checks are the target service's: write a `health_check` there", "9:7: services.lb.lb_config.config: `acl a b`: requests are routed by port rules: give a rule this `hostname` or `path`"]),
    ("lb:\n  image: rancher/load-balancer-service\n  ports: [80]\n  links: [db]\n  load_balancer_config:\n    haproxy_config:\n      global: |\n        maxconn 9\n        stats socket /x\ndb: {image: a}", &["9:9: services.lb.load_balancer_config.haproxy_config.global: `stats socket /x`: there is no page of statistics: ask the server's API, and remove the line"]),
    ("lb:\n  image: rancher/lb-service-haproxy\n  lb_config: {port_rules: [{source_port: 443, protocol: https, service: db, target_port: 1}, {source_port: 42, selector: 'a within b'}], stickiness_policy: {mode: sticky}}\ndb: {image: a}", &["3:14: services.lb.lb_config: port 443 ends TLS and needs a certificate; give `default_cert` or `certs`", "3:94: services.lb.lb_config.port_rules[1]: port 42 is reserved for the balancer's own health check; listen on another", "3:122: services.lb.lb_config.port_rules[1].selector: `a within b` is no label selector: write key=value, key!=value, key, key in (a, b) or key notin (a, b), with commas between", "3:164: services.lb.lb_config.stickiness_policy.mode: expected rewrite, insert or prefix, found `sticky`"]),
    ("web:\n  image: rancher/lb-service-haproxy\n  lb_config: {port_rules: [{source_port: 80}]}", &["3:28: services.web.lb_config.port_rules[0]: needs a `service` or a `selector`"]),
    ("web:\n  image: rancher/lb-service-haproxy\n  lb_config: {port_rules: [{source_port: 80, service: db}]}\ndb: {image: a}", &["3:28: services.web.lb_config.port_rules[0]: needs a `target_port`"]),
    ("web:\n  image: rancher/lb-service-haproxy\n  lb_config: {port_rules: [{service: db, target_port: 80}]}\ndb: {image: a}", &["3:28: services.web.lb_config.port_rules[0]: needs a `source_port`"]),
    ("web:\n  image: a\n  lb_config: {port_rules: [{service: db, target_port: 80}]}\ndb: {image: a}", &["3:28: services.web.lb_config.port_rules[0]: names a target but no `source_port`; a balancer's rule listens on a `source_port`"]),
    ("web:\n  image: a\n  lb_config: {port_rules: [{source_port: 80, service: a/b/c, protocol: spdy, weight: 300, container: x, target_port: 99999}]}", &["3:28: services.web.lb_config.port_rules[0]: needs a `service` or a `selector`", "3:55: services.web.lb_config.port_rules[0].service: expected service or stack/service, found `a/b/c`", "3:72: services.web.lb_config.port_rules[0].protocol: expected http, https, tcp, tls, sni or udp, found `spdy`", "3:86: services.web.lb_config.port_rules[0].weight: expected a whole number from 0 to 256, found `300`", "3:91: services.web.lb_config.port_rules[0].container: a rule names a service; containers without a service are not known here", "3:118: services.web.lb_config.port_rules[0].target_port: expected a whole number from 1 to 65535, found `99999`"]),
    ("version: '2'\nservices:\n  web: {image: a}\nvolumes: {data: {external: {name: other}}}", &["4:35: volumes.data.external.name: a volume is known by its key; another name is not supported; use that name as the key, here and in the mounts"]),
    ("version: '2'\nservices:\n  web: {image: a}\nvolumes: {data: {external: true, per_container: true, size: 5}}", &["4:11: volumes.data: an external volume is one; it can't be `per_container`", "4:55: volumes.data.size: unknown key"]),
    ("version: '3'\nservices:\n  web: {image: a, deploy: {placement: {constraints: [node.role == manager]}, mode: any, update_config: {order: both}}}", &["3:54: services.web.deploy.placement.constraints[0]: only labels of hosts can be asked for; write node.labels.NAME == VALUE and label the host", "3:84: services.web.deploy.mode: expected replicated or global, found `any`", "3:112: services.web.deploy.update_config.order: expected start-first or stop-first, found `both`"]),
    ("web:\n  image: a\n  upgrade_strategy: {deadline: 0s, on_failure: pause, verify: {for: 30000h}}", &["3:32: services.web.upgrade_strategy.deadline: expected a time span from 1ms to 596h, found `0s`", "3:69: services.web.upgrade_strategy.verify.for: expected a time span from 0ms to 596h, found `30000h`"]),
    ("web:\n  image: a\n  upgrade_strategy: {batch_size: 4294967295, interval_millis: 2147483648}", &["3:34: services.web.upgrade_strategy.batch_size: expected a whole number from 1 to 2147483647, found `4294967295`", "3:63: services.web.upgrade_strategy.interval_millis: expected a whole number from 0 to 2147483647, found `2147483648`"]),
    ("version: '3'\nservices:\n  web: {image: a, deploy: {update_config: {delay: 600h}}}", &["3:51: services.web.deploy.update_config.delay: expected a time span from 0ms to 596h, found `600h`"]),
];

#[test]
fn each_mistake_has_its_sentence() {
    for (text, want) in ROWS {
        let said = docker(text).expect_err(text);
        let said = said.iter().filter(|d| d.severity == Severity::Error).map(ToString::to_string);
        let want = want.iter().map(|line| format!("docker-compose.yml:{line}"));
        assert_eq!(said.collect::<Vec<_>>(), want.collect::<Vec<_>>(), "{text}");
    }
}

/// A file that is accepted, and what is said about it.
#[rustfmt::skip]
const WARNINGS: &[(&str, &[&str])] = &[
    ("web:\n  image: a\n  restart: always", &["note: 3:12: services.web.restart: ignored: the containers of a service are always kept running"]),
    ("web:\n  image: a\n  restart: no", &["note: 3:12: services.web.restart: ignored: the containers of a service are always kept running; for a task that ends, set the label `io.rancher.container.start_once: 'true'`"]),
    ("web:\n  image: a\n  container_name: x", &["note: 3:19: services.web.container_name: ignored: containers are named stack-service-number"]),
    ("web:\n  image: a\n  build: .", &["note: 3:10: services.web.build: ignored: the image is pulled, not built"]),
    ("web:\n  image: a:$TAG-$TAG", &["warning: 2:10: services.web.image: the variable TAG is not set, nothing stands in its place; set it, or write `${TAG:-default}`"]),
    ("web:\n  image: a\n  environment: {A: yes, B: 1.10, C: 0644, D: 1.5, E: 0, F: true}", &["warning: 3:20: services.web.environment.A: `yes` is a YAML boolean and becomes `true`; quote it if you mean the word", "warning: 3:28: services.web.environment.B: passed as it is written, `1.10`; Rancher passed `1.1`; quote the one you mean", "warning: 3:37: services.web.environment.C: passed as it is written, `0644`; Rancher passed `420`; quote the one you mean"]),
    ("web:\n  image: a\n  environment: [NOT_SET]", &["note: 3:17: services.web.environment[0]: NOT_SET is not set here, so containers don't get it"]),
    ("web:\n  image: a\n  labels: {io.rancher.scheduler.affinity:not_host_label: a=b}", &["warning: 3:58: services.web.labels[\"io.rancher.scheduler.affinity:not_host_label\"]: no affinity of this name has an effect; did you mean `io.rancher.scheduler.affinity:host_label_ne`?"]),
    ("web:\n  image: a\n  labels: {io.rancher.scheduler.affinity:host_lable: a=b}", &["warning: 3:54: services.web.labels[\"io.rancher.scheduler.affinity:host_lable\"]: no affinity of this name has an effect; did you mean `io.rancher.scheduler.affinity:host_label`?"]),
    ("web:\n  image: a\n  labels: {io.rancher.scheduler.affinity:moon: a=b}", &["warning: 3:48: services.web.labels[\"io.rancher.scheduler.affinity:moon\"]: no affinity of this name has an effect; known are host_label, host_label_ne, host_label_soft, host_label_soft_ne, container_label, container_label_ne, container_label_soft, container_label_soft_ne, container, container_ne, container_soft, container_soft_ne"]),
    ("web:\n  image: a\n  labels: {io.rancher.sidekick: x, io.rancher.container.pull-image: always, io.rancher.something.else: 1}", &["warning: 3:33: services.web.labels[\"io.rancher.sidekick\"]: no label of this name has an effect; did you mean `io.rancher.sidekicks`?", "warning: 3:69: services.web.labels[\"io.rancher.container.pull-image\"]: no label of this name has an effect; did you mean `io.rancher.container.pull_image`?"]),
    ("web:\n  image: a\n  labels: {IO.RANCHER.scheduler.GLOBAL: 'true'}\n  scale: 2", &["note: 1:1: services.web: `scale` has no effect: a global service runs once on each host"]),
    ("web:\n  image: a\n  links: [dbb]\ndb:\n  image: a", &["warning: 3:11: services.web.links[0]: `dbb` is not in these files; it must be in the stack already; did you mean `db`?"]),
    ("web:\n  image: a\n  net: host\n  ports: [80]", &["warning: 1:1: services.web: its ports are not published: it has no network of its own"]),
    ("web:\n  image: a\n  net: ipsec", &["warning: 3:8: services.web.net: read as `managed`: every environment has one managed network"]),
    ("web:\n  image: a\n  scale: 0", &["warning: 3:10: services.web.scale: 0 is read as 1, as Rancher does; to make a service without starting it, say `start_on_create: false`"]),
    ("web:\n  image: a\n  certs: [x]", &["warning: 3:10: services.web.certs: has an effect with the image rancher/load-balancer-service only"]),
    ("a:\n  image: a\n  links: [b]\nb:\n  image: a\n  links: [c]\nc:\n  image: a\n  links: [a]", &["warning: 1:1: services.a: depends on itself in a circle, which has no order: a → b → c → a"]),
    ("web:\n  image: a\n  links: ['db:sql', db]\n  labels: {io.rancher.sidekicks: db}\ndb:\n  image: a\n  scale: 2\n  metadata: {a: b}\n  links: ['api:x']\napi:\n  image: a\n  links: [db]", &["warning: 3:11: services.web.links[0]: ignored: `db` is of the same unit and reached by its own name only", "warning: 5:1: services.db: `links` of a sidekick are ignored: the aliases in them don't resolve", "warning: 12:11: services.api.links[0]: ignored: `db` is a sidekick and can't be linked to; it is reached as db.web", "note: 3:21: services.web.links[1]: ignored: `db` is of the same unit and reached by its name without a link", "note: 5:1: services.db: `scale` is ignored: it is the primary's to say", "note: 5:1: services.db: `metadata` is ignored: it is the primary's to say"]),
    ("web:\n  image: a\n  labels: {io.rancher.sidekicks: db}\n  volumes_from: ['db:ro']\ndb:\n  image: a", &["warning: 4:18: services.web.volumes_from[0]: mounted as the other container has it: `:ro` has no effect"]),
    ("lb:\n  image: rancher/load-balancer-service\n  ports: [80]\n  links: [web]\n  labels: {io.rancher.loadbalancer.target.api: a.com}\n  load_balancer_config: {lb_cookie_stickiness_policy: {name: x}}", &["warning: 4:11: services.lb.links[0]: `web` is not in these files; it must be in the stack already", "warning: 5:48: services.lb.labels[\"io.rancher.loadbalancer.target.api\"]: routes to a service that is not among the links"]),
    ("lb:\n  image: rancher/lb-service-haproxy", &["warning: 1:1: services.lb: a balancer without rules serves nothing; give it an `lb_config` with `port_rules` in rancher-compose.yml"]),
    ("lb:\n  image: nginx\n  lb_config: {port_rules: [{source_port: 80, service: web, target_port: 80, protocol: tcp, path: /x}, {source_port: 80, selector: a=b}], config: \"defaults\\n option httplog\"}", &["warning: 1:1: services.lb: its image is not run: the balancer is Drover's own", "warning: 3:14: services.lb.lb_config: the rules of port 80 differ in protocol: the first one's holds", "warning: 3:28: services.lb.lb_config.port_rules[0]: `hostname` and `path` have no effect with this protocol", "warning: 3:55: services.lb.lb_config.port_rules[0].service: `web` is not in these files; it must be in the stack already", "note: 3:146: services.lb.lb_config.config: `option httplog`: the balancer writes an access log of its own"]),
    ("version: '2'\nname: x\nservices:\n  web: {image: a, networks: [x], depends_on: {db: {condition: service_healthy}}}\n  db: {image: a}\nnetworks: {x: {}}\nx-foo: 1", &["note: 2:1: name: ignored: the stack's name is given on the command line or by the directory", "note: 4:19: services.web.networks: ignored: all services share the managed network of their environment", "note: 6:1: networks: ignored: all services share the managed network of their environment"]),
    ("version: '3.7'\nservices:\n  web: {image: a, deploy: {restart_policy: {condition: any}, labels: {a: b}}}", &["note: 3:28: services.web.deploy.restart_policy: ignored: services are kept running; see the label io.rancher.container.start_once", "note: 3:62: services.web.deploy.labels: ignored: they are for the service, not for its containers"]),
    ("web:\n  image: a\n  upgrade_strategy: {verify: {for: 30s, stop: true}}", &["warning: 3:30: services.web.upgrade_strategy.verify: `verify` has no effect: nothing is said of what follows from it; say `on_failure: pause` or `rollback`, or `finish: auto` beside it"]),
    ("web:\n  image: a\n  upgrade_strategy: {on_failure: rollback, verify: {for: 30s, stop: true}}", &[]),
    ("version: '3'\nservices:\n  web: {image: a, deploy: {update_config: {monitor: 20s}}}", &["warning: 3:53: services.web.deploy.update_config.monitor: `monitor` has no effect: nothing is said of what follows from it; say `failure_action: pause` or `rollback` beside it"]),
    ("lb:\n  image: rancher/load-balancer-service\n  expose: [80]", &["warning: 1:1: services.lb: a balancer without links serves nothing"]),
];

#[test]
fn what_is_only_odd_is_told_too() {
    for (text, want) in WARNINGS {
        let parsed = docker(text).unwrap_or_else(|said| panic!("{text}\n{}", super::lines(&said)));
        let said = parsed.warnings.iter().map(|d| format!("{}: {d}", d.severity));
        let said: Vec<_> = said.map(|line| line.replace("docker-compose.yml:", "")).collect();
        assert_eq!(said, *want, "{text}");
    }
}

#[test]
fn values_from_the_environment_are_never_shown() {
    let text = "web:
  image: a
  ports: ['${SECRET}:80', '80:${SECRET}']
  tty: $SECRET
  mem_limit: ${SECRET}
  net: $SECRET
  volumes: ['$SECRET', 'x:y:$SECRET']
  links: ['$SECRET', '$SECRET']
  external_links: [$SECRET]
  depends_on: [$SECRET]
  volumes_from: [$SECRET]
  extends: $SECRET
  command: \"'$SECRET\"
  env_file: $SECRET
  environment: ['$SECRET=1']
  labels: {io.rancher.sidekicks: $SECRET, io.rancher.loadbalancer.ssl.ports: $SECRET}
  health_check: {port: $SECRET, strategy: $SECRET, request_line: $SECRET}
  healthcheck: {test: [$SECRET], interval: $SECRET}
  lb_config: {port_rules: [{source_port: $SECRET, service: $SECRET, protocol: $SECRET}]}
  restart: $SECRET
  scale: $SECRET
lb:
  image: rancher/load-balancer-service
  ports: [80]
  links: [$SECRET]
  labels: {io.rancher.loadbalancer.target.web: $SECRET, io.rancher.loadbalancer.ssl.ports: $SECRET}
";
    let files = [("docker-compose.yml", text), ("rancher-compose.yml", "lb: {scale: $SECRET}")];
    for secret in ["hunter2!", "a/b/c=d:e", "1;2"] {
        let said = Files { files: &files, variables: &[("SECRET", secret)] }.parse().unwrap_err();
        assert!(said.len() > 15, "{}", super::lines(&said));
        assert!(!super::lines(&said).contains(secret), "{}", super::lines(&said));
    }
}

#[test]
fn each_file_is_named() {
    let said = both("web: {image: a, tty: x}", "web: {scale: x}\nwbe: {scale: 1}").unwrap_err();
    assert_eq!(
        super::lines(&said),
        "error: docker-compose.yml:1:22: services.web.tty: expected true or false, found `x`
error: rancher-compose.yml:1:14: services.web.scale: expected a whole number, found `x`
warning: rancher-compose.yml:2:1: services.wbe: ignored: no docker-compose file has this service; did you mean `web`?
"
    );
    let files = [
        (
            "docker-compose.yml",
            "web: {image: a, env_file: x.env, extends: {file: y.yml, service: b}}",
        ),
        ("x.env", "A=1\n=2\n"),
        ("y.yml", "b: {tty: x}"),
    ];
    let said = Files { files: &files, variables: &[] }.parse().unwrap_err();
    assert_eq!(
        super::lines(&said),
        "error: x.env:2:1: expected NAME=VALUE: there is no name before `=`
error: y.yml:1:10: services.web.tty: expected true or false, found `x`
"
    );
}

#[test]
fn a_broken_file_does_not_put_the_blame_on_the_others() {
    let said = both("web: [", "web: {scale: x}").unwrap_err();
    assert_eq!(
        super::lines(&said),
        "error: docker-compose.yml:1:6: not YAML: unclosed bracket '['\n"
    );
}

#[test]
fn a_file_cannot_ask_for_more_than_it_is_worth() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let last = format!("*a{}, ", i - 1).repeat(10);
        bomb.extend([&format!("a{i}: &a{i} ["), last.as_str(), "]\n"]);
    }
    let deep = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
    let chain: Vec<_> = (1..100).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
    for (text, want) in [
        (bomb, "the file is too large with its aliases unfolded; write fewer aliases of aliases"),
        (deep, "not YAML: "),
        (format!("a0: &a0 [x]\n{}", chain.concat()), "values are nested more than 64 deep"),
        (format!("a: {}", "x".repeat(2 << 20)), "the file is larger than 1 MiB"),
        ("- a\n".repeat(260_000), "the file is too large with its aliases unfolded"),
    ] {
        let said = docker(&text).unwrap_err();
        assert_eq!(said.len(), 1);
        assert!(said[0].to_string().contains(want), "{}", said[0]);
    }
}

#[test]
fn a_thousand_mistakes_are_not_all_shown() {
    let keys: Vec<_> = (0..5000).map(|i| format!("  k{i}: 1\n")).collect();
    let text = "web:\n  image: a\n".to_owned() + &keys.concat();
    assert_eq!(docker(&text).unwrap_err().len(), 200);
}
