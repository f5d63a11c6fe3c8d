//! The promises.

use super::{Row, row};

const WEB: &str = "web:\n  image: web:1\n";

/// Options before the command.
pub(super) const GLOBAL: &[Row] = &[
    row("--help names commands and options", "--help", 0).says(&[
        "create", "up", "start", "logs", "restart", "stop", "scale", "rm", "pull", "upgrade", "--verbose", "--debug", "--file",
        "--project-name", "--url", "--access-key", "--secret-key", "--rancher-file", "--env-file", "--bindings-file", "--version",
    ]),
    row("help is a command", "help up", 0).says(&["--force-upgrade", "--batch-size"]),
    row("--version", "--version", 0),
    row("no command is a mistake", "", 2),
    row("a server's URL is needed", "-p app up -d", 1)
        .files(&[("docker-compose.yml", WEB)])
        .env(&[("RANCHER_URL", "")])
        .says(&["FATA[0000] no server is given"]),
    row("an access key is needed", "-p app up -d", 1).env(&[("RANCHER_ACCESS_KEY", "")]).says(&["FATA[0000] no access key"]),
    row("a secret key is needed", "-p app up -d", 1).env(&[("RANCHER_SECRET_KEY", "")]).says(&["FATA[0000] no secret key"]),
    row("a wrong key is fatal", "--secret-key nonsense -p app up -d", 6).says(&["FATA[0000]", "does not accept the access key"]),
    row("options stand for variables; create starts nothing",
        "--verbose --debug --url {url} --access-key {access} --secret-key {secret} --project-name app create", 0)
        .env(&[("RANCHER_URL", ""), ("RANCHER_ACCESS_KEY", ""), ("RANCHER_SECRET_KEY", "")])
        .holds(&["stack app\n", "app/web: Containers Inactive scale 1 image web:1"]),
    row("COMPOSE_PROJECT_NAME; a name is made one that a stack can have", "create", 0)
        .env(&[("COMPOSE_PROJECT_NAME", "My_App")])
        .holds(&["stack my-app\n"]),
    row("a name that begins as none can gets an x", "-p .hidden create", 0).holds(&["stack x-hidden\n"]),
    row("a stack's name is found in any case", "-p APP create", 0).holds(&["!stack APP\n", "!stack app\nstack app\n"]),
    row("the directory's name is the stack's", "create", 0).env(&[("COMPOSE_PROJECT_NAME", "")]).holds(&["stack x-tmp"]),
    row("several files, later ones over earlier ones", "-f a.yml --file b.yml -p two create", 0)
        .files(&[("a.yml", "web:\n  image: web:1\n  environment: {A: 1}\n"), ("b.yml", "web:\n  environment: {B: 2}\n")])
        .holds(&["two/web env A=1\n", "two/web env B=2\n"]),
    row("a file from stdin", "-f - -p three create", 0).stdin("web:\n  image: web:3\n").holds(&["three/web: Containers Inactive scale 1 image web:3"]),
    row("COMPOSE_FILE is a list", "-p four create", 0).env(&[("COMPOSE_FILE", "a.yml:b.yml")]).holds(&["four/web env B=2\n"]),
    row("docker-compose.override.yml is added", "-p five create", 0)
        .files(&[("docker-compose.override.yml", "web:\n  environment: {O: 1}\n")])
        .holds(&["five/web env O=1\n"]),
    row("it is not with -f", "-f docker-compose.yml -p six create", 0).holds(&["stack six\n", "!six/web env"]),
    row("rancher-compose.yml beside the compose file", "-f sub/docker-compose.yml -p seven create", 0)
        .files(&[("docker-compose.override.yml", ""), ("sub/docker-compose.yml", WEB), ("sub/rancher-compose.yml", "web: {scale: 4}\n")])
        .holds(&["seven/web: Containers Inactive scale 4"]),
    row("--rancher-file", "--rancher-file other.yml -p eight create", 0)
        .files(&[("other.yml", "web: {scale: 3}\n")])
        .holds(&["eight/web: Containers Inactive scale 3"]),
    row("-r", "-r other.yml -p nine create", 0).holds(&["nine/web: Containers Inactive scale 3"]),
    row("--env-file: KEY=VALUE by line, without quoting, a bare key is the empty text; it is over the environment",
        "--env-file vars -f v.yml -p ten create", 0)
        .files(&[
            ("vars", "TAG=7\nQUOTED=\"q\"\nBARE\n"),
            ("v.yml", "web:\n  image: web:$TAG\n  environment: {Q: '${QUOTED}', B: '<${BARE}>', O: '$OS', D: 'a$$b'}\n"),
        ])
        .env(&[("TAG", "6"), ("OS", "5")])
        .holds(&["image web:7", "ten/web env Q=\"q\"\n", "ten/web env B=<>\n", "ten/web env O=5\n", "ten/web env D=a$b\n"]),
    row("-e", "-e vars -f v.yml -p eleven create", 0).holds(&["eleven/web: Containers Inactive scale 1 image web:7"])
        .says(&["WARN[0000]", "OS is not set"]),
    row("a variable that is not set is empty, with a warning", "-f v.yml -p twelve create", 0)
        .says(&["WARN[0000]", "TAG is not set"])
        .holds(&["twelve/web env B=<>\n"]),
    row("bad syntax of a variable is fatal", "-f bad.yml -p thirteen create", 1)
        .files(&[("bad.yml", "web:\n  image: web:${TAG\n")])
        .says(&["FATA[0000]", "bad.yml:2:"]),
    row("--bindings-file is taken", "--bindings-file b.json -p app create", 0),
    row("-b", "-b b.json -p app create", 0),
    row("a stack is made by up and create alone (on purpose): pull does without", "-p none pull", 0)
        .says(&["INFO[0000] Pulling web:1", "web:1 on sim-0001: Done"])
        .holds(&["!stack none\n"]),
    row("and others have nothing to work on", "-p none stop", 1).says(&["FATA[0000] there is no stack none"]),
    row("a file that is not there is fatal", "-f none.yml -p app up -d", 1).says(&["FATA[0000] could not read none.yml"]),
];

