//! The compose files of the shop: a service whose containers die the moment they are told to end, another one like it,
//! an alias, and two balancers. Nothing checks health: what is lost, is lost by order.

/// What the files say.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    version: &'static str,
    start_first: bool,
    target: &'static str,
    front: Vec<&'static str>,
}

impl Default for Shop {
    fn default() -> Self {
        Self { version: "v1", start_first: true, target: "web", front: vec!["web"] }
    }
}

impl Shop {
    /// The version of `web`, and how it is upgraded.
    pub(super) fn web(&mut self, version: &'static str, start_first: bool) {
        (self.version, self.start_first) = (version, start_first);
    }

    /// Whom the balancers lead to.
    pub(super) fn target(&mut self, service: &'static str) {
        self.target = service;
    }

    /// Whom the alias `front` stands for.
    pub(super) fn front(&mut self, services: &[&'static str]) {
        self.front = services.to_vec();
    }

    pub(super) fn docker_compose(&self) -> String {
        let app = |name: &str, version: &str| {
            format!(
                "  {name}:\n    image: demo/web:{version}\n    environment:\n      TESTAPP_DIE_AT_ONCE: 'yes'\n"
            )
        };
        format!(
            "version: '2'\nservices:\n{}{}  front:\n    image: rancher/dns-service\n    links: [{}]\n  \
             balancer:\n    image: rancher/lb-service-haproxy\n    ports:\n      - 80:80/tcp\n",
            app("web", self.version),
            app("next", "v2"),
            self.front.join(", "),
        )
    }

    pub(super) fn rancher_compose(&self) -> String {
        format!(
            "version: '2'\nservices:\n  web:\n    scale: 6\n    upgrade_strategy:\n      start_first: {}\n  \
             next:\n    scale: 3\n  balancer:\n    scale: 2\n    lb_config:\n      port_rules:\n        \
             - protocol: http\n          source_port: 80\n          target_port: 80\n          service: {}\n",
            self.start_first, self.target,
        )
    }
}
