//! Whole files as people write them, and everything they become: the export of the stack, which names all that
//! is in it, and what was said.

use drover_compose::export;

use super::{Files, lines};

/// The stack as files again, and what was said about the ones it came from.
fn becomes(docker: &str, rancher: &str) -> String {
    let files = [("docker-compose.yml", docker), ("rancher-compose.yml", rancher)];
    let parsed = Files { files: &files, variables: &[("MYSQL_TAG", "5.7")] }
        .parse()
        .unwrap_or_else(|said| panic!("{}", lines(&said)));
    let written = export(&parsed.stack);
    format!(
        "{}---\n{}---\n{}",
        written.docker_compose,
        written.rancher_compose,
        lines(&parsed.warnings)
    )
}

#[test]
fn wordpress_behind_a_v1_balancer() {
    let docker = "wordpress:
  image: wordpress:4.6
  links:
  - db:mysql
  environment:
    WORDPRESS_DB_PASSWORD: 'it is $$ecret'
    WORDPRESS_DEBUG: yes
  labels:
    io.rancher.scheduler.affinity:host_label_ne: role=db
    io.rancher.container.pull_image: always
db:
  image: mysql:${MYSQL_TAG}
  restart: always
  environment:
  - MYSQL_ROOT_PASSWORD=root
  - MYSQL_DATABASE=wordpress
  volumes:
  - /srv/mysql:/var/lib/mysql:z
  mem_limit: 512m
  log_driver: json-file
  log_opt:
    max-size: 10m
lb:
  image: rancher/load-balancer-service
  ports:
  - 80:80
  - 443:80/tcp
  labels:
    io.rancher.loadbalancer.target.wordpress: blog.example.com:80/wp=80
    io.rancher.loadbalancer.ssl.ports: '443'
    io.rancher.scheduler.global: 'true'
  links:
  - wordpress:wordpress
";
    let rancher = ".catalog:
  name: Blog
  questions:
  - variable: MYSQL_TAG
    type: string
wordpress:
  scale: 2
  health_check:
    port: 80
    interval: 2000
    initializing_timeout: 60000
    unhealthy_threshold: 3
    strategy: recreate
    healthy_threshold: 2
    response_timeout: 2000
    request_line: GET \"/wp-login.php\" \"HTTP/1.0\"
db:
  scale: 1
lb:
  scale: 1
  load_balancer_config:
    haproxy_config:
      defaults: |
        timeout client 50000
  default_cert: blog
";
    insta::assert_snapshot!(becomes(docker, rancher), @r#"
    version: "2"
    services:
      db:
        image: "mysql:5.7"
        environment:
          MYSQL_DATABASE: wordpress
          MYSQL_ROOT_PASSWORD: root
        volumes:
          - "/srv/mysql:/var/lib/mysql:z"
        mem_limit: 536870912
        logging:
          driver: json-file
          options:
            max-size: "10m"
      wordpress:
        image: "wordpress:4.6"
        environment:
          WORDPRESS_DB_PASSWORD: "it is $$ecret"
          WORDPRESS_DEBUG: "true"
        labels:
          io.rancher.container.pull_image: always
          "io.rancher.scheduler.affinity:host_label_ne": "role=db"
        links:
          - "db:mysql"
      lb:
        image: rancher/lb-service-haproxy
        labels:
          io.rancher.scheduler.global: "true"
        ports:
          - "80:80/tcp"
          - "443:443/tcp"
    ---
    version: "2"
    services:
      db:
        scale: 1
      wordpress:
        scale: 2
        health_check:
          port: 80
          request_line: "GET /wp-login.php HTTP/1.0"
          interval: 2000
          response_timeout: 2000
          healthy_threshold: 2
          unhealthy_threshold: 3
          initializing_timeout: 60000
      lb:
        scale: 1
        lb_config:
          port_rules:
            - source_port: 80
              hostname: blog.example.com
              path: /wp
              service: wordpress
              target_port: 80
            - source_port: 443
              protocol: tls
              service: wordpress
              target_port: 80
          default_cert: blog
          config: |
            defaults
            timeout client 50000
    ---
    warning: docker-compose.yml:7:22: services.wordpress.environment.WORDPRESS_DEBUG: `yes` is a YAML boolean and becomes `true`; quote it if you mean the word
    note: docker-compose.yml:13:12: services.db.restart: ignored: the containers of a service are always kept running
    note: docker-compose.yml:23:1: services.lb: `scale` has no effect: a global service runs once on each host
    "#);
}

#[test]
fn a_cluster_with_sidekicks() {
    let docker = "version: '2'
services:
  elasticsearch:
    image: elasticsearch:2
    command: elasticsearch -Des.cluster.name='my cluster'
    network_mode: managed
    ports: ['9200:9200', '9300']
    volumes_from: [es-data]
    ulimits: {memlock: -1, nofile: {soft: 1024, hard: 4096}}
    cap_add: [IPC_LOCK]
    labels:
      io.rancher.sidekicks: es-config, es-data
      io.rancher.container.hostname_override: container_name
      io.rancher.scheduler.affinity:container_label_soft_ne: io.rancher.stack_service.name=$${stack_name}/$${service_name}
  es-config:
    image: rancher/es-conf:v1
    net: container:elasticsearch
    labels: {io.rancher.container.start_once: true}
  es-data:
    image: busybox
    volumes: ['es:/usr/share/elasticsearch/data', '/config']
    labels: {io.rancher.container.start_once: true}
    entrypoint: /bin/true
  client:
    image: client
    depends_on: [es-data]
    external_links: ['logs/syslog:log', 'logs/stats']
    healthcheck: {test: ['CMD', 'curl', '-f', 'http://localhost'], interval: 1m30s, retries: 3}
    tmpfs: ['/run:size=64m', /tmp]
volumes:
  es:
    driver: local
    per_container: true
  shared:
    external: true
";
    let rancher = "version: '2'
services:
  elasticsearch:
    scale: 3
    retain_ip: true
    health_check: {port: 9200, strategy: recreateOnQuorum, recreate_on_quorum_strategy_config: {quorum: 2}}
    upgrade_strategy: {start_first: true}
    metadata:
      elasticsearch:
        yml: |
          cluster.name: mine
          node.name: $${HOSTNAME}
        zones: [a, b, 3]
  es-config:
    health_check: {port: 8080}
  client:
    start_on_create: false
    drain_timeout_ms: 10000
    milli_cpu_reservation: 100
";
    insta::assert_snapshot!(becomes(docker, rancher), @r#"
    version: "2"
    services:
      elasticsearch:
        image: "elasticsearch:2"
        command:
          - elasticsearch
          - "-Des.cluster.name=my cluster"
        labels:
          io.rancher.container.hostname_override: container_name
          "io.rancher.scheduler.affinity:container_label_soft_ne": "io.rancher.stack_service.name=$${stack_name}/$${service_name}"
          io.rancher.sidekicks: "es-config, es-data"
        ports:
          - "9200:9200/tcp"
          - "9300/tcp"
        volumes_from:
          - es-data
        ulimits:
          memlock:
            soft: -1
            hard: -1
          nofile:
            soft: 1024
            hard: 4096
        cap_add:
          - IPC_LOCK
      es-config:
        image: "rancher/es-conf:v1"
        labels:
          io.rancher.container.start_once: "true"
        network_mode: "container:elasticsearch"
      es-data:
        image: busybox
        entrypoint:
          - /bin/true
        labels:
          io.rancher.container.start_once: "true"
        volumes:
          - "es:/usr/share/elasticsearch/data"
          - /config
      client:
        image: client
        tmpfs:
          - "/run:size=64m"
          - /tmp
        healthcheck:
          test:
            - CMD
            - curl
            - "-f"
            - "http://localhost"
          interval: "90000ms"
          retries: 3
        external_links:
          - "logs/syslog:log"
          - logs/stats
        depends_on:
          - elasticsearch
    volumes:
      es:
        driver: local
        per_container: true
      shared:
        external: true
    ---
    version: "2"
    services:
      elasticsearch:
        scale: 3
        retain_ip: true
        upgrade_strategy:
          start_first: true
        health_check:
          port: 9200
          strategy: recreateOnQuorum
          recreate_on_quorum_strategy_config:
            quorum: 2
        metadata:
          elasticsearch:
            yml: |
              cluster.name: mine
              node.name: $${HOSTNAME}
            zones:
              - a
              - b
              - 3
      es-config:
        health_check:
          port: 8080
      client:
        start_on_create: false
        milli_cpu_reservation: 100
        drain_timeout_ms: 10000
    ---
    "#);
}

#[test]
fn anchors_rules_and_other_kinds() {
    let docker = "version: '2.1'
x-logging: &logging
  logging: {driver: syslog, options: {tag: '{{.Name}}'}}
services:
  web: &web
    <<: *logging
    image: shop/web:1
    environment: &env {MODE: live, SHARDS: 4}
    sysctls: [net.core.somaxconn=1024]
    stop_grace_period: 90s
  web-canary:
    <<: *web
    image: shop/web:2
    environment: {<<: *env, MODE: canary}
  lb:
    image: rancher/lb-service-haproxy:v0.9.14
    ports: ['80:80', '443:443/tcp', '8080']
  db-alias:
    image: rancher/dns-service
    links: [mysql]
    external_links: ['backup/mysql']
  mysql:
    image: rancher/external-service
  mirror:
    image: rancher/external-service
";
    let rancher = "version: '2'
services:
  web: {scale: 4}
  lb:
    scale: 2
    lb_config:
      certs: [shop, other]
      default_cert: shop
      stickiness_policy: {name: sticky, mode: insert, indirect: true}
      port_rules:
      - {source_port: 80, path: /api, priority: 1, service: web, target_port: 8080}
      - {source_port: 80, hostname: canary.shop.com, service: web-canary, target_port: 8080, weight: 10}
      - {source_port: 443, protocol: https, service: shop/web, target_port: 8080, backend_name: main}
      - {source_port: 8080, protocol: tcp, selector: tier=tcp, target_port: 9}
    health_check: {port: 42, interval: 2000}
  mysql:
    external_ips: [10.0.0.1, 10.0.0.2]
  mirror:
    hostname: mirror.example.com
";
    insta::assert_snapshot!(becomes(docker, rancher), @r#"
    version: "2"
    services:
      web:
        image: "shop/web:1"
        environment:
          MODE: live
          SHARDS: "4"
        stop_grace_period: "90s"
        sysctls:
          net.core.somaxconn: "1024"
        logging:
          driver: syslog
          options:
            tag: "{{.Name}}"
      web-canary:
        image: "shop/web:2"
        environment:
          MODE: canary
          SHARDS: "4"
        stop_grace_period: "90s"
        sysctls:
          net.core.somaxconn: "1024"
        logging:
          driver: syslog
          options:
            tag: "{{.Name}}"
      lb:
        image: "rancher/lb-service-haproxy:v0.9.14"
        ports:
          - "80:80/tcp"
          - "443:443/tcp"
          - "8080:8080/tcp"
      mysql:
        image: rancher/external-service
      db-alias:
        image: rancher/dns-service
        links:
          - mysql
        external_links:
          - backup/mysql
      mirror:
        image: rancher/external-service
    ---
    version: "2"
    services:
      web:
        scale: 4
      lb:
        scale: 2
        lb_config:
          port_rules:
            - source_port: 80
              path: /api
              priority: 1
              service: web
              target_port: 8080
            - source_port: 80
              hostname: canary.shop.com
              service: web-canary
              target_port: 8080
              weight: 10
            - source_port: 443
              protocol: https
              service: web
              target_port: 8080
              backend_name: main
            - source_port: 8080
              protocol: tcp
              selector: "tier=tcp"
              target_port: 9
          certs:
            - shop
            - other
          default_cert: shop
          stickiness_policy:
            name: sticky
            mode: insert
            indirect: true
        health_check:
          port: 42
          interval: 2000
      mysql:
        external_ips:
          - "10.0.0.1"
          - "10.0.0.2"
      mirror:
        hostname: mirror.example.com
    ---
    "#);
}