const SHOP: &str = "version: '2'\nservices:\n  web:\n    image: web:1\n    links: [db]\n  db:\n    image: db:1\n    links: [web]\n";

/// Create, start, scale, restart, stop, remove.
pub(super) const LIFE: &[Row] = &[
    row("create makes all, links in a circle too, and starts nothing", "create", 0)
        .files(&[("docker-compose.yml", SHOP), ("rancher-compose.yml", "version: '2'\nservices:\n  web: {scale: 2}\n")])
        .says(&["INFO[0000] Creating stack shop", "Creating service web", "Creating service db", "WARN[0000] docker-compose.yml:3:3:"])
        .holds(&["shop/web links db->db\n", "shop/db links web->web\n", "shop/web: Containers Inactive scale 2", "shop/db: Containers Inactive"]),
    row("create again makes nothing", "create", 0),
    row("start starts services by name", "start -d db", 0).holds(&["shop/db: Containers Active", "shop/web: Containers Inactive"]),
    row("up starts what is not started, in order of dependence", "up -d", 0)
        .says(&["INFO[", "web"])
        .holds(&["shop/web: Containers Active scale 2", "shop/db: Containers Active"]),
    row("up once more changes nothing", "up -d", 0).says(&["INFO[0000] Nothing to do"]).holds(&["shop/web: Containers Active scale 2 image web:1 revision 1"]),
    row("logs shows what containers print, behind their names", "logs web", 0).says(&["shop-web-1 | ", "shop-web-2 | "]),
    row("scale", "scale --timeout 5 web=3 db=2", 0).holds(&["shop/web: Containers Active scale 3", "shop/db: Containers Active scale 2"]),
    row("scale without a number is a mistake", "scale web", 2),
    row("scale of nobody fails (on purpose)", "scale -t 5 nobody=2", 1).says(&["FATA[", "No such service: nobody"]),
    row("up leaves the scale alone", "up -d", 0).holds(&["shop/web: Containers Active scale 3"]),
    row("restart is rolling", "restart --batch-size 2 --interval 0 web", 0).says(&["[web]: Restarting", "[web]: Restarted"]),
    row("stop keeps containers", "stop --timeout 1 web", 0).holds(&["shop/web: Containers Inactive", "shop/db: Containers Active"]),
    row("down is stop", "down -t 1", 0).holds(&["shop/web: Containers Inactive", "shop/db: Containers Inactive"]),
    row("up starts them again", "up -d", 0).holds(&["shop/web: Containers Active", "shop/db: Containers Active"]),
    row("pull pulls all images on all hosts", "pull", 0).says(&["web:1", "db:1"]),
    row("pull --cached where they are", "pull --cached web", 0),
    row("pull -c", "pull -c web", 0),
    row("a service that is not there is fatal", "stop nobody", 1).says(&["FATA[", "No such service: nobody"]),
    row("a service that left the files stays", "up -d", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:1\n")])
        .holds(&["shop/db: Containers Active", "!shop/web links"]),
    row("rm removes the file's services without asking, and keeps the stack", "rm -v", 0).holds(&["stack shop\n", "!shop/web:", "shop/db:"]),
    row("rm --force", "rm --force", 0).files(&[("docker-compose.yml", SHOP)]).holds(&["stack shop\n", "!shop/db:"]),
    row("a link to what is not there is a warning", "up -d", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:1\n    external_links: ['other/db:db']\n")])
        .says(&["WARN[", "web links to db, which is not there"]),
    row("what it does not know is a mistake", "run web", 2),
    row("an option that it does not know is a mistake", "up --nonsense", 2),
];

const TWO: &str =
    "version: '2'\nservices:\n  web:\n    image: web:2\n    links: [db]\n  db:\n    image: db:1\n";

/// Upgrades of all sorts.
pub(super) const UPGRADES: &[Row] = &[
    row("up makes and starts", "up -d", 0)
        .files(&[
            ("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:1\n    links: [db]\n  db:\n    image: db:1\n"),
            ("rancher-compose.yml", "version: '2'\nservices:\n  web: {scale: 2}\n"),
        ]),
    row("a change alone is a warning", "up -d", 0)
        .files(&[("docker-compose.yml", TWO)])
        .says(&["WARN[0000]", "web is out of sync"])
        .holds(&["image web:1 revision 1"]),
    row("--upgrade replaces what changed, and nothing else", "up -d --upgrade --batch-size 1 --interval 100", 0)
        .says(&["Upgrading web"])
        .holds(&["image web:2 revision 2", "shop/web upgrade Upgraded batch 1\n", "shop/db: Containers Active scale 1 image db:1 revision 1"]),
    row("an upgrade that waits is left as it is", "up -d", 0).holds(&["shop/web upgrade Upgraded"]),
    row("--rollback", "up -d --rollback", 0).holds(&["image web:1", "!shop/web upgrade"]),
    row("-u and -c in one", "up -d -u -c --interval 100", 0).holds(&["image web:2", "!shop/web upgrade"]),
    row("--rollback after the confirmation fails", "up -d -r", 1).says(&["FATA["]),
    row("--confirm-upgrade with nothing to confirm", "up -d --confirm-upgrade", 0),
    row("--recreate is --upgrade; nothing changed is nothing done", "up -d --recreate", 0).says(&["Nothing to do"]),
    row("--force-upgrade of named services alone", "up -d --force-upgrade --pull --batch-size 0 --interval 100 web", 0)
        .holds(&["shop/web upgrade Upgraded", "!shop/db upgrade"]),
    row("--confirm-upgrade", "up -d --confirm-upgrade", 0).holds(&["!shop/web upgrade"]),
    row("--force-recreate is --force-upgrade; -p pulls", "up -d --force-recreate -p -c --interval 100", 0).holds(&["!upgrade"]),
    row("a failing upgrade is not hidden (on purpose)", "up -d --upgrade --interval 100", 7)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:2\n    labels: {io.drover.simulate.fail: never-starts}\n")])
        .says(&["FATA["]),
    row("and can be taken back", "up -d --rollback", 0).holds(&["!shop/web upgrade"]),
    row("start_first is said in the files", "up -d --upgrade --confirm-upgrade --interval 100", 0)
        .files(&[
            ("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:5\n"),
            ("rancher-compose.yml", "version: '2'\nservices:\n  web: {scale: 2, upgrade_strategy: {start_first: true}}\n"),
        ])
        .holds(&["image web:5"]),
    row("members of a service are changed by every up, without an upgrade", "up -d", 0)
        .files(&[("rancher-compose.yml", "version: '2'\nservices:\n  web: {scale: 2, metadata: {k: v}, retain_ip: true}\n")])
        .holds(&["shop/web metadata k=\"v\"\n", "shop/web retains ip\n", "image web:5"]),
    row("from one service to another, made from the files",
        "upgrade --batch-size 1 --interval 100 --scale 2 --update-links=true --pull --wait web next", 0)
        .files(&[
            ("docker-compose.yml", "version: '2'\nservices:\n  web:\n    image: web:5\n  next:\n    image: web:6\n"),
            ("rancher-compose.yml", "version: '2'\nservices:\n  web: {scale: 2}\n  next: {scale: 2}\n"),
        ])
        .holds(&["shop/next: Containers Active scale 2 image web:6", "shop/web upgrade Upgraded"]),
    row("and back, with --cleanup", "upgrade -w -p --cleanup --interval 100 --scale 2 next web", 0)
        .holds(&["shop/web: Containers Active scale 2", "!shop/next:"]),
    row("to what is in no file is fatal", "upgrade web nobody", 1).says(&["FATA[", "nobody"]),
    row("logs --follow goes on until it is stopped; of what is not there it is fatal", "logs --follow nobody", 1).says(&["No such service: nobody"]),
];

/// What may stand in the files.
pub(super) const FILES: &[Row] = &[
    row("version 1, with rancher's keys beside", "-p one create", 0)
        .files(&[
            ("docker-compose.yml", "web:\n  image: web:1\n  environment:\n    - A=1\n    - FROM_HERE\n    - NOWHERE\n  env_file: web.env\n"),
            ("web.env", "E=1\n"),
            ("rancher-compose.yml", "web:\n  scale: 2\n  retain_ip: true\n  health_check: {port: 80, interval: 2000}\n  \
                scale_policy: {min: 1, max: 3}\n  metadata: {a: {b: 1}}\nnobody:\n  scale: 5\n"),
        ])
        .env(&[("FROM_HERE", "h")])
        .holds(&["one/web env A=1\n", "one/web env FROM_HERE=h\n", "!one/web env NOWHERE", "one/web env E=1\n", "one/web retains ip\n",
            "one/web checked at 80\n", "one/web scales 1-3\n", "one/web metadata a={\"b\":1}\n", "!one/nobody"]),
    row("without rancher-compose.yml its keys stand in docker-compose.yml", "-p two create", 0)
        .files(&[("rancher-compose.yml", ""), ("docker-compose.yml", "web:\n  image: web:1\n  scale: 3\n  metadata: {k: v}\n")])
        .holds(&["two/web: Containers Inactive scale 3", "two/web metadata k=\"v\"\n"]),
    row("images that mean other kinds of service", "-p three up -d", 0)
        .files(&[
            ("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1'}\n  alias: {image: rancher/dns-service, links: [web]}\n  \
                out: {image: rancher/external-service}\n  named: {image: rancher/external-service}\n  \
                lb: {image: rancher/lb-service-haproxy, ports: ['80']}\n"),
            ("rancher-compose.yml", "version: '2'\nservices:\n  out: {external_ips: [192.0.2.1]}\n  named: {hostname: a.example}\n  \
                lb: {lb_config: {port_rules: [{source_port: 80, protocol: http, path: /a, hostname: b.example, service: web, \
                target_port: 8080, priority: 1, backend_name: c}], stickiness_policy: {cookie: d, mode: insert}}}\n"),
        ])
        .holds(&["three/alias: Alias Active", "three/alias links web->web\n", "three/out is [\"192.0.2.1\"] None\n",
            "three/named is [] Some(\"a.example\")\n", "three/lb: Balancer Active", "three/lb balances 80 to web\n"]),
    row("an alias is never upgraded", "-p three up -d --force-upgrade --confirm-upgrade --interval 100 alias", 0).holds(&["three/alias: Alias Active", "!three/alias upgrade"]),
    row("a balancer of version 1", "-p four create", 0)
        .files(&[
            ("docker-compose.yml", "web:\n  image: web:1\nlb:\n  image: rancher/load-balancer-service\n  ports: ['81:80']\n  links: [web]\n"),
            ("rancher-compose.yml", "web: {scale: 1}\n"),
        ])
        .holds(&["four/lb: Balancer Inactive", "four/lb balances 81 to web\n"]),
    row("sidekicks", "-p five create", 0)
        .files(&[("docker-compose.yml", "web:\n  image: web:1\n  labels: {io.rancher.sidekicks: 'data, log'}\n  volumes_from: [data]\n\
            data:\n  image: data:1\nlog:\n  image: log:1\n  net: 'container:web'\n")])
        .holds(&["five/web.data runs data:1\n", "five/web.log runs log:1\n", "!five/data:"]),
    row("a sidekick that is not there is fatal", "-p six create", 1)
        .files(&[("docker-compose.yml", "web:\n  image: web:1\n  labels: {io.rancher.sidekicks: nobody}\n")])
        .says(&["FATA[0000]", "nobody"]),
    row("a sidekick that left the files goes with an upgrade", "-p five up -d --upgrade --confirm-upgrade --interval 100", 0)
        .files(&[("docker-compose.yml", "web:\n  image: web:1\n  labels: {io.rancher.sidekicks: data}\n  volumes_from: [data]\n\
            data:\n  image: data:1\n")])
        .holds(&["five/web.data runs data:1\n", "!five/web.log"]),
    row("links: of the stack, to other stacks, in order of depends_on; restart is passed over", "-p seven up -d", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', restart: always, depends_on: [db], links: ['db:store'], \
            external_links: ['one/web:other']}\n  db: {image: 'db:1'}\n"), ("rancher-compose.yml", "version: '2'\nservices: {}\n")])
        .holds(&["seven/web links store->db\n", "seven/web links other->web\n"]),
    row("a link that left the files goes with any up", "-p seven up -d", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', depends_on: [db]}\n  db: {image: 'db:1'}\n")])
        .holds(&["!seven/web links"]),
    row("volumes of a stack", "-p eight up -d", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', volumes: ['data:/data', 'each:/each']}\nvolumes:\n  \
            data: {driver: local}\n  each: {per_container: true}\n")])
        .says(&["Creating volume data"]),
    row("another driver for a volume that is there is fatal", "-p eight up -d", 1)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', volumes: ['data:/data']}\nvolumes:\n  data: {driver: other}\n")])
        .says(&["FATA[", "data"]),
    row("an external volume that is not there is fatal, once no host that tried has it", "-p nine up -d", 7)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', volumes: ['far:/far']}\nvolumes:\n  far: {external: true}\n")])
        .says(&["FATA[", "far"]),
    row("a bind mount of a relative path is fatal (on purpose): it would be the host's", "-p ten create", 1)
        .files(&[("docker-compose.yml", "web:\n  image: web:1\n  volumes: ['./here:/there']\n")])
        .says(&["FATA[0000] docker-compose.yml:3:13:", "a relative path has no meaning"]),
    row("what would have to be built here is fatal", "-p eleven create", 1)
        .files(&[("docker-compose.yml", "web:\n  build: .\n")])
        .says(&["FATA[0000]", "build"]),
    row("extends", "-p twelve create", 0)
        .files(&[("docker-compose.yml", "web:\n  extends: {file: base.yml, service: base}\n  environment: {B: 2}\n"),
            ("base.yml", "base:\n  image: web:9\n  environment: {A: 1}\n")])
        .holds(&["image web:9", "twelve/web env A=1\n", "twelve/web env B=2\n"]),
    row("version 3 is taken too (on purpose: that program refused it)", "-p thirteen create", 0)
        .files(&[("docker-compose.yml", "version: '3'\nservices:\n  web: {image: 'web:1', deploy: {replicas: 2}}\n")])
        .holds(&["thirteen/web: Containers Inactive scale 2 image web:1"]),
    row("start_on_create, drain and cpu keys of later releases are taken", "-p fourteen create", 0)
        .files(&[("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:1', mem_reservation: 10000000, stop_signal: SIGINT}\n"),
            ("rancher-compose.yml", "version: '2'\nservices:\n  web: {start_on_create: true, drain_timeout_ms: 100, milli_cpu_reservation: 5}\n\
                .catalog: {name: a, version: v1, questions: []}\n")])
        .holds(&["fourteen/web: Containers"]),
];
