//! Types that have no collection: inputs of actions, outputs, parts of other types, and the one whose collection is a
//! WebSocket.

use super::{Field, Schema};

/// Members of one project at most.
pub(crate) const MEMBERS: u32 = 1_000;

/// All of them.
pub(crate) static ALL: &[Schema] = &[
    part("addOutputsInput", &[&[Field::cr("outputs", "map[string]").required()]]),
    part("addRemoveServiceLinkInput", &[&[Field::cru("serviceLink", "serviceLink").required()]]),
    part(
        "composeConfig",
        &[&[Field::r("dockerComposeConfig", "string"), Field::r("rancherComposeConfig", "string")]],
    ),
    part(
        "scaleServiceConfig",
        &[&[
            Field::cr("serviceId", "reference[service]").required(),
            Field::cr("action", "enum").required().options(&["up", "down"]),
            Field::cr("amount", "int").default("1").count(1),
            Field::cr("min", "int").default("1").count(1),
            Field::cr("max", "int").default("100").count(1),
        ]],
    ),
    part(
        "serviceUpgradeConfig",
        &[&[
            Field::cr("serviceSelector", "map[string]").required(),
            Field::cr("tag", "string").required().length(1, 128),
            Field::cr("payloadFormat", "enum").default("\"dockerhub\"").options(&[
                "dockerhub",
                "alicloud",
                "azure",
                "registry",
                "generic",
            ]),
            Field::cr("batchSize", "int").count(1),
            Field::cr("intervalMillis", "int").count(0),
            Field::cr("startFirst", "boolean"),
        ]],
    ),
    part(
        "catalogTemplate",
        &[&[
            Field::cru("name", "string").required().length(1, 63),
            Field::cru("templateId", "string").about("of the catalog: its default version"),
            Field::cru("templateVersionId", "string").about("a version of one, instead"),
            Field::cru("dockerCompose", "string").about("where it is none of the catalog's"),
            Field::cru("rancherCompose", "string"),
            Field::cru("answers", "map[string]"),
        ]],
    ),
    part("composeConfigInput", &[&[Field::cr("serviceIds", "array[reference[service]]")]]),
    part(
        "forecast",
        &[&[
            Field::r("services", "array[json]"),
            Field::r("pulls", "array[json]"),
            Field::r("obstacles", "array[string]"),
            Field::r("digest", "string").about("two forecasts with the same one come to the same"),
        ]],
    ),
    part(
        "forecastInput",
        &[&[
            Field::cr("stackId", "reference[stack]"),
            Field::cr("stackName", "string"),
            Field::cr("create", "array[json]").about("each as for POST to services, with its type"),
            Field::cr("update", "array[json]").about("each as for PUT, with its serviceId"),
            Field::cr("upgrade", "array[serviceUpgradeMember]"),
            Field::cr("remove", "array[reference[service]]"),
        ]],
    ),
    part(
        "inServiceUpgradeStrategy",
        &[&[
            Field::cr("batchSize", "int").default("1").count(1),
            Field::cr("intervalMillis", "int").default("2000").count(0),
            Field::cr("startFirst", "boolean").default("false"),
            Field::cr("launchConfig", "launchConfig"),
            Field::cr("secondaryLaunchConfigs", "array[secondaryLaunchConfig]"),
            Field::cr("policy", "upgradePolicy"),
            Field::r("previousLaunchConfig", "launchConfig"),
            Field::r("previousSecondaryLaunchConfigs", "array[secondaryLaunchConfig]"),
        ]],
    ),
    part(
        "mountEntry",
        &[&[
            Field::r("instanceId", "reference[instance]"),
            Field::r("instanceName", "string"),
            Field::r("path", "string"),
            Field::r("permission", "string"),
            Field::r("volumeId", "reference[volume]"),
            Field::r("volumeName", "string"),
        ]],
    ),
    part(
        "networkDiagnosis",
        &[&[
            Field::r("healthy", "boolean"),
            Field::r("summary", "string"),
            Field::r("hosts", "array[networkDiagnosisHost]"),
            Field::r("findings", "array[networkFinding]"),
        ]],
    ),
    part(
        "networkDiagnosisHost",
        &[&[
            Field::r("hostId", "reference[host]"),
            Field::r("name", "string"),
            Field::r("address", "string"),
            Field::r("subnet", "string"),
            Field::r("examined", "boolean"),
            Field::r("mtu", "int"),
            Field::r("otherHosts", "int"),
            Field::r("reachedHosts", "int"),
            Field::r("namesAnswered", "boolean"),
            Field::r("addresses", "int"),
            Field::r("answeringAddresses", "int"),
        ]],
    ),
    part(
        "networkFinding",
        &[&[
            Field::r("severity", "enum").options(&["error", "warning"]),
            Field::r("code", "string"),
            Field::r("hostIds", "array[reference[host]]"),
            Field::r("message", "string"),
            Field::r("advice", "string"),
        ]],
    ),
    part(
        "publicEndpoint",
        &[&[
            Field::r("ipAddress", "string"),
            Field::r("port", "int"),
            Field::r("serviceId", "reference[service]"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("hostId", "reference[host]"),
        ]],
    ),
    part(
        "rebalanceInput",
        &[&[
            Field::cr("dryRun", "boolean").default("false"),
            Field::cr("serviceIds", "array[reference[service]]"),
            Field::cr("moves", "array[rebalanceMove]"),
        ]],
    ),
    part(
        "rebalanceMove",
        &[&[
            Field::cr("instanceId", "reference[instance]").required(),
            Field::r("name", "string"),
            Field::r("serviceId", "reference[service]"),
            Field::r("service", "string"),
            Field::r("stack", "string"),
            Field::r("fromHostId", "reference[host]"),
            Field::r("from", "string"),
            Field::cr("toHostId", "reference[host]").required(),
            Field::r("to", "string"),
            Field::cr("reason", "string"),
        ]],
    ),
    part(
        "rebalancePlan",
        &[&[
            Field::r("dryRun", "boolean"),
            Field::r("moves", "array[rebalanceMove]"),
            Field::r("notes", "array[string]"),
        ]],
    ),
    part(
        "rollingRestartStrategy",
        &[&[
            Field::cr("batchSize", "int").default("1").count(1),
            Field::cr("intervalMillis", "int").default("2000").count(0),
        ]],
    ),
    part(
        "scalePolicy",
        &[&[
            Field::cru("min", "int").default("1").count(1),
            Field::cru("max", "int").default("1").count(1),
            Field::cru("increment", "int").default("1").count(1),
        ]],
    ),
    part(
        "serviceDependency",
        &[&[
            Field::cru("serviceId", "reference[service]").required(),
            Field::cru("condition", "enum")
                .options(&["service_started", "service_healthy", "service_completed_successfully"])
                .default("\"service_started\""),
        ]],
    ),
    part(
        "serviceLink",
        &[&[
            Field::cru("serviceId", "reference[service]").required(),
            Field::cru("name", "string"),
        ]],
    ),
    part("serviceRestart", &[&[Field::cr("rollingRestartStrategy", "rollingRestartStrategy")]]),
    part(
        "serviceRollback",
        &[&[
            Field::cr("toRevision", "int").count(1),
            Field::cr("batchSize", "int").count(1),
            Field::cr("intervalMillis", "int").count(0),
            Field::cr("startFirst", "boolean"),
            Field::cr("policy", "upgradePolicy"),
        ]],
    ),
    part(
        "serviceUpgrade",
        &[&[
            Field::cr("inServiceStrategy", "inServiceUpgradeStrategy"),
            Field::cr("toServiceStrategy", "toServiceUpgradeStrategy"),
            Field::cr("reason", "string"),
            Field::r("phase", "string"),
            Field::r("fromRevision", "int"),
            Field::r("toRevision", "int"),
            Field::r("startedTS", "int"),
            Field::r("slotsMoved", "int"),
            Field::r("requests", "upgradeRequests"),
            Field::r("toServiceRequests", "upgradeRequests"),
            Field::r("policy", "upgradePolicy"),
            Field::r("verdict", "string").about("what was decided about it by its policy, and why"),
            Field::r("watched", "boolean").about("all has moved, and its policy still looks"),
            Field::r("finishesItself", "boolean"),
            Field::r("together", "json").about("the services that are upgraded with it as one"),
        ]],
    ),
    part(
        "stackUpgrade",
        &[&[
            Field::cr("dockerCompose", "string"),
            Field::cr("rancherCompose", "string"),
            Field::cr("environment", "map[string]"),
            Field::cr("answers", "map[string]"),
            Field::cr("templates", "map[string]"),
            Field::cr("externalId", "string"),
        ]],
    ),
    part(
        "servicesPortRange",
        &[&[
            Field::cru("startPort", "int").range(1, 65535),
            Field::cru("endPort", "int").range(1, 65535),
        ]],
    ),
    part(
        "setProjectMembersInput",
        &[&[Field::cr("members", "array[projectMember]").length(0, MEMBERS)]],
    ),
    part("setServiceLinksInput", &[&[Field::cru("serviceLinks", "array[serviceLink]")]]),
    part(
        "toServiceUpgradeStrategy",
        &[&[
            Field::cr("toServiceId", "reference[service]").required(),
            Field::cr("finalScale", "int").default("1").count(1),
            Field::cr("updateLinks", "boolean").default("false"),
            Field::cr("batchSize", "int").default("1").count(1),
            Field::cr("intervalMillis", "int").default("2000").count(0),
            Field::cr("policy", "upgradePolicy"),
        ]],
    ),
    part(
        "upgradeOutcome",
        &[&[
            Field::r("phase", "string"),
            Field::r("startedTS", "int"),
            Field::r("decidedTS", "int")
                .about("when it was confirmed or taken back; carrying that out began then"),
            Field::r("endedTS", "int").about("the older name of decidedTS"),
            Field::r("verdict", "string"),
            Field::r("by", "string"),
            Field::r("requests", "upgradeRequests"),
            Field::r("fromRevision", "int"),
            Field::r("toRevision", "int"),
            Field::r("toServiceId", "reference[service]"),
            Field::r("toServiceRequests", "upgradeRequests"),
        ]],
    ),
    part(
        "upgradePace",
        &[&[
            Field::cr("batchSize", "int").count(1),
            Field::cr("intervalMillis", "int").count(0),
            Field::cr("startFirst", "boolean"),
        ]],
    ),
    part(
        "upgradePolicy",
        &[&[
            Field::cr("onFailure", "enum")
                .options(&["retry", "pause", "rollback"])
                .default("\"retry\""),
            Field::cr("maxFailures", "int").default("2").count(0),
            Field::cr("deadlineMillis", "int").default("600000").count(1),
            Field::cr("verify", "upgradeVerification"),
            Field::cr("finish", "enum").options(&["manual", "auto"]).default("\"manual\""),
            Field::cr("rollback", "upgradePace"),
        ]],
    ),
    part(
        "upgradeRequestBounds",
        &[&[
            Field::cr("failed", "int").default("0").count(0),
            Field::cr("serverErrorsPerMille", "int").default("10").count(0),
            Field::cr("p99Percent", "int").count(100),
            Field::cr("atLeast", "int").default("100").count(1),
        ]],
    ),
    part(
        "upgradeRequests",
        &[&[
            Field::r("answered", "int"),
            Field::r("serverErrors", "int"),
            Field::r("failed", "int"),
            Field::r("failedBy", "map[int]"),
            Field::r("retried", "int"),
            Field::r("held", "int"),
            Field::r("longestHeldMillis", "int"),
            Field::r("inFlight", "int"),
            Field::r("p50Millis", "int"),
            Field::r("p99Millis", "int"),
            Field::r("longestMillis", "int"),
            Field::r("revisions", "array[json]"),
        ]],
    ),
    part(
        "upgradeServicesInput",
        &[&[
            Field::cr("services", "array[serviceUpgradeMember]").required(),
            Field::cr("reason", "string"),
        ]],
    ),
    part(
        "serviceUpgradeMember",
        &[&[
            Field::cr("serviceId", "reference[service]").required(),
            Field::cr("inServiceStrategy", "inServiceUpgradeStrategy"),
            Field::cr("toRevision", "int").count(1).about("a revision that there was, instead"),
            Field::cr("after", "array[reference[service]]"),
        ]],
    ),
    part(
        "upgradeVerification",
        &[&[
            Field::cr("forMillis", "int").count(0),
            Field::cr("requests", "upgradeRequestBounds"),
            Field::cr("request", "instanceHealthCheck"),
            Field::cr("command", "array[string]"),
            Field::cr("failures", "int").default("0").count(0),
            Field::cr("stop", "boolean").default("false"),
        ]],
    ),
    // Clients look here for where to hear of changes.
    Schema {
        plural: "subscribe",
        ..part("subscribe", &[&[Field::cr("eventNames", "array[string]")]])
    },
];

pub(crate) const fn part(name: &'static str, fields: &'static [&'static [Field]]) -> Schema {
    Schema {
        name,
        plural: "",
        base: name,
        collection: &[],
        resource: &[],
        fields,
        actions: &[],
        links: &[],
    }
}
