//! The cluster's traffic: balancers that follow their configuration late, and the requests they carry.

use std::cmp::Reverse;

use drover_core::protocol::Report;
use drover_core::{HostId, Time, UnitKey};

use super::{Cluster, Event};
use crate::traffic::{Request, Run, run_of};

impl Cluster {
    /// When something happens next.
    pub fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Whether a unit runs where it was placed, past its start-up, and does not hang.
    pub fn answers(&self, unit: UnitKey) -> bool {
        let mut containers = self.nodes.values().filter_map(|node| node.engine.primary_of(unit));
        containers.any(|container| container.is_ready(self.now))
    }

    /// Balancers whose container began another run have read nothing yet.
    pub(super) fn look_at_routers(&mut self, host: HostId) {
        let Some(node) = self.nodes.get(&host) else { return };
        let begun: Vec<UnitKey> = node
            .balancers()
            .into_iter()
            .filter(|key| {
                self.routers.entry(*key).or_default().is_new_run(node.engine.primary_of(*key))
            })
            .collect();
        for balancer in begun {
            self.after(1, Event::Follow(host, balancer));
            self.after(1, Event::Request(host, balancer));
        }
    }

    /// An agent's report carries what the balancers beside it acknowledged; if that is all there is to say, it is said
    /// alone.
    pub(super) fn tell_followed(&mut self, host: HostId, report: &mut Option<Report>) {
        let Some(node) = self.nodes.get(&host).filter(|n| n.server.is_some()) else { return };
        let all = node.tells_all(self.now);
        for key in node.balancers() {
            let Some(router) = self.routers.get_mut(&key) else { continue };
            if let Some(followed) = router.tell(node.balancer_config(key).as_ref(), all) {
                report.get_or_insert_default().balancers.insert(key, followed);
            }
        }
    }

    pub(super) fn follow_later(&mut self, host: HostId, balancer: UnitKey) {
        let (mostly, seldom) = self.weather.follow_ms;
        let longest = if self.rng.chance(10) { seldom } else { mostly };
        let delay = self.rng.between(1, longest);
        self.after(delay, Event::Follow(host, balancer));
    }

    pub(super) fn follow(&mut self, host: HostId, balancer: UnitKey) {
        let Some(node) = self.nodes.get(&host).filter(|n| n.powered) else { return };
        let config = node.balancer_config(balancer);
        let Some((config, router)) = config.zip(self.routers.get_mut(&balancer)) else { return };
        router.apply(config);
        self.touch(host);
    }

    /// A client comes to a balancer, and another one a little later.
    pub(super) fn request(&mut self, host: HostId, balancer: UnitKey) {
        let Some(node) = self.nodes.get(&host) else { return };
        if !node.balancers().contains(&balancer) {
            return;
        }
        let (shortest, longest) = self.weather.request_ms;
        let pause = self.rng.between(shortest, longest);
        self.after(pause, Event::Request(host, balancer));
        let Some(router) = self.routers.get(&balancer).filter(|router| router.is_up()) else {
            return;
        };
        let Some(target) = self.rng.pick(&router.targets()) else {
            return self.count(host, false);
        };
        let Some(run) = self.run_of(target) else {
            self.count(host, false);
            return self.lost(balancer, target, "was sent to");
        };
        let takes = if self.rng.chance(10) { 8_000 } else { 300 };
        let takes = self.rng.between(1, takes);
        let answers = self.answers(target);
        let Some(router) = self.routers.get_mut(&balancer) else { return };
        let number = router.begin(Request { target, run, answers });
        self.after(takes, Event::Answer(host, balancer, number));
    }

    pub(super) fn answer(&mut self, host: HostId, balancer: UnitKey, number: u64) {
        let Some(router) = self.routers.get_mut(&balancer) else { return };
        let Some(request) = router.end(number) else { return };
        let leaves = !router.targets().contains(&request.target);
        let runs = self.run_of(request.target) == Some(request.run);
        self.count(host, runs && request.answers);
        if !runs {
            self.lost(balancer, request.target, "was in flight to");
        }
        if leaves {
            self.touch(host); // its agent has something to tell
        }
    }

    /// A client got its answer or did not. Who asks a host without power is no client of its balancer.
    fn count(&mut self, host: HostId, is_answered: bool) {
        if self.nodes.get(&host).is_none_or(|node| !node.powered) {
            return;
        }
        let count = if is_answered { &mut self.answered } else { &mut self.unanswered };
        *count += 1;
    }

    fn run_of(&self, target: UnitKey) -> Option<Run> {
        let mut containers = self.nodes.values().map(|node| node.engine.primary_of(target));
        containers.find_map(|container| run_of(container?))
    }

    /// A request found nobody: somebody's fault if the unit was stopped by order, unless it had waited long enough.
    fn lost(&mut self, balancer: UnitKey, target: UnitKey, how: &str) {
        // A key may be used again, on another host, once nothing is left of its first unit.
        let home = self.database.world.unit(target).map(|unit| unit.host);
        let mut nodes = self.nodes.iter().filter(|(id, _)| home.is_none_or(|home| home == **id));
        let ordered = nodes.any(|(_, node)| node.stopped_by_order.contains(&target));
        if ordered && !self.database.excused.contains(&(balancer, target)) {
            self.database.lost_request(balancer, target, how, self.now);
        }
    }
}
