//! The rules that no table of fields can say, for they look at several fields, or at what there is: each has a row here that breaks
//! it. Which rules there are is read from the sources; one that no row names is a mistake.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::access::{account, full};
use crate::bench::Bench;
use crate::everything::{body, named};

/// The file a rule is in, its code and field; who asks (an account's number, nought for the administrator); the requests, the last
/// of which breaks the rule; and what is said of it. `?` stands for what the source does not name, `-` for none: a state stands
/// against what was asked, and no field. `UNTIL url state` goes on until something is in a state.
type Row = (&'static str, &'static str, u64, &'static [(&'static str, &'static str)], &'static str);

const LB: &str = "POST ~/loadbalancerservices";
const SVC: &str = "POST ~/services";
const HOOK: &str = "POST ~/webhookreceivers";
const LINK: &str = "POST ~/services/$web/?action=addservicelink";
const TEMPLATE: &str = "POST ~/projecttemplates";
const WEB: &str = "PUT ~/services/$web";
const UP: &str = "POST ~/services/$web/?action=upgrade";
const LAUNCH: &str = r#"{"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:x:2"}}}"#;
const TOGETHER: &str = "POST ~/stacks/$s/?action=upgradeservices";

/// A service of these fields and a launch config of those.
macro_rules! service {
    ($launch:literal) => {
        concat!(
            r#"{"name": "new", "stackId": "$s", "launchConfig": {"imageUuid": "docker:x", "#,
            $launch,
            "}}"
        )
    };
}

