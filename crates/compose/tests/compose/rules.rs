//! Rules that need more than one key: versions, several files, anchors, bases, sidekicks, order, balancers.

use drover_compose::{Parsed, ServiceSpec};

use super::{Files, both, docker, lines};

fn accepted(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Parsed {
    Files { files, variables }.parse().unwrap_or_else(|said| panic!("{}", lines(&said)))
}

fn web(parsed: &Parsed) -> &ServiceSpec {
    parsed.stack.service("web").expect("the service web")
}

#[test]
fn versions_say_where_the_services_are() {
    for (docker_text, rancher_text) in [
        ("web: {image: a}", "web: {scale: 2}"),
        ("version: '1'\nweb: {image: a}", "web: {scale: 2}"),
        ("version: '2'\nservices: {web: {image: a}}", "web: {scale: 2}"),
        ("version: 2.4\nservices: {web: {image: a}}", "version: '2'\nservices: {web: {scale: 2}}"),
        ("version: '3.8'\nservices: {web: {image: a}}", "version: '2'\nweb: {scale: 2}"),
        ("services: {web: {image: a}}", "services: {web: {scale: 2}}"),
        ("web: {image: a}", "version: '2'\nservices: {web: {scale: 2}}\n.catalog: {name: '${X'}"),
    ] {
        let parsed = both(docker_text, rancher_text);
        let parsed = parsed.unwrap_or_else(|said| panic!("{docker_text}\n{}", lines(&said)));
        assert_eq!(web(&parsed).scale, Some(2), "{docker_text}");
    }
}

#[test]
fn a_service_may_be_called_services() {
    let parsed = docker("services: {image: a}\nvolumes: {image: b}").unwrap();
    assert!(
        parsed.stack.service("services").is_some() && parsed.stack.service("volumes").is_some()
    );
}

#[test]
fn extensions_are_left_alone_and_anchors_followed() {
    let parsed = docker(
        "version: '2'
x-common: &common
  tty: true
  environment: &env {A: 1, B: 2}
x-more: &more {stdin_open: true, tty: false}
services:
  web:
    <<: [*common, *more]
    image: a
    x-note: {free: [form]}
    environment:
      <<: *env
      B: 3
  api:
    <<: *more
    image: ${TAG:-b}
    '<<': 1
",
    );
    let said = parsed.unwrap_err();
    assert_eq!(lines(&said), "error: docker-compose.yml:17:5: services.api[\"<<\"]: unknown key\n");
    let parsed = docker(
        "version: '2'
x-common: &common {tty: true, environment: &env {A: 1, B: 2}}
x-more: &more {stdin_open: true, tty: false}
services:
  web: {<<: [*common, *more], image: a, x-note: {free: [form]}, environment: {<<: *env, B: 3}}
",
    );
    let parsed = parsed.unwrap_or_else(|said| panic!("{}", lines(&said)));
    let primary = &web(&parsed).template.primary;
    assert!(primary.tty && primary.stdin_open);
    assert_eq!(format!("{:?}", primary.environment), r#"{"A": "1", "B": "3"}"#);
}

#[test]
fn later_files_are_laid_over_earlier_ones() {
    let parsed = accepted(
        &[
            (
                "docker-compose.yml",
                "web:
  build: .
  command: [old, args]
  environment: [A=1, B=1]
  labels: {x: 1}
  ports: ['80:80']
  dns: [8.8.8.8]
  volumes: [/data]
  mem_limit: 1m
",
            ),
            (
                "docker-compose.override.yml",
                "version: '2'
services:
  web:
    image: a
    command: new
    environment: {B: 2, C: 3}
    labels: [y=2]
    ports: ['81:81', '80:80']
    mem_limit: 2m
    tty:
  extra: {image: b}
volumes: {data: {driver: nfs}}
",
            ),
            ("rancher-compose.yml", "web:\n  labels: {z: 3}\n  scale: 2\n  mem_limit: 3m\n"),
        ],
        &[],
    );
    let primary = &web(&parsed).template.primary;
    assert_eq!(
        (primary.image.as_str(), &primary.command[..], primary.memory),
        ("a", &["new".to_owned()][..], Some(3 << 20))
    );
    assert_eq!(format!("{:?}", primary.environment), r#"{"A": "1", "B": "2", "C": "3"}"#);
    assert_eq!(format!("{:?}", primary.labels), r#"{"x": "1", "y": "2", "z": "3"}"#);
    let ports: Vec<_> = primary.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["80:80/tcp", "81:81/tcp"]);
    assert_eq!(parsed.stack.volumes["data"].driver, "nfs");
    assert!(parsed.stack.service("extra").is_some());
}

#[test]
fn bases_are_laid_under() {
    let parsed = accepted(
        &[
            (
                "sub/docker-compose.yml",
                "web:\n  extends: {file: ../common/base.yml, service: app}\n  environment: [B=2]\n",
            ),
            (
                "sub/../common/base.yml",
                "version: '2'\nservices:\n  app:\n    extends: {service: root}\n    environment: {A: 1, B: 1}\n    env_file: app.env\n  root: {image: $IMAGE, ports: [80]}\n",
            ),
            ("sub/../common/app.env", "Z=26\n"),
        ],
        &[("IMAGE", "a:1")],
    );
    let primary = &web(&parsed).template.primary;
    assert_eq!((primary.image.as_str(), primary.ports.len()), ("a:1", 1));
    assert_eq!(format!("{:?}", primary.environment), r#"{"A": "1", "B": "2", "Z": "26"}"#);
}

#[test]
fn variables_come_from_the_surroundings() {
    let files = [
        ("docker-compose.yml", "web:\n  image: a:$TAG\n  ports: ['${PORT}:80']\n  tty: ${TTY}\n"),
        (
            "rancher-compose.yml",
            "web:\n  scale: ${SCALE}\n  metadata: {n: '${SCALE}', m: $$SCALE}\n",
        ),
    ];
    let variables = [("TAG", "1"), ("PORT", "8080"), ("SCALE", "3"), ("TTY", "true")];
    let parsed = accepted(&files, &variables);
    let service = web(&parsed);
    assert_eq!(service.template.primary.image, "a:1");
    assert_eq!(service.template.primary.ports[0].public, Some(8080));
    assert_eq!((service.scale, service.template.primary.tty), (Some(3), true));
    assert_eq!(serde_json::to_string(&service.metadata).unwrap(), r#"{"n":"3","m":"$SCALE"}"#);
}

#[test]
fn sidekicks_become_members() {
    let text = "Web:
  image: a
  labels: {io.rancher.sidekicks: 'data, Logs'}
  volumes_from: [data_box]
data:
  image: b
  container_name: data_box
logs:
  image: c
  net: 'container:web'
  volumes_from: [WEB, 'container:data:rw']
  depends_on: [db, data]
db:
  image: d
";
    let parsed = docker(text).unwrap_or_else(|said| panic!("{}", lines(&said)));
    let names: Vec<_> = parsed.stack.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["db", "Web"]);
    let web = parsed.stack.service("Web").unwrap();
    let needs: Vec<_> = web.depends_on.iter().map(|need| need.service.as_str()).collect();
    assert_eq!(needs, ["db"]);
    assert_eq!(web.template.primary.volumes_from, ["data"]);
    let logs = &web.template.sidekicks["logs"];
    assert_eq!(logs.volumes_from, ["", "data"]);
    assert_eq!(logs.network, drover_core::NetworkMode::Container(String::new()));
}

#[test]
fn what_is_waited_for_to_end_runs_once() {
    let text = "\
version: '2'
services:
  web:
    image: a
    labels: {io.rancher.sidekicks: log}
    depends_on:
      migrate: {condition: service_completed_successfully}
      db: {condition: service_healthy}
      cache: {condition: service_healthy, required: false}
      log: {condition: service_healthy}
  log: {image: b, depends_on: [migrate, db]}
  migrate: {image: c, depends_on: [db]}
  db: {image: d}
";
    let parsed = docker(text).unwrap_or_else(|said| panic!("{}", lines(&said)));
    let web = parsed.stack.service("web").unwrap();
    let needs: Vec<_> =
        web.depends_on.iter().map(|need| (need.service.as_str(), need.condition.word())).collect();
    assert_eq!(
        needs,
        [("migrate", "service_completed_successfully"), ("db", "service_healthy")],
        "the stricter of what its members say, and nothing of what is not there"
    );
    assert!(parsed.stack.service("migrate").unwrap().template.primary.is_start_once());
    assert_eq!(
        lines(&parsed.warnings),
        "warning: docker-compose.yml:10:12: services.web.depends_on.log: not waited for: containers of one unit start \
         together\nnote: docker-compose.yml:7:16: services.web.depends_on.migrate: `migrate` is run once, as it is waited \
         for to end\n"
    );
}

#[test]
fn a_circle_has_no_conditions_where_it_is_cut() {
    let text = "\
version: '2'
services:
  a: {image: x, depends_on: {b: {condition: service_healthy}}}
  b: {image: x, depends_on: {a: {condition: service_healthy}}}
";
    let parsed = docker(text).unwrap_or_else(|said| panic!("{}", lines(&said)));
    let needs = |name: &str| parsed.stack.service(name).unwrap().depends_on.len();
    assert_eq!((needs("a"), needs("b")), (1, 0));
}

#[test]
fn what_others_depend_on_comes_first() {
    for (text, want) in [
        ("a: {image: x, links: [b]}\nb: {image: x, links: ['c:d']}\nc: {image: x}", "c b a"),
        ("a: {image: x}\nb: {image: x}\nc: {image: x}", "a b c"),
        (
            "a: {image: x, depends_on: [c]}\nb: {image: x}\nc: {image: x, external_links: [shop/b]}",
            "b c a",
        ),
        ("a: {image: x, links: [b]}\nb: {image: x, links: [a]}", "b a"),
        (
            "lb: {image: rancher/load-balancer-service, ports: [80], links: [a]}\na: {image: x}",
            "a lb",
        ),
        (
            "lb: {image: x, lb_config: {port_rules: [{source_port: 80, target_port: 80, service: A}]}}\na: {image: x}",
            "a lb",
        ),
        ("al: {image: rancher/dns-service, links: [a]}\na: {image: x}", "a al"),
        (
            "a: {image: x, labels: {io.rancher.sidekicks: s}}\ns: {image: x, depends_on: [b]}\nb: {image: x}",
            "b a",
        ),
    ] {
        let parsed = docker(text).unwrap_or_else(|said| panic!("{text}\n{}", lines(&said)));
        let order: Vec<_> = parsed.stack.services.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(order.join(" "), want, "{text}");
    }
}

/// The v1 form of a balancer and the rules it becomes: `port protocol host path → target:port`.
#[test]
fn a_v1_balancer_becomes_rules() {
    for (ports, labels, want) in [
        ("[80]", "{}", "80 Http - - → api:80, 80 Http - - → web:80"),
        ("[80/tcp]", "{}", "80 Tcp - - → api:80, 80 Tcp - - → web:80"),
        ("['8080:81']", "{}", "8080 Http - - → api:81, 8080 Http - - → web:81"),
        (
            "['8000:80/tcp', 443]",
            "{io.rancher.loadbalancer.ssl.ports: '443'}",
            "8000 Tcp - - → api:80, 443 Https - - → api:443, 8000 Tcp - - → web:80, 443 Https - - → web:443",
        ),
        (
            "[80, 81]",
            "{io.rancher.loadbalancer.target.web: 'a.com:80/x=8080, b.com'}",
            "80 Http - - → api:80, 81 Http - - → api:81, 80 Http a.com /x → web:8080, \
             80 Http b.com - → web:80, 81 Http b.com - → web:81",
        ),
        (
            "[80, 81]",
            "{io.rancher.loadbalancer.target.api: '81=90'}",
            "80 Http - - → api:80, 81 Http - - → api:90, 80 Http - - → web:80, 81 Http - - → web:81",
        ),
        (
            "[80]",
            "{io.rancher.loadbalancer.target.api: '9000', io.rancher.loadbalancer.target.other/x: /p}",
            "80 Http - - → api:9000, 80 Http - - → web:80",
        ),
        (
            "[80]",
            "{io.rancher.service.selector.link: tier=front}",
            "80 Http - - → api:80, 80 Http - - → web:80, 80 Http - - → tier=front:80",
        ),
    ] {
        let text = format!(
            "lb:\n  image: rancher/load-balancer-service\n  default_cert: shop\n  ports: {ports}\n  labels: {labels}\n  links: ['api:anything', web]\napi: {{image: x}}\nweb: {{image: x}}\n"
        );
        let parsed = docker(&text).unwrap_or_else(|said| panic!("{text}\n{}", lines(&said)));
        let balancer = parsed.stack.service("lb").unwrap().balancer.clone().unwrap();
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let rules: Vec<_> = balancer
            .rules
            .iter()
            .map(|r| {
                let target = r.service.as_ref().or(r.selector.as_ref()).unwrap();
                format!(
                    "{} {:?} {} {} → {target}:{}",
                    r.source_port,
                    r.protocol,
                    dash(&r.hostname),
                    dash(&r.path),
                    r.target_port.unwrap()
                )
            })
            .collect();
        assert_eq!(rules.join(", "), want, "{text}");
    }
}

#[test]
fn kinds_of_services() {
    use drover_core::ServiceKind::{Alias, Balancer, Containers, External};
    for (docker_text, rancher_text, want) in [
        ("web: {image: a}", "web:", Containers),
        ("web: {image: a, hostname: b}", "web:", Containers),
        ("web: {image: a}", "web: {hostname: b.example.com}", External),
        ("web: {image: rancher/external-service, hostname: b}", "", External),
        ("web: {image: rancher/external-service}", "web: {external_ips: [10.0.0.1]}", External),
        ("web: {image: rancher/dns-service, links: [b]}\nb: {image: a}", "", Alias),
        ("web: {image: rancher/load-balancer-service, ports: [80]}", "", Balancer),
        ("web: {image: 'rancher/lb-service-haproxy:v0.9.14'}", "", Balancer),
        (
            "web: {image: a}",
            "web: {lb_config: {port_rules: [{source_port: 80, selector: a=b}]}}",
            Balancer,
        ),
        ("web: {image: a}", "web: {lb_config: {port_rules: [{target_port: 80}]}}", Containers),
    ] {
        let parsed = both(docker_text, rancher_text)
            .unwrap_or_else(|said| panic!("{docker_text}\n{}", lines(&said)));
        assert_eq!(web(&parsed).kind, want, "{docker_text} {rancher_text}");
    }
}
