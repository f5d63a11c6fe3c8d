//! The fields that clients know of each type, and what can be done with them: a schema that lacks one, or says otherwise, keeps a
//! strict client from using it.

use crate::bench::Bench;

/// Type, and its fields by what can be done: read only; given at creation; given at creation and changed; changed only.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("service", "upgrade currentScale createIndex healthState instanceIds linkedServices fqdn system publicEndpoints",
        "stackId launchConfig secondaryLaunchConfigs startOnCreate",
        "name description scale metadata scalePolicy retainIp selectorLink selectorContainer lbConfig", ""),
    ("loadBalancerService", "upgrade currentScale createIndex healthState instanceIds linkedServices fqdn system publicEndpoints",
        "stackId startOnCreate", "name description scale metadata launchConfig lbConfig scalePolicy retainIp selectorLink", ""),
    ("externalService", "upgrade healthState linkedServices fqdn system", "stackId startOnCreate launchConfig",
        "name description metadata externalIpAddresses hostname healthCheck selectorLink", ""),
    ("dnsService", "upgrade healthState linkedServices fqdn system", "stackId startOnCreate launchConfig",
        "name description metadata selectorLink", ""),
    ("storageDriverService", "upgrade currentScale instanceIds", "stackId launchConfig secondaryLaunchConfigs startOnCreate",
        "name description scale metadata storageDriver", ""),
    ("networkDriverService", "upgrade currentScale instanceIds", "stackId launchConfig secondaryLaunchConfigs startOnCreate",
        "name description scale metadata networkDriver", ""),
    ("instanceHealthCheck", "", "port interval responseTimeout healthyThreshold unhealthyThreshold initializingTimeout \
        reinitializingTimeout requestLine strategy recreateOnQuorumStrategyConfig", "", ""),
    ("lbConfig", "", "", "portRules certificateIds defaultCertificateId config stickinessPolicy", ""),
    ("portRule", "", "", "sourcePort targetPort protocol hostname path priority serviceId selector backendName weight", ""),
    ("targetPortRule", "", "", "hostname path targetPort backendName", ""),
    ("loadBalancerCookieStickinessPolicy", "", "", "name cookie domain indirect nocache postonly mode", ""),
    ("serviceLink", "", "", "serviceId name", ""),
    ("stack", "serviceIds healthState", "system environment startOnCreate",
        "name description externalId outputs group", ""),
    ("container", "externalId hostId primaryIpAddress primaryNetworkId serviceId serviceIds deploymentUnitUuid createIndex \
        startCount version healthState mounts userPorts system nativeContainer stackId", "", "", ""),
    ("launchConfig", "version", "imageUuid command entryPoint environment workingDir user tty stdinOpen runInit stopSignal stopTimeout \
        labels requestedHostId restartPolicy healthCheck secrets networkMode ports expose hostname domainName dns dnsSearch dnsOpt \
        extraHosts dataVolumes dataVolumeMounts volumeDriver tmpfs readOnly memory memorySwap memoryReservation memorySwappiness \
        cpuShares cpuSet cpuSetMems cpuPeriod cpuQuota milliCpuReservation blkioWeight blkioDeviceOptions shmSize pidsLimit \
        oomKillDisable oomScoreAdj ulimits privileged capAdd capDrop securityOpt groupAdd devices pidMode ipcMode uts usernsMode \
        isolation cgroupParent sysctls logConfig healthCmd healthInterval healthTimeout healthRetries networkLaunchConfig \
        dataVolumesFromLaunchConfigs drainTimeoutMs kind", "", ""),
    ("secretReference", "", "secretId name uid gid mode", "", ""),
    ("project", "orchestration healthState defaultNetworkId version", "projectTemplateId members",
        "name description servicesPortRange virtualMachine hostRemoveDelaySeconds", ""),
    ("servicesPortRange", "", "", "startPort endPort", ""),
    ("projectMember", "name", "projectId externalId externalIdType", "role", ""),
    ("projectTemplate", "", "", "name description isPublic stacks", ""),
    ("host", "agentState agentIpAddress agentId info computeTotal instanceIds publicEndpoints physicalHostId hostname hostTemplateId \
        localStorageMb", "", "", "name description labels memory milliCpu"),
    ("volume", "mounts uri externalId accessMode isHostPath hostId stackId volumeTemplateId storageDriverId sizeMb",
        "name driver driverOpts", "description", ""),
    ("volumeTemplate", "", "name driver driverOpts stackId external perContainer", "", ""),
    ("secret", "", "name value", "description", ""),
    ("certificate", "certFingerprint CN expiresAt issuedAt issuer algorithm serialNumber keySize subjectAlternativeNames version", "",
        "name description cert certChain key", ""),
    ("registry", "accountId", "serverAddress", "name description", ""),
    ("registryCredential", "", "registryId", "name description publicValue secretValue", ""),
    ("registrationToken", "token registrationUrl command image windowsCommand accountId", "", "name description", ""),
    ("apiKey", "publicValue secretValue", "", "name description", ""),
    ("setting", "name activeValue inDb source", "", "", "value"),
    ("pullTask", "status", "image labels mode", "", ""),
    ("serviceConsumeMap", "serviceId consumedServiceId name ports", "", "", ""),
    ("serviceExposeMap", "serviceId instanceId ipAddress managed", "", "", ""),
    ("serviceLog", "serviceId instanceId eventType level description subLog created endTime transactionId", "", "", ""),
    ("hostAccess", "url token", "", "", ""),
    ("statsAccess", "url token", "", "", ""),
    ("containerLogs", "", "follow lines", "", ""),
    ("containerExec", "", "command attachStdin attachStdout tty", "", ""),
    ("instanceStop", "", "remove timeout", "", ""),
];

