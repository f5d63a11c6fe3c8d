//! Rancher's `lbConfig` and `lbTargetConfig` ↔ a balancer's rules, targets by id. Every rule that Rancher's server
//! or user interface enforced is checked here, each with a sentence of its own.
//!
//! Not here: whether the targets exist (the service resource knows), and routing order (the snapshot's derivation).

use drover_core::{BadTuning, BalancerSpec, PortRule, RuleProtocol, Selector, ServiceId, Tuning};
use serde_json::{Map, Value, json};

use crate::body::{Body, word_of};
use crate::path::Path;
use crate::schema::accept_part;
use crate::{ApiError, Code, Kind};

/// Rancher's balancers answer their own health check here; files rely on it being refused.
const RESERVED_PORT: u16 = 42;

const PROTOCOLS: [(&str, RuleProtocol); 6] = [
    ("http", RuleProtocol::Http),
    ("https", RuleProtocol::Https),
    ("tcp", RuleProtocol::Tcp),
    ("tls", RuleProtocol::Tls),
    ("sni", RuleProtocol::Sni),
    ("udp", RuleProtocol::Udp),
];

/// Read a balancer's `lbConfig`.
pub fn from_wire(value: &Value) -> Result<BalancerSpec, ApiError> {
    let given = accept_part("lbConfig", value, Path::default().member("lbConfig"))?;
    let fields = Body::at(&given, "lbConfig")?;
    let rules = fields.bodies("portRules")?;
    let spec = BalancerSpec {
        rules: rules.iter().map(read_rule).collect::<Result<_, _>>()?,
        certificates: fields.words("certificateIds")?,
        default_certificate: fields.word("defaultCertificateId")?,
        custom: fields.word("config")?,
        stickiness: read_stickiness(&fields)?,
    };
    check_certificates(&spec, &fields)?;
    check_custom(&spec, &fields)?;
    Ok(spec)
}

/// Read the `lbConfig` of a service that balancers pick by selector: the target side of their rules.
pub fn target_from_wire(value: &Value) -> Result<BalancerSpec, ApiError> {
    let given = accept_part("lbTargetConfig", value, Path::default().member("lbConfig"))?;
    let fields = Body::at(&given, "lbConfig")?;
    let rules = fields.bodies("portRules")?;
    let rules = rules.iter().map(read_target_rule).collect::<Result<_, _>>()?;
    Ok(BalancerSpec { rules, ..BalancerSpec::default() })
}

/// Write a balancer's `lbConfig`.
pub fn to_wire(spec: &BalancerSpec) -> Value {
    let rules: Vec<Value> = spec.rules.iter().map(write_rule).collect();
    json!({
        "type": "lbConfig",
        "portRules": rules,
        "certificateIds": spec.certificates,
        "defaultCertificateId": spec.default_certificate,
        "config": spec.custom,
        "stickinessPolicy": spec.stickiness,
    })
}

/// Write the `lbConfig` of any other service.
pub fn target_to_wire(spec: &BalancerSpec) -> Value {
    let rule = |rule: &PortRule| {
        json!({
            "type": "targetPortRule",
            "hostname": rule.hostname,
            "path": rule.path,
            "targetPort": rule.target_port,
            "backendName": rule.backend_name,
        })
    };
    let rules: Vec<Value> = spec.rules.iter().map(rule).collect();
    json!({ "type": "lbTargetConfig", "portRules": rules })
}

fn read_rule(from: &Body<'_>) -> Result<PortRule, ApiError> {
    let rule = PortRule {
        source_port: read_source_port(from)?,
        protocol: from.choice("protocol", &PROTOCOLS)?.unwrap_or(RuleProtocol::Http),
        hostname: from.word("hostname")?,
        path: from.word("path")?,
        priority: from.number("priority")?,
        service: read_service(from)?,
        selector: read_selector(from)?,
        target_port: from.number("targetPort")?,
        backend_name: from.word("backendName")?,
        weight: from.number("weight")?,
    };
    check_target(&rule, from)?;
    Ok(rule)
}

fn read_target_rule(from: &Body<'_>) -> Result<PortRule, ApiError> {
    Ok(PortRule {
        hostname: from.word("hostname")?,
        path: from.word("path")?,
        target_port: from.number("targetPort")?,
        backend_name: from.word("backendName")?,
        ..PortRule::default()
    })
}

fn read_source_port(from: &Body<'_>) -> Result<u16, ApiError> {
    match from.number("sourcePort")? {
        None => Err(from.lacks("sourcePort")),
        Some(RESERVED_PORT) => {
            let why = "port 42 is reserved for the balancer's own health check: listen on another";
            Err(from.refuse(Code::InvalidOption, "sourcePort", why))
        }
        Some(port) => Ok(port),
    }
}

fn read_service(from: &Body<'_>) -> Result<Option<ServiceId>, ApiError> {
    let Some(id) = from.word("serviceId")? else { return Ok(None) };
    let bad = || {
        let detail = format!("`{id}` is not a service id, like 1s5");
        from.refuse(Code::InvalidReference, "serviceId", &detail)
    };
    Kind::Service.parse(&id).map(ServiceId).map(Some).ok_or_else(bad)
}

