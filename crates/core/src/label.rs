//! Labels that steer the platform, and what they say.
//!
//! Users' files carry these names, so they are part of the model. Keys are compared in lower case when they
//! begin with `io.rancher`, as Rancher does.

use crate::ContainerSpec;

/// `true`: one unit per eligible host.
pub const GLOBAL: &str = "io.rancher.scheduler.global";
/// Prefix of all placement constraints; see [`crate::schedule`].
pub const AFFINITY: &str = "io.rancher.scheduler.affinity:";
/// Comma list of sidekick names.
pub const SIDEKICKS: &str = "io.rancher.sidekicks";
/// `always`: pull before every create.
pub const PULL_IMAGE: &str = "io.rancher.container.pull_image";
/// `true`: run to completion, don't restart.
pub const START_ONCE: &str = "io.rancher.container.start_once";
/// `container_name`: the host name is the container's display name.
pub const HOSTNAME_OVERRIDE: &str = "io.rancher.container.hostname_override";
/// Comma list of addresses a container would like; the first that is free on its host's subnet.
pub const REQUESTED_IP: &str = "io.rancher.container.requested_ip";
/// Id of the host a service is pinned to.
pub const REQUESTED_HOST: &str = "io.rancher.service.requested.host.id";
/// On a balancer: `any`, `only-local` or `prefer-local` targets.
pub const BALANCER_TARGET: &str = "io.rancher.lb_service.target";
/// Host label: addresses that ports may be bound to.
pub const HOST_IPS: &str = "io.rancher.scheduler.ips";
/// Host label: only units that carry one of these labels may run here.
pub const HOST_REQUIRE_ANY: &str = "io.rancher.scheduler.require_any";
/// `stack/service`, set on every container.
pub const STACK_SERVICE: &str = "io.rancher.stack_service.name";
/// Stack name, set on every container.
pub const STACK: &str = "io.rancher.stack.name";

/// Docker label with the unit key of a container that Drover owns.
pub const UNIT: &str = "io.drover.unit";
/// Docker label with the name of a process of Drover's own that every host has, `discovery`; such containers are no
/// unit's.
pub const SYSTEM: &str = "io.drover.system";
/// Docker label with the member's name; empty for the primary.
pub const MEMBER: &str = "io.drover.member";
/// Docker label with the id of the cluster that owns the container.
pub const CLUSTER: &str = "io.drover.cluster";
/// Docker label with the generation under which the container was created.
pub const GENERATION: &str = "io.drover.generation";

impl ContainerSpec {
    /// The value of a platform label; `io.rancher…` keys match in any case.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str).or_else(|| {
            let found = self.labels.iter().find(|(k, _)| k.eq_ignore_ascii_case(key));
            found.map(|(_, v)| v.as_str())
        })
    }

    fn flag(&self, key: &str) -> bool {
        self.label(key).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
    }

    /// Runs once per host.
    pub fn is_global(&self) -> bool {
        self.flag(GLOBAL)
    }

    /// Runs to completion and is not restarted.
    pub fn is_start_once(&self) -> bool {
        self.flag(START_ONCE)
    }

    /// Pulls its image before every create.
    pub fn pulls_always(&self) -> bool {
        self.label(PULL_IMAGE).is_some_and(|v| v.trim().eq_ignore_ascii_case("always"))
    }
}