/// A balancer with this rule, and whatever else.
macro_rules! balancer {
    ($rule:literal, $more:literal) => {
        concat!(
            r#"{"name": "new", "stackId": "$s", "lbConfig": {"portRules": [{"#,
            $rule,
            "}]",
            $more,
            "}}"
        )
    };
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("context.rs", "MissingRequired accountId", 0, &[("POST /v2-beta/stacks", r#"{"name": "x"}"#)], "several projects"),
    ("context.rs", "InvalidReference ?", 0, &[("POST /v2-beta/stacks", r#"{"name": "x", "accountId": "1a77"}"#)], "no project 1a77"),
    ("launch_config/health.rs", "MissingRequired port", 0, &[(SVC, service!(r#""healthCheck": {}"#))], "`launchConfig.healthCheck.port`"),
    ("launch_config/network.rs", "InvalidFormat ports", 0, &[(SVC, service!(r#""ports": ["3000-3005:80"]"#))], "is not a port"),
    ("launch_config/network.rs", "InvalidOption networkMode", 0, &[(SVC, service!(r#""networkMode": "weave""#))], "no network `weave`"),
    ("launch_config/network.rs", "MissingRequired networkLaunchConfig", 0, &[(SVC, service!(r#""networkMode": "container""#))], "is required"),
    ("launch_config/process.rs", "MissingRequired imageUuid", 0, &[(SVC, r#"{"name": "new", "stackId": "$s", "launchConfig":
        {"imageUuid": "docker:"}}"#)], "is required"),
    ("launch_config/process.rs", "InvalidOption onHostLoss", 0, &[(SVC, service!(r#""onHostLoss": "soon""#))], "none of `move`"),
    ("launch_config/process.rs", "InvalidReference requestedHostId", 0, &[(SVC, service!(r#""requestedHostId": "1s7""#))], "not a host id"),
    ("launch_config/resources.rs", "MissingRequired soft", 0, &[(SVC, service!(r#""ulimits": [{"name": "nofile"}]"#))], "ulimits[0].soft"),
    ("launch_config/secrets.rs", "InvalidFormat name", 0, &[(SVC, service!(r#""secrets": [{"secretId": "pw", "name": "a/b"}]"#))], "no file name"),
    ("launch_config/secrets.rs", "InvalidFormat mode", 0, &[(SVC, service!(r#""secrets": [{"secretId": "pw", "mode": "rw"}]"#))], "as chmod takes it"),
    ("launch_config/secrets.rs", "MissingRequired secretId", 0, &[(SVC, service!(r#""secrets": [{"name": "pw"}]"#))], "secrets[0].secretId"),
    ("launch_config/secrets.rs", "NotUnique name", 0, &[(SVC, service!(r#""secrets": [{"secretId": "pw"}, {"secretId": "pw"}]"#))], "two secrets"),
    ("launch_config/template.rs", "MissingRequired launchConfig", 0, &[(SVC, r#"{"name": "new", "stackId": "$s"}"#)], "is required"),
    ("launch_config/template.rs", "NotUnique name", 0, &[(SVC, r#"{"name": "new", "stackId": "$s", "launchConfig": {"imageUuid": "x"},
        "secondaryLaunchConfigs": [{"name": "New", "imageUuid": "x"}]}"#)], "taken by another container of the service"),
    ("launch_config/template.rs", "InvalidCharacters name", 0, &[(SVC, r#"{"name": "new", "stackId": "$s", "launchConfig": {"imageUuid": "x"},
        "secondaryLaunchConfigs": [{"name": "-a", "imageUuid": "x"}]}"#)], "secondaryLaunchConfigs[0].name"),
    ("launch_config/template.rs", "InvalidReference ?", 0, &[(SVC, service!(r#""dataVolumesFromLaunchConfigs": ["b"]"#))], "neither the service nor"),
    ("launch_config/template.rs", "InvalidReference launchConfig", 0, &[(SVC, service!(r#""networkLaunchConfig": "new", "networkMode": "container""#))],
        "neither could be started"),
    ("launch_config/template.rs", "InvalidReference launchConfig", 0, &[(SVC, r#"{"name": "new", "stackId": "$s",
        "launchConfig": {"imageUuid": "x", "dataVolumesFromLaunchConfigs": ["a"]},
        "secondaryLaunchConfigs": [{"name": "a", "imageUuid": "x", "dataVolumesFromLaunchConfigs": ["new"]}]}"#)], "neither could be started"),
    ("launch_config/template.rs", "InvalidOption imageUuid", 0, &[(SVC, r#"{"name": "new", "stackId": "$s", "launchConfig":
        {"imageUuid": "docker:rancher/none"}}"#)], "containers of its own"),

    ("lb_config.rs", "MissingRequired sourcePort", 0, &[(LB, balancer!(r#""serviceId": "$web", "targetPort": 80"#, ""))], "portRules[0].sourcePort"),
    ("lb_config.rs", "MissingRequired serviceId", 0, &[(LB, balancer!(r#""sourcePort": 80"#, ""))], "needs a target"),
    ("lb_config.rs", "MissingRequired targetPort", 0, &[(LB, balancer!(r#""sourcePort": 80, "serviceId": "$web""#, ""))], "needs the port"),
    ("lb_config.rs", "MissingRequired defaultCertificateId", 0, &[(LB, balancer!(r#""sourcePort": 80, "protocol": "https", "selector": "a=b""#, ""))],
        "needs a certificate"),
    ("lb_config.rs", "InvalidOption sourcePort", 0, &[(LB, balancer!(r#""sourcePort": 42, "selector": "a=b""#, ""))], "42 is reserved"),
    ("lb_config.rs", "InvalidOption serviceId", 0, &[(LB, balancer!(r#""sourcePort": 80, "selector": "a=b", "serviceId": "$web""#, ""))], "not both"),
    ("lb_config.rs", "InvalidOption config", 0, &[(LB, balancer!(r#""sourcePort": 80, "selector": "a=b""#, r#", "config": "frontend 81\n  accept-proxy""#))],
        "no rule listens"),
    ("lb_config.rs", "InvalidReference serviceId", 0, &[(LB, balancer!(r#""sourcePort": 80, "serviceId": "web", "targetPort": 80"#, ""))], "not a service id"),
    ("lb_config.rs", "InvalidFormat selector", 0, &[(LB, balancer!(r#""sourcePort": 80, "selector": "a within b""#, ""))], "no label selector"),

    ("resource/account.rs", "InvalidOption externalId", 0, &[("POST /v2-beta/accounts", r#"{"externalId": "1", "externalIdType": "rancher_id"}"#)],
        "gets its own id here"),
    ("resource/account.rs", "MissingRequired externalId", 0, &[("POST /v2-beta/accounts", r#"{"externalIdType": "github_user"}"#)], "is required"),
    ("resource/account.rs", "MissingRequired externalIdType", 0, &[("POST /v2-beta/accounts", r#"{"externalId": "1"}"#)], "is required"),
    ("resource/account.rs", "NotUnique externalId", 0, &[
        ("POST /v2-beta/accounts", r#"{"externalId": "1", "externalIdType": "github_user"}"#),
        ("POST /v2-beta/accounts", r#"{"externalId": "1", "externalIdType": "github_user"}"#)], "has an account already"),
    ("resource/certificate.rs", "InvalidFormat ?", 0, &[("POST ~/certificates", r#"{"name": "new", "cert": "c", "key": "k"}"#)], ""),
    ("resource/certificate.rs", "NotUnique name", 0, &[("POST ~/certificates", "$certificate"), ("POST ~/certificates", "$certificate")], "already"),
    ("resource/certificate.rs", "InvalidReference ?", 0,
        &[(LB, balancer!(r#""sourcePort": 80, "selector": "a=b""#, r#", "certificateIds": ["none"]"#))], "no certificate `none`"),
    ("resource/container/ask.rs", "InvalidDateFormat since", 0, &[("POST ~/containers/$container/?action=logs", r#"{"since": "soon"}"#)], "is no moment"),
    ("resource/member.rs", "InvalidReference externalId", 0,
        &[("POST ~/projectmembers", r#"{"externalId": "1a77", "externalIdType": "rancher_id", "role": "member"}"#)], "no account 1a77"),
    ("resource/member.rs", "MissingRequired role", 0, &[("POST ~/projectmembers", r#"{"externalId": "a", "externalIdType": "b"}"#)], "is required"),
    ("resource/member.rs", "InvalidOption members", 903, &[("POST ~/projects/1a1/?action=setmembers", r#"{"members": []}"#)], "make somebody an owner"),
    ("resource/project_template.rs", "InvalidReference projectTemplateId", 0, &[("POST ~/projects", r#"{"name": "x", "projectTemplateId": "1pt9"}"#)], "1pt9"),
    ("resource/project_template.rs", "InvalidReference projectTemplateId", 0, &[
        (TEMPLATE, r#"{"name": "x", "stacks": [{"name": "s", "dockerCompose": "web: {image: x}\n# {{if .Environment.Name}}\nwb: {imag: x} # {{end}}"}]}"#),
        ("POST ~/projects", r#"{"name": "x", "projectTemplateId": "$x"}"#)], "template x, stack s: docker-compose.yml"),
    ("resource/project_template.rs", "InvalidCharacters stacks", 0, &[(TEMPLATE, r#"{"name": "x", "stacks": [{"name": "a b", "dockerCompose": ""}]}"#)], "digits and dashes"),
    ("resource/project_template.rs", "MaxLengthExceeded stacks", 0, &[(TEMPLATE, r#"{"name": "x", "stacks": [{"name": "a", "dockerCompose": "web: {image: x} # $big"}]}"#)], "1 MiB"),
    ("resource/project_template.rs", "NotUnique stacks", 0, &[(TEMPLATE, r#"{"name": "x", "stacks": [{"name": "s", "dockerCompose": "web: {image: x}"},
        {"name": "S", "dockerCompose": "web: {image: x}"}]}"#)], "two stacks"),
    ("resource/project_template.rs", "InvalidReference stacks", 0, &[(TEMPLATE, r#"{"name": "x", "stacks": [{"name": "s", "templateId": "library:no"}]}"#)], "no library:no"),
    ("resource/project.rs", "NotUnique name", 0, &[("POST ~/projects", r#"{"name": "default"}"#)], "already"),
    ("resource/project/settings.rs", "MinLimitExceeded startPort", 0,
        &[("PUT ~/projects/1a1", r#"{"servicesPortRange": {"startPort": 9, "endPort": 8}}"#)], "more than `endPort`"),
    ("resource/project/rebalance.rs", "InvalidReference serviceIds", 0, &[("POST ~/projects/1a1/?action=rebalance", r#"{"serviceIds": ["1s77"]}"#)], "1s77"),
    ("resource/project/rebalance.rs", "InvalidReference moves", 0,
        &[("POST ~/projects/1a1/?action=rebalance", r#"{"moves": [{"instanceId": "x", "toHostId": "1h2"}]}"#)], "no id of a container"),
    ("resource/project_member.rs", "NotUnique externalId", 0, &[
        ("POST ~/projectmembers", r#"{"externalId": "a", "externalIdType": "b", "role": "member"}"#),
        ("POST ~/projectmembers", r#"{"externalId": "a", "externalIdType": "b", "role": "owner"}"#)], "change its role"),
    ("resource/registry.rs", "InvalidFormat serverAddress", 0, &[("POST ~/registries", r#"{"serverAddress": "a b"}"#)], "is not a registry"),
    ("resource/registry.rs", "NotUnique serverAddress", 0, &[("POST ~/registries", r#"{"serverAddress": "https://r.example/"}"#)], "already"),
    ("resource/registry_credential.rs", "InvalidReference registryId", 0,
        &[("POST ~/registrycredentials", r#"{"registryId": "1sp77", "publicValue": "u", "secretValue": "p"}"#)], "no registry 1sp77"),
    ("resource/registry_credential.rs", "NotUnique registryId", 0,
        &[("POST ~/registrycredentials", r#"{"registryId": "$r.example", "publicValue": "u", "secretValue": "p"}"#)], "has a login already"),
    ("resource/secret.rs", "InvalidCharacters name", 0, &[("POST ~/secrets", r#"{"name": "..", "value": "eA=="}"#)], "name of a file"),
    ("resource/secret.rs", "NotUnique name", 0, &[("POST ~/secrets", r#"{"name": "pw", "value": "eA=="}"#)], "already"),
    ("resource/secret.rs", "InvalidReference secrets", 0, &[(SVC, service!(r#""secrets": [{"secretId": "none"}]"#))], "no secret `none`"),
    ("resource/secret.rs", "InvalidFormat value", 0, &[("POST ~/secrets", r#"{"name": "new", "value": "?"}"#)], "must be base64"),
    ("resource/secret.rs", "MaxLengthExceeded value", 0, &[("POST ~/secrets", r#"{"name": "new", "value": "$big"}"#)], "at most 524288 are kept"),

    ("resource/service/create.rs", "InvalidReference stackId", 0, &[(SVC, r#"{"name": "new", "stackId": "1st77", "launchConfig": {"imageUuid": "x"}}"#)],
        "no stack 1st77"),
    ("resource/service/create.rs", "InvalidCharacters name", 0, &[(WEB, r#"{"name": "a-"}"#)], "start or end with a dash"),
    ("resource/service/create.rs", "NotUnique name", 0, &[(WEB, r#"{"name": "DB"}"#)], "taken by service db"),
    ("resource/service/create.rs", "InvalidOption labels", 0, &[(SVC, service!(r#""labels": {"io.rancher.scheduler.affinity:host_label": "a"}"#))], ""),
    ("resource/service/create.rs", "InvalidReference requestedHostId", 0, &[(SVC, service!(r#""requestedHostId": "1h77""#))], "no host 1h77"),
    ("resource/service/create.rs", "InvalidState requestedHostId", 0, &[("POST ~/hosts/1h2/?action=deactivate", ""),
        (SVC, service!(r#""requestedHostId": "1h2""#))], "takes no containers"),
    ("resource/service/dependence.rs", "InvalidReference serviceId", 0, &[(WEB, r#"{"dependsOn": [{"serviceId": "1s77"}]}"#)], "no service 1s77"),
    ("resource/service/dependence.rs", "InvalidReference serviceId", 0, &[(WEB, r#"{"dependsOn": [{"serviceId": "$web"}]}"#)], "wait for itself"),
    ("resource/service/edit.rs", "InvalidFormat ?", 0, &[(WEB, r#"{"selectorLink": "a within b"}"#)], "no label selector"),
    ("resource/service/edit.rs", "InvalidFormat externalIpAddresses", 0, &[("PUT ~/services/$ext", r#"{"externalIpAddresses": ["x"]}"#)], "not an IP address"),
    ("resource/service/edit.rs", "InvalidOption hostname", 0, &[("PUT ~/services/$ext", r#"{"externalIpAddresses": ["192.0.2.1"], "hostname": "a.example"}"#)],
        "leave the other out"),
    ("resource/service/edit.rs", "InvalidOption scalePolicy", 0, &[(SVC, r#"{"name": "new", "stackId": "$s", "scalePolicy": {"min": 1},
        "launchConfig": {"imageUuid": "x", "labels": {"io.rancher.scheduler.global": "true"}}}"#)], "once on every host"),
    ("resource/service/edit.rs", "InvalidReference serviceId", 0, &[(LB, balancer!(r#""sourcePort": 80, "serviceId": "1s77", "targetPort": 80"#, ""))],
        "no service it can reach"),
    ("resource/service/edit.rs", "MaxLimitExceeded metadata", 0, &[(WEB, r#"{"metadata": {"a": "$big"}}"#)], "at most 1048576 are kept"),
    ("resource/service/edit.rs", "MaxLimitExceeded min", 0, &[(WEB, r#"{"scalePolicy": {"min": 3, "max": 2}}"#)], "more than `max`"),
    ("resource/service/links.rs", "InvalidReference serviceId", 0,
        &[("POST ~/services/$web/?action=setservicelinks", r#"{"serviceLinks": [{"serviceId": "$web"}]}"#)], "can't link to itself"),
    ("resource/service/links.rs", "InvalidReference serviceId", 0,
        &[("POST ~/services/$web/?action=addservicelink", r#"{"serviceLink": {"serviceId": "1s77"}}"#)], "no such service"),
    ("resource/service/links.rs", "MissingRequired serviceLink", 0, &[("POST ~/services/$web/?action=removeservicelink", "{}")], "is required"),
    ("resource/service/loops.rs", "InvalidReference serviceId", 0, &[
        ("POST ~/dnsservices", r#"{"name": "again", "stackId": "$s"}"#),
        ("POST ~/services/$again/?action=addservicelink", r#"{"serviceLink": {"serviceId": "$dns"}}"#),
        ("POST ~/services/$dns/?action=addservicelink", r#"{"serviceLink": {"serviceId": "$again"}}"#)], "again"),
    ("resource/stack.rs", "InvalidCharacters name", 0, &[("POST ~/stacks", r#"{"name": "-a"}"#)], "start or end with a dash"),
    ("resource/stack.rs", "NotUnique name", 0, &[("POST ~/stacks", r#"{"name": "S"}"#)], "already"),
    ("resource/volume.rs", "InvalidCharacters name", 0, &[("POST ~/volumes", r#"{"name": "_a"}"#)], "begin with a letter or digit"),
    ("resource/volume.rs", "NotUnique name", 0, &[("POST ~/volumes", r#"{"name": "data"}"#)], "already"),
    ("resource/volume.rs", "InvalidReference dataVolumeMounts", 0, &[(SVC, service!(r#""dataVolumeMounts": {"/a": "1v77"}"#))], "no volume 1v77"),
    ("resource/volume_template.rs", "InvalidReference stackId", 0, &[("POST ~/volumetemplates", r#"{"name": "x", "stackId": "1st77"}"#)], "no stack 1st77"),
    ("resource/volume_template.rs", "NotUnique name", 0, &[("POST ~/volumetemplates", r#"{"name": "v", "stackId": "$s"}"#)], "already"),
    ("resource/webhook_receiver.rs", "NotUnique name", 0, &[(HOOK, r#"{"name": "Hook", "driver": "scaleService",
        "scaleServiceConfig": {"serviceId": "$web", "action": "up"}}"#)], "already"),
    ("resource/webhook_receiver/driver.rs", "MissingRequired ?", 0, &[(HOOK, r#"{"name": "new", "driver": "scaleService"}"#)], "scaleServiceConfig"),
    ("resource/webhook_receiver/driver.rs", "InvalidReference serviceId", 0, &[(HOOK, r#"{"name": "new", "driver": "scaleService",
        "scaleServiceConfig": {"serviceId": "1s77", "action": "up"}}"#)], "no service 1s77"),
    ("resource/webhook_receiver/driver.rs", "InvalidOption serviceId", 0, &[(HOOK, r#"{"name": "new", "driver": "scaleService",
        "scaleServiceConfig": {"serviceId": "$dns", "action": "up"}}"#)], "no containers that could be scaled"),
    ("resource/webhook_receiver/driver.rs", "MinLimitExceeded min", 0, &[(HOOK, r#"{"name": "new", "driver": "scaleService",
        "scaleServiceConfig": {"serviceId": "$web", "action": "up", "min": 3, "max": 2}}"#)], "more than `max`"),
    ("resource/webhook_receiver/driver.rs", "MissingRequired serviceSelector", 0, &[(HOOK, r#"{"name": "new", "driver": "serviceUpgrade",
        "serviceUpgradeConfig": {"serviceSelector": {}, "tag": "1"}}"#)], "is required"),
    ("texts.rs", "InvalidFormat ?", 0, &[("POST ~/stacks", r#"{"name": "x", "dockerCompose": "web: ["}"#)], "docker-compose.yml"),
    ("texts.rs", "InvalidFormat ?", 0, &[("POST ~/stacks", r#"{"name": "x", "dockerCompose": "{{ nonsense"}"#)], "docker-compose.yml:1:"),
    ("texts.rs", "MissingRequired dockerCompose", 0, &[("POST ~/stacks", r#"{"name": "x", "rancherCompose": "web: {}"}"#)], "is required"),

    ("resource/service/links.rs", "InvalidCharacters name", 0, &[(LINK, r#"{"serviceLink": {"serviceId": "$db", "name": "my db"}}"#)], "not ` `"),
    ("resource/service/links.rs", "InvalidCharacters name", 0, &[(LINK, r#"{"serviceLink": {"serviceId": "$db", "name": "db..x"}}"#)], "each dot"),
    ("resource/service/links.rs", "MaxLengthExceeded name", 0, &[(LINK, r#"{"serviceLink": {"serviceId": "$db",
        "name": "a123456789012345678901234567890123456789012345678901234567890123"}}"#)], "63 between two dots"),
    ("route/inactive.rs", "InvalidState -", 0, &[("POST /v2-beta/projects/1a1/?action=deactivate", ""), ("POST ~/stacks", r#"{"name": "x"}"#)], "is inactive"),
    ("resource/account.rs", "InvalidState -", 0, &[("DELETE /v2-beta/accounts/1a901", "")], "make another first"),
    ("resource/api_key.rs", "InvalidState -", 0, &[("DELETE /v2-beta/apikeys/1c941", "")], "make another first"),
    ("resource/host.rs", "InvalidState -", 0, &[("POST ~/hosts/1h2/?action=evacuate", "")], "can't be emptied"),
    ("resource/stack.rs", "InvalidState -", 0, &[(UP, LAUNCH), ("POST ~/stacks/$s/?action=deactivateservices", "")], "can't deactivate from there"),
    ("resource/container/ask.rs", "InvalidState -", 0, &[("POST ~/services/$web/?action=deactivate", ""), ("UNTIL ~/containers/$container stopped", ""),
        ("POST ~/containers/$container/?action=start", "")], "can't be started"),
    ("upgrade/together.rs", "InvalidState -", 0, &[(UP, LAUNCH), (TOGETHER, r#"{"services": [{"serviceId": "$web", "inServiceStrategy":
        {"launchConfig": {"imageUuid": "x"}}}]}"#)], "can't be upgraded"),
    ("upgrade/together.rs", "InvalidState -", 0, &[(TOGETHER, r#"{"services": [
        {"serviceId": "$web", "inServiceStrategy": {"launchConfig": {"imageUuid": "x"}}},
        {"serviceId": "$db", "after": ["$web"], "inServiceStrategy": {"launchConfig": {"imageUuid": "x"}}}]}"#),
        ("UNTIL ~/services/$web upgraded", ""), ("POST ~/services/$web/?action=finishupgrade", "")], "not through yet"),
    ("upgrade/between.rs", "InvalidState -", 0, &[(UP, r#"{"toServiceStrategy": {"toServiceId": "$db"}}"#),
        ("POST ~/services/$db/?action=upgrade", LAUNCH)], "is not over yet"),
    ("resource/setting.rs", "InvalidOption value", 0, &[("PUT /v2-beta/settings/drover.revisions.keep", r#"{"value": "1"}"#)], "a number from 2"),
    ("upgrade.rs", "InvalidOption inServiceStrategy", 0, &[("POST ~/services/$open/?action=upgrade",
        r#"{"inServiceStrategy": {"startFirst": true, "launchConfig": {"imageUuid": "x", "ports": ["81:81"]}}}"#)], "81"),
    ("upgrade.rs", "MissingRequired inServiceStrategy", 0, &[(UP, "{}")], "is required"),
    ("upgrade.rs", "InvalidState ports", 0, &[("PUT ~/services/$lb", r#"{"launchConfig": {"ports": ["8181"]}}"#)], "is not active"),
    ("upgrade.rs", "InvalidState ports", 0, &[("POST ~/services/$lb/?action=activate", ""), ("PUT ~/services/$lb", r#"{"launchConfig": {"ports": ["8181"]}}"#),
        ("PUT ~/services/$lb", r#"{"launchConfig": {"ports": ["8282"]}}"#)], "finish it or roll it back"),
    ("upgrade.rs", "InvalidOption startFirst", 0, &[(WEB, r#"{"retainIp": true}"#),
        (UP, r#"{"inServiceStrategy": {"startFirst": true, "launchConfig": {"imageUuid": "y"}}}"#)], "retainIp"),
    ("upgrade.rs", "InvalidOption toRevision", 0, &[("POST ~/services/$web/?action=rollback", r#"{"toRevision": 7}"#)], "was never there"),
    ("upgrade/between.rs", "InvalidReference toServiceId", 0, &[(UP, r#"{"toServiceStrategy": {"toServiceId": "1s77"}}"#)], "no such service"),
    ("upgrade/between.rs", "InvalidOption toServiceId", 0, &[(UP, r#"{"toServiceStrategy": {"toServiceId": "$web"}}"#)], ""),
    ("upgrade/between.rs", "InvalidState scale", 0, &[
        (UP, r#"{"toServiceStrategy": {"toServiceId": "$db"}}"#),
        ("POST ~/services/$web/?action=rollback", ""),
        ("PUT ~/services/$db", r#"{"scale": 5}"#)], "being rolled back"),
    ("upgrade/next.rs", "InvalidOption launchConfig", 0, &[(UP, r#"{"inServiceStrategy": {}}"#)], "must name the configs"),
    ("upgrade/next.rs", "InvalidOption launchConfig", 0, &[("POST ~/services/$lb/?action=upgrade",
        r#"{"inServiceStrategy": {"secondaryLaunchConfigs": [{"name": "a", "imageUuid": "x"}]}}"#)], "is a load balancer"),
    ("upgrade/next.rs", "InvalidOption launchConfig", 0, &[(UP, r#"{"inServiceStrategy": {"launchConfig":
        {"imageUuid": "x", "labels": {"io.rancher.scheduler.global": "true"}}}}"#)], "can't become a global one"),
    ("upgrade/policy.rs", "InvalidOption command", 0, &[(UP, r#"{"inServiceStrategy": {"launchConfig": {"imageUuid": "x"},
        "policy": {"verify": {"command": ["a"], "request": {"port": 80}}}}}"#)], "not both"),
    ("upgrade/together.rs", "InvalidReference serviceId", 0, &[(TOGETHER, r#"{"services": [{"serviceId": "1s77", "inServiceStrategy": {}}]}"#)], "1s77"),
    ("upgrade/together.rs", "InvalidReference after", 0, &[(TOGETHER, r#"{"services": [{"serviceId": "$web", "after": ["$db"], "inServiceStrategy":
        {"launchConfig": {"imageUuid": "x"}}}]}"#)], "can't come after"),
    ("upgrade/together.rs", "InvalidOption services", 0, &[(TOGETHER, r#"{"services": [
        {"serviceId": "$web", "inServiceStrategy": {"launchConfig": {"imageUuid": "x"}}},
        {"serviceId": "$web", "inServiceStrategy": {"launchConfig": {"imageUuid": "x"}}}]}"#)], "named twice"),
    ("upgrade/together.rs", "MissingRequired serviceId", 0, &[(TOGETHER, r#"{"services": [{"inServiceStrategy": {}}]}"#)], "services[0].serviceId"),
    ("upgrade/together.rs", "MissingRequired inServiceStrategy", 0, &[(TOGETHER, r#"{"services": [{"serviceId": "$web"}]}"#)], "is required"),
];

/// Text that is too long for anything that has a limit, and base64.
fn filled(bench: &mut Bench, text: &str) -> Value {
    if text.contains("$big") {
        return serde_json::from_str(&text.replace("$big", &"AAAA".repeat(300_000))).unwrap();
    }
    body(bench, text)
}

#[test]
fn each_rule_is_broken_by_its_row() {
    let mut bench = full();
    let fresh = bench.world.clone();
    let mut wrong = Vec::new();
    for (file, rule, who, requests, words) in ROWS {
        bench.world = fresh.clone();
        bench.grant = if *who == 0 { drover_core::Grant::Admin } else { account(*who) };
        let (last, before) = requests.split_last().unwrap();
        for (request, text) in before {
            if let Some(level) = request.strip_prefix("UNTIL ") {
                go_on(&mut bench, level);
                continue;
            }
            let (request, given) = (named(&mut bench, request), filled(&mut bench, text));
            let answer = bench.request(&request, &given);
            assert!(answer.status < 300, "{file} {rule}: {request}: {:?}", answer.body);
        }
        let (request, given) = (named(&mut bench, last.0), filled(&mut bench, last.1));
        let answer = bench.request(&request, &given);
        let error = answer.body.unwrap_or_default();
        let (code, field) = rule.split_once(' ').unwrap();
        let found = (answer.status, error["code"].as_str().unwrap_or_default());
        let at = error["fieldName"].as_str().unwrap_or("-");
        let said = error["message"].as_str().unwrap_or_default();
        if found != (422, code)
            || (field == "?" && at == "-")
            || (field != "?" && field != at)
            || !said.contains(words)
        {
            wrong.push(format!("{file} {rule}: {} {} {at}: {said}", found.0, found.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Codes of what is wrong with a request; `InvalidAction` is about what no type has.
const WITH_FIELDS: &[&str] = &[
    "MissingRequired",
    "NotUnique",
    "NotNullable",
    "InvalidReference",
    "InvalidOption",
    "InvalidFormat",
    "InvalidDateFormat",
    "InvalidCharacters",
    "MinLengthExceeded",
    "MaxLengthExceeded",
    "MinLimitExceeded",
    "MaxLimitExceeded",
    "InvalidState",
];

/// Go on until something is in a state.
fn go_on(bench: &mut Bench, level: &str) {
    let (url, state) = level.split_once(' ').unwrap();
    let url = named(bench, url);
    for _ in 0..100 {
        if bench.get(&url)["state"] == state {
            return;
        }
        bench.plan();
        bench.obey();
        bench.now = bench.now + 500;
    }
    panic!("never: {level}");
}

/// Every place in the sources that refuses something: `file`, code and field.
fn rules(folder: &Path, below: &str, found: &mut BTreeSet<(String, String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            rules(&path, &format!("{name}/"), found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // What reads bodies in general has no rules of its own; the tables' have their own test.
        if ["error.rs", "body.rs", "body/nested.rs", "schema/accept.rs"].contains(&name.as_str()) {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap();
        let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // What is wrong with a field says so.
        for (at, call) in words.match_indices("ApiError::new(") {
            let given = words[at + call.len()..].trim_start();
            let code = given.split(',').next().unwrap().trim_start_matches("Code::");
            if WITH_FIELDS.contains(&code) {
                found.insert((name.clone(), code.to_owned(), "-".to_owned()));
            }
        }
        for call in ["ApiError::on(", ".refuse(", "ApiError::missing(", ".lacks("] {
            for (at, _) in words.match_indices(call) {
                let mut given = words[at + call.len()..].trim_start().splitn(3, ',').map(str::trim);
                let code = match call {
                    "ApiError::on(" | ".refuse(" => given.next().unwrap(),
                    _ => "Code::MissingRequired",
                };
                let code = code.strip_prefix("Code::").unwrap_or("?");
                let field = given.next().unwrap();
                let literal = field.strip_prefix('"').and_then(|rest| rest.split('"').next());
                found.insert((name.clone(), code.to_owned(), literal.unwrap_or("?").to_owned()));
            }
        }
    }
}

#[test]
fn each_rule_has_a_row() {
    let mut found = BTreeSet::new();
    rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    assert!(found.len() > 70, "{}", found.len());
    let fits = |held: &str, row: &str| held == "?" || row == "?" || held == row;
    let has_row = |(file, code, field): &(String, String, String)| {
        ROWS.iter().any(|(at, rule, ..)| {
            let (row_code, row_field) = rule.split_once(' ').unwrap();
            at == file && fits(code, row_code) && fits(field, row_field)
        })
    };
    let untested: Vec<_> = found.iter().filter(|rule| !has_row(rule)).collect();
    assert!(untested.is_empty(), "no row breaks {untested:#?}");
}

/// What is asked of every type that is made, changed or acted on is held to its schema before anything else reads it: each field
/// that its schema shows, broken, is refused by its name.
#[test]
fn what_is_shown_of_a_field_is_what_is_enforced() {
    let (mut wrong, mut tries) = (Vec::new(), 0);
    crate::everything::requests(|bench, request, base, schema, flag| {
        for (name, field) in schema["resourceFields"].as_object().unwrap() {
            let is_given = match flag {
                "" => field["create"] == true || field["update"] == true,
                flag => field[flag] == true,
            };
            let kind = field["type"].as_str().unwrap();
            let (code, value) = match kind {
                "json" => continue,
                "string" | "password" => ("InvalidFormat", json!(["a"])),
                "enum" => ("InvalidOption", json!("no-such-word")),
                kind if kind.starts_with("reference[") => ("InvalidReference", json!(["a"])),
                _ => ("InvalidFormat", json!("a")),
            };
            let mut given = if base.is_null() { json!({}) } else { base.clone() };
            given[name] = value;
            let held = bench.world.clone();
            let answer = bench.request(request, &given);
            bench.world = held;
            let error = answer.body.unwrap_or_default();
            let refused = (answer.status, &error["code"], &error["fieldName"])
                == (422, &json!(code), &json!(name));
            if refused != is_given {
                wrong.push(format!("{request} {name}: {error}"));
            }
            tries += 1;
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tries > 1_000, "{tries}");
}