fn read_selector(from: &Body<'_>) -> Result<Option<String>, ApiError> {
    let Some(text) = from.word("selector")? else { return Ok(None) };
    let read = text.parse::<Selector>();
    read.map_err(|bad| from.refuse(Code::InvalidFormat, "selector", &bad.to_string()))?;
    Ok(Some(text))
}

fn check_target(rule: &PortRule, from: &Body<'_>) -> Result<(), ApiError> {
    match (rule.service, &rule.selector) {
        (None, None) => {
            let why = "a rule needs a target: give serviceId, or selector";
            Err(from.refuse(Code::MissingRequired, "serviceId", why))
        }
        (Some(_), Some(_)) => {
            let why = "a rule has one target: give serviceId or selector, not both";
            Err(from.refuse(Code::InvalidOption, "serviceId", why))
        }
        (Some(_), None) if rule.target_port.is_none() => {
            let why = "a rule with a serviceId needs the port of that service's containers";
            Err(from.refuse(Code::MissingRequired, "targetPort", why))
        }
        (Some(_), None) | (None, Some(_)) => Ok(()),
    }
}

/// Rancher's server let this pass, and then every handshake failed.
fn check_certificates(spec: &BalancerSpec, from: &Body<'_>) -> Result<(), ApiError> {
    let ends_tls =
        |rule: &&PortRule| matches!(rule.protocol, RuleProtocol::Https | RuleProtocol::Tls);
    let has_none = spec.certificates.is_empty() && spec.default_certificate.is_none();
    match spec.rules.iter().find(ends_tls) {
        Some(rule) if has_none => {
            let why = format!(
                "port {} ends TLS and needs a certificate: give certificateIds or this",
                rule.source_port
            );
            Err(from.refuse(Code::MissingRequired, "defaultCertificateId", &why))
        }
        _ => Ok(()),
    }
}

/// A line that can't be mapped is refused here, where somebody reads the answer; so is a port that no rule listens on.
fn check_custom(spec: &BalancerSpec, from: &Body<'_>) -> Result<(), ApiError> {
    let Some(text) = &spec.custom else { return Ok(()) };
    let refuse = |why: &str| Err(from.refuse(Code::InvalidOption, "config", why));
    let tuning = match text.parse::<Tuning>() {
        Ok(tuning) => tuning,
        Err(BadTuning { line, text, why }) => {
            return refuse(&format!("line {line}, `{text}`: {why}"));
        }
    };
    let listens = |port: &u16| spec.rules.iter().any(|rule| rule.source_port == *port);
    match tuning.listeners.keys().find(|port| !listens(port)) {
        Some(port) => refuse(&format!(
            "`frontend {port}`: no rule listens on this port; add one, or remove the section"
        )),
        None => Ok(()),
    }
}

fn read_stickiness(from: &Body<'_>) -> Result<Option<Value>, ApiError> {
    let Some(policy) = from.inner("stickinessPolicy")? else { return Ok(None) };
    let mut kept = Map::new();
    for field in ["name", "cookie", "domain", "mode"] {
        if let Some(text) = policy.word(field)? {
            kept.insert(field.to_owned(), text.into());
        }
    }
    for field in ["indirect", "nocache", "postonly"] {
        if let Some(flag) = policy.flag(field)? {
            kept.insert(field.to_owned(), flag.into());
        }
    }
    Ok(Some(Value::Object(kept)))
}

