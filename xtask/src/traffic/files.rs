//! The compose files of the shop: a service whose containers die the moment they are told to end, another one like it,
//! one that nobody asks anything, an alias, and two balancers. Nothing checks health: what is lost, is lost by order.

use std::collections::BTreeMap;

/// The version of the other service, which stays.
const NEXT: &str = "v2";
/// Its scale, as long as it is not `web`'s successor.
const NEXT_SCALE: usize = 3;

/// What the files say.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    /// The version of `web`: the second one, or the first.
    second: bool,
    scale: usize,
    next_scale: usize,
    start_first: bool,
    target: &'static str,
    front: &'static [&'static str],
    /// The version of `aside`, as of `web`.
    aside_second: bool,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            second: false,
            scale: 6,
            next_scale: NEXT_SCALE,
            start_first: true,
            target: "web",
            front: &["web"],
            aside_second: false,
        }
    }
}

impl Shop {
    /// The other version of `web`, by an upgrade of this kind.
    pub(super) fn turn(&mut self, start_first: bool) {
        (self.second, self.start_first) = (!self.second, start_first);
    }

    /// The other version of `aside`, which no request goes to.
    pub(super) fn turn_aside(&mut self) {
        self.aside_second = !self.aside_second;
    }

    /// How many containers `web` has.
    pub(super) fn scale(&mut self, scale: usize) {
        self.scale = scale;
    }

    /// `next` takes over from `web`: its scale, and whom the balancers lead to.
    pub(super) fn hand_over(&mut self) {
        (self.next_scale, self.target) = (self.scale, "next");
    }

    /// `web` takes over from `next`, which keeps its scale.
    pub(super) fn take_back(&mut self) {
        self.target = "web";
    }

    /// `next` is what it was before it took over.
    pub(super) fn rest_next(&mut self) {
        self.next_scale = NEXT_SCALE;
    }

    /// Whom the balancers lead to.
    pub(super) fn target(&mut self, service: &'static str) {
        self.target = service;
    }

    /// Whom the alias `front` stands for.
    pub(super) fn front(&mut self, services: &'static [&'static str]) {
        self.front = services;
    }

    /// How many of what shall answer.
    pub(super) fn answering(&self) -> BTreeMap<String, usize> {
        let services = if self.target == "front" { self.front } else { &[self.target] };
        let one = |service: &&str| match *service {
            "web" => (format!("web {}", version(self.second)), self.scale),
            other => (format!("{other} {NEXT}"), self.next_scale),
        };
        services.iter().map(one).collect()
    }

    pub(super) fn docker_compose(&self) -> String {
        let app = |name: &str, version: &str| {
            format!(
                "  {name}:\n    image: demo/web:{version}\n    environment:\n      TESTAPP_DIE_AT_ONCE: 'yes'\n      \
                 VERSION: {name}\n"
            )
        };
        format!(
            "version: '2'\nservices:\n{}{}{}  front:\n    image: rancher/dns-service\n    links: [{}]\n  \
             balancer:\n    image: rancher/lb-service-haproxy\n    ports:\n      - 80:80/tcp\n",
            app("web", version(self.second)),
            app("next", NEXT),
            app("aside", version(self.aside_second)),
            self.front.join(", "),
        )
    }

    pub(super) fn rancher_compose(&self) -> String {
        format!(
            "version: '2'\nservices:\n  web:\n    scale: {}\n    upgrade_strategy:\n      start_first: {}\n  \
             next:\n    scale: {}\n  aside:\n    scale: 6\n  balancer:\n    scale: 2\n    lb_config:\n      port_rules:\n        \
             - protocol: http\n          source_port: 80\n          target_port: 80\n          service: {}\n",
            self.scale, self.start_first, self.next_scale, self.target,
        )
    }
}

fn version(second: bool) -> &'static str {
    if second { "v2" } else { "v1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_follows_from_the_files() {
        let mut shop = Shop::default();
        let said = |shop: &Shop| format!("{:?}", shop.answering());
        assert_eq!(said(&shop), r#"{"web v1": 6}"#);
        shop.turn(true);
        shop.front(&["web", "next"]);
        shop.scale(3);
        assert_eq!(said(&shop), r#"{"web v2": 3}"#);
        shop.target("front");
        assert_eq!(said(&shop), r#"{"next v2": 3, "web v2": 3}"#);
        shop.target("next");
        assert_eq!(said(&shop), r#"{"next v2": 3}"#);
        shop.scale(6);
        shop.hand_over();
        assert_eq!(said(&shop), r#"{"next v2": 6}"#);
        shop.take_back();
        assert_eq!(said(&shop), r#"{"web v2": 6}"#);
    }
}