#[test]
fn each_field_is_what_clients_take_it_for() {
    let mut bench = Bench::new(0);
    let mut wrong = Vec::new();
    for (name, read, created, edited, changed) in ROWS {
        let schema = bench.get(&format!("~/schemas/{name}"));
        for (fields, flags) in [
            (read, (false, false)),
            (created, (true, false)),
            (edited, (true, true)),
            (changed, (false, true)),
        ] {
            for field in fields.split_whitespace() {
                let held = &schema["resourceFields"][field];
                let found = held["create"].as_bool().zip(held["update"].as_bool());
                if found != Some(flags) {
                    wrong.push(format!("{name}.{field}: {found:?}, not {flags:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "(create, update):\n{}", wrong.join("\n"));
}

/// The types that clients look into, each with its list.
#[test]
fn each_type_that_clients_list_has_a_list() {
    let mut bench = Bench::new(1);
    for plural in "stacks services loadBalancerServices externalServices dnsServices storageDriverServices networkDriverServices \
        containers instances volumeTemplates serviceConsumeMaps certificates settings activeSettings pullTasks volumes projects hosts \
        secrets projectTemplates serviceLogs machines registrationTokens registries registryCredentials projectMembers apiKeys \
        serviceExposeMaps storagePools mounts ports ipAddresses labels networks identities accounts credentials physicalHosts auditLogs \
        userPreferences processInstances machineDrivers hostTemplates networkDrivers storageDrivers snapshots backups virtualMachines \
        agents"
        .split_whitespace()
    {
        let list = bench.get(&format!("~/{}", plural.to_lowercase()));
        assert_eq!(list["type"], "collection", "{plural}");
        assert!(list["data"].is_array(), "{plural}");
    }
}

#[test]
fn what_follows_from_hosts_and_containers_has_rows() {
    let mut bench = Bench::new(1);
    bench.ask("PUT ~/hosts/1h2", serde_json::json!({ "labels": { "tier": "front" } }), 200);
    let stack = bench.ask("POST ~/stacks", serde_json::json!({ "name": "s" }), 201)["id"].clone();
    let launch = serde_json::json!({ "imageUuid": "docker:x", "ports": ["8080:80"], "labels": { "a": "b" } });
    let body = serde_json::json!({ "name": "web", "stackId": stack, "startOnCreate": true, "launchConfig": launch });
    bench.ask("POST ~/services", body, 201);
    bench.settle();
    let container = bench.one("~/containers");
    let port = bench.one("~/ports");
    assert_eq!(port["instanceId"], container["id"]);
    assert_eq!((port["privatePort"].as_i64(), port["publicPort"].as_i64()), (Some(80), Some(8080)));
    let labels = bench.get("~/labels?sort=key")["data"].clone();
    let labels: Vec<String> =
        labels.as_array().unwrap().iter().map(|l| format!("{}={}", l["key"], l["value"])).collect();
    assert_eq!(labels, [r#""a"="b""#, r#""tier"="front""#]);
    assert_eq!(bench.one("~/hosts/1h2/hostlabels")["value"], "front");
    assert_eq!(bench.one("~/hosts/1h2/ipaddresses")["address"], "10.0.0.1");
    assert_eq!(bench.one("~/hosts/1h2/storagepools")["hostIds"], serde_json::json!(["1h2"]));
    assert_eq!(bench.get("~/hosts/1h2/physicalhost")["externalId"], "i1");
    assert_eq!(bench.one("~/physicalhosts/1ph2/hosts")["id"], "1h2");
    assert_eq!(bench.one("~/networks")["id"], container["primaryNetworkId"]);
    // Those of people; projects have a list of their own.
    assert_eq!(bench.get("/v2-beta/accounts")["data"], serde_json::json!([]));
    bench.ask("POST ~/apikeys", serde_json::json!({}), 201);
    bench.ask("POST ~/registrationtokens", serde_json::json!({}), 201);
    let kinds = bench.get("~/credentials")["data"].clone();
    let kinds: Vec<_> = kinds.as_array().unwrap().iter().map(|row| row["type"].clone()).collect();
    assert_eq!(kinds, ["apiKey", "registrationToken"]);
}