fn write_rule(rule: &PortRule) -> Value {
    let protocol = word_of(&PROTOCOLS, &rule.protocol);
    json!({
        "type": "portRule",
        "sourcePort": rule.source_port,
        "protocol": protocol,
        "hostname": rule.hostname,
        "path": rule.path,
        "priority": rule.priority,
        "serviceId": rule.service.map(|service| Kind::Service.id(service.0)),
        "selector": rule.selector,
        "targetPort": rule.target_port,
        "backendName": rule.backend_name,
        "weight": rule.weight,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(fields: &Value) -> Result<BalancerSpec, ApiError> {
        let mut rule = json!({ "sourcePort": 80, "serviceId": "1s5", "targetPort": 8080 });
        for (key, value) in fields.as_object().unwrap() {
            rule[key] = value.clone();
        }
        from_wire(&json!({ "portRules": [rule], "links": null }))
    }

    #[test]
    fn what_is_written_reads_back() {
        let spec = BalancerSpec {
            rules: vec![
                PortRule {
                    source_port: 443,
                    protocol: RuleProtocol::Https,
                    hostname: Some("*.example.com".into()),
                    path: Some("/a".into()),
                    priority: Some(1),
                    service: Some(ServiceId(5)),
                    selector: None,
                    target_port: Some(8080),
                    backend_name: Some("b".into()),
                    weight: Some(256),
                },
                PortRule {
                    source_port: 80,
                    selector: Some("app in (a, b)".into()),
                    ..PortRule::default()
                },
            ],
            certificates: vec!["1c7".into()],
            default_certificate: Some("1c8".into()),
            custom: Some("global\n maxconn 9".into()),
            stickiness: Some(json!({ "cookie": "c", "mode": "insert", "nocache": true })),
        };
        assert_eq!(from_wire(&to_wire(&spec)), Ok(spec.clone()));
        let targets = spec.rules.iter().map(|rule| PortRule {
            source_port: 0,
            protocol: RuleProtocol::Http,
            service: None,
            selector: None,
            priority: None,
            weight: None,
            ..rule.clone()
        });
        let target = BalancerSpec { rules: targets.collect(), ..BalancerSpec::default() };
        assert_eq!(target_from_wire(&target_to_wire(&target)), Ok(target));
    }

    #[test]
    fn numbers_may_be_texts_and_protocol_defaults_to_http() {
        let spec = rule(&json!({ "sourcePort": "81", "protocol": null, "weight": "3" })).unwrap();
        let rule = &spec.rules[0];
        assert_eq!(
            (rule.source_port, rule.protocol, rule.weight),
            (81, RuleProtocol::Http, Some(3))
        );
    }

    #[test]
    fn every_rule_has_its_sentence() {
        let table = [
            (
                json!({ "sourcePort": null }),
                "NotNullable `lbConfig.portRules[0].sourcePort` must not be null",
            ),
            (
                json!({ "sourcePort": 0 }),
                "MinLimitExceeded `lbConfig.portRules[0].sourcePort` is 0, but at least 1 is needed",
            ),
            (
                json!({ "sourcePort": 65536 }),
                "MaxLimitExceeded `lbConfig.portRules[0].sourcePort` is 65536, but at most 65535 is possible",
            ),
            (
                json!({ "sourcePort": 42 }),
                "InvalidOption `lbConfig.portRules[0].sourcePort`: port 42 is reserved for the balancer's own \
                 health check: listen on another",
            ),
            (
                json!({ "protocol": "ftp" }),
                "InvalidOption `lbConfig.portRules[0].protocol`: `ftp` is none of http, https, tcp, tls, sni, udp",
            ),
            (
                json!({ "serviceId": null, "selector": "a within b" }),
                "InvalidFormat `lbConfig.portRules[0].selector`: `a within b` is no label selector: write key=value, \
                 key!=value, key, key in (a, b) or key notin (a, b), with commas between",
            ),
            (
                json!({ "serviceId": null }),
                "MissingRequired `lbConfig.portRules[0].serviceId`: a rule needs a target: give serviceId, or \
                 selector",
            ),
            (
                json!({ "selector": "a=b" }),
                "InvalidOption `lbConfig.portRules[0].serviceId`: a rule has one target: give serviceId or \
                 selector, not both",
            ),
            (
                json!({ "serviceId": "web" }),
                "InvalidReference `lbConfig.portRules[0].serviceId`: `web` is not a service id, like 1s5",
            ),
            (
                json!({ "targetPort": null }),
                "MissingRequired `lbConfig.portRules[0].targetPort`: a rule with a serviceId needs the port of \
                 that service's containers",
            ),
            (
                json!({ "targetPort": 70000 }),
                "MaxLimitExceeded `lbConfig.portRules[0].targetPort` is 70000, but at most 65535 is possible",
            ),
            (
                json!({ "priority": 0 }),
                "MinLimitExceeded `lbConfig.portRules[0].priority` is 0, but at least 1 is needed",
            ),
            (
                json!({ "weight": 257 }),
                "MaxLimitExceeded `lbConfig.portRules[0].weight` is 257, but at most 256 is possible",
            ),
            (
                json!({ "region": "eu" }),
                "InvalidOption `lbConfig.portRules[0].region`: a balancer reaches services of its own project \
                 only",
            ),
            (
                json!({ "environment": "prod" }),
                "InvalidOption `lbConfig.portRules[0].environment`: a balancer reaches services of its own \
                 project only",
            ),
            (
                json!({ "protocol": "https" }),
                "MissingRequired `lbConfig.defaultCertificateId`: port 80 ends TLS and needs a \
                 certificate: give certificateIds or this",
            ),
        ];
        for (fields, expected) in table {
            let error = rule(&fields).unwrap_err();
            assert_eq!(format!("{} {error}", error.code), expected, "{fields}");
        }
        for (config, expected) in [
            (
                "defaults\n  timeout client 5s\n  option httpchk",
                "`lbConfig.config`: line 3, `option httpchk`: checks are the target service's: write a \
                 `health_check` there",
            ),
            (
                "frontend 8443\n  accept-proxy",
                "`lbConfig.config`: `frontend 8443`: no rule listens on this port; add one, or remove the \
                 section",
            ),
        ] {
            let error = from_wire(&json!({ "config": config })).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!((error.field.as_deref(), error.status()), (Some("config"), 422));
        }
        let policy = json!({ "stickinessPolicy": { "mode": "sticky" } });
        let error = from_wire(&policy).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`lbConfig.stickinessPolicy.mode`: `sticky` is none of rewrite, insert, prefix"
        );
    }
}
