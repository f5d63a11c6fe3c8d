//! The cluster of a script, and its commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drover_core::{Change, DependsOn, HostId, Service, UpgradePhase, Wanted};

use super::counts::Counts;
use super::words::{condition, milliseconds, option, pair, policy, policy_of, template};
use crate::cluster::Cluster;
use crate::user::{self, Pace};

/// What a script acts on.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    hosts: BTreeMap<String, HostId>,
    counts: Counts,
}

/// What a command prints, or why it can't be carried out.
pub(super) type Printed = Result<String, String>;

impl Stage {
    /// Two servers, no hosts yet.
    pub(super) fn new() -> Self {
        let mut cluster = Cluster::new(7, 2, None);
        let now = cluster.now;
        cluster.ask(&user::found(now));
        Self { cluster, hosts: BTreeMap::new(), counts: Counts::default() }
    }

    /// Carry out a command.
    pub(super) fn command(&mut self, command: &str) -> Printed {
        let words: Vec<&str> = command.split_whitespace().collect();
        let printed = match words.as_slice() {
            ["host", "add", name, labels @ ..] => self.add_host(name, labels),
            ["hosts", count] => self.add_hosts(count),
            ["judge", "rests"] => {
                self.cluster.database.judges_steps = false;
                Ok(String::new())
            }
            ["service", name, rest @ ..] => self.create(name, rest),
            ["upgrade", name, rest @ ..] => self.upgrade(name, rest),
            ["shift", from, to, rest @ ..] => self.shift(from, to, rest),
            ["balancer", name, rest @ ..] => self.balance(name, rest),
            ["rollback", name] => self.steer(name, UpgradePhase::RollingBack),
            ["finish", name] => self.steer(name, UpgradePhase::Finishing),
            ["cancel", name] => self.steer(name, UpgradePhase::Canceling),
            ["continue", name] => self.steer(name, UpgradePhase::Upgrading),
            ["restart", name] => {
                let change = user::restart(&self.cluster.database.world, &self.service(name)?, 1);
                self.ask(&[change])
            }
            ["start", name] => self.edit(name, |s| s.wanted = Wanted::Active),
            ["stop", name] => self.edit(name, |s| s.wanted = Wanted::Inactive),
            ["rm", name] => self.edit(name, |s| s.wanted = Wanted::Removed),
            ["scale", name, n] => {
                let n = n.parse().map_err(|_| "scale needs a number")?;
                self.edit(name, |s| s.scale = n)
            }
            ["crash", container] => {
                self.hurt(container, |engine, name, now| engine.end(name, 137, now))
            }
            ["hang", container] => self.hurt(container, |engine, name, _| engine.hang(name)),
            ["break", one, other] => self.way(one, other, Cluster::break_way),
            ["mend", one, other] => self.way(one, other, Cluster::mend_way),
            ["blind", host] => self.with_host(host, |c, id| c.blind(id, true)),
            ["sight", host] => self.with_host(host, |c, id| c.blind(id, false)),
            ["remove", container] => self.hurt(container, |engine, name, _| engine.remove(name)),
            ["cut", host] => self.with_host(host, Cluster::cut),
            ["pull", host] => self.with_host(host, Cluster::pull),
            ["heal", host] => self.with_host(host, Cluster::heal),
            ["kill", host] => self.with_host(host, |c, id| c.power(id, false)),
            ["boot", host] => self.with_host(host, |c, id| c.power(id, true)),
            ["activate", host] => self.switch_host(host, true),
            ["deactivate", host] => self.switch_host(host, false),
            ["evacuate", host] => self.evacuate(host),
            ["rebalance"] => self.rebalance(true),
            ["rebalance", "plan"] => self.rebalance(false),
            ["rebalance", "off"] => {
                let changes = user::call_off(&self.cluster.database.world);
                self.ask(&changes)
            }
            ["agent", "restart", host] => self.with_host(host, Cluster::restart_agent),
            ["server", "crash", n] => {
                self.cluster.crash_server(n.parse().map_err(|_| "which server?")?);
                Ok(String::new())
            }
            ["server", "start", n] => {
                self.cluster.start_server(n.parse().map_err(|_| "which server?")?);
                Ok(String::new())
            }
            ["run", time] => {
                self.counts.run(&mut self.cluster, milliseconds(time)?);
                Ok(String::new())
            }
            ["show"] => Ok(self.show()),
            ["targets", name] => self.targets(name),
            ["addresses", name] => self.addresses(name),
            ["clients", every] => {
                let every = milliseconds(every)?;
                self.cluster.weather.request_ms = (every, every);
                self.counts.requests(&self.cluster);
                Ok(String::new())
            }
            ["requests"] => Ok(self.counts.requests(&self.cluster)),
            ["watch", name] => {
                let service = self.service(name)?;
                self.counts.watch(&self.cluster, &service);
                self.counts.churn(&self.cluster);
                Ok(String::new())
            }
            ["lowest"] => Ok(self.counts.lowest(&self.cluster)),
            ["churn"] => Ok(self.counts.churn(&self.cluster)),
            _ => Err("no such command".to_owned()),
        }?;
        if !self.cluster.database.judges_steps {
            self.cluster.database.judge(self.cluster.now);
        }
        match self.cluster.database.violations.first() {
            None => Ok(printed),
            Some((_, violation)) => Err(format!("a rule is broken: {violation}")),
        }
    }

    fn add_host(&mut self, name: &str, labels: &[&str]) -> Printed {
        let id = HostId(self.cluster.database.world.next_id);
        let labels = labels.iter().map(|l| pair(l)).collect::<Result<_, _>>()?;
        let change = user::register(id, name, labels, self.cluster.now);
        self.hosts.insert(name.to_owned(), id);
        self.ask(&[change])?;
        self.cluster.add_node(id);
        Ok(String::new())
    }

    fn add_hosts(&mut self, count: &str) -> Printed {
        let count: u32 = count.parse().map_err(|_| "how many hosts?")?;
        (1..=count).map(|number| self.add_host(&format!("h{number}"), &[])).collect()
    }

    fn create(&mut self, name: &str, words: &[&str]) -> Printed {
        let (template, options) = template(words)?;
        let scale = option(&options, "scale", 1)?;
        let world = &self.cluster.database.world;
        let mut changes = user::create(world, name, scale, template, self.cluster.now);
        if let Some(policy) = options.get("policy") {
            user::found_out(&mut changes, policy_of(policy)?);
        }
        if let Some(needed) = options.get("after") {
            let (name, condition) = condition(needed)?;
            let service = self.service(&name)?.id;
            user::depend(&mut changes, DependsOn { service, condition });
        }
        self.ask(&changes)
    }

    fn upgrade(&mut self, name: &str, words: &[&str]) -> Printed {
        let (template, options) = template(words)?;
        let pace = Pace {
            batch_size: option(&options, "batch", 1)?,
            interval_ms: option(&options, "interval", 2_000)?,
            start_first: options.contains_key("start_first"),
            policy: policy(&options)?,
        };
        let service = self.service(name)?;
        let world = &self.cluster.database.world;
        match user::upgrade(world, &service, template, pace, self.cluster.now) {
            Ok(changes) => self.ask(&changes),
            Err(refused) => Ok(format!("refused: {refused}\n")),
        }
    }

    fn shift(&mut self, from: &str, to: &str, words: &[&str]) -> Printed {
        let (_, options) = template(words)?;
        let pace = Pace {
            batch_size: option(&options, "batch", 1)?,
            interval_ms: option(&options, "interval", 2_000)?,
            start_first: false,
            policy: policy(&options)?,
        };
        let (source, target) = (self.service(from)?, self.service(to)?);
        let goal = option(&options, "scale", source.scale)?;
        let world = &self.cluster.database.world;
        match user::shift(world, source.id, target.id, goal, pace, self.cluster.now) {
            Ok(changes) => self.ask(&changes),
            Err(refused) => Ok(format!("refused: {refused}\n")),
        }
    }

    fn balance(&mut self, name: &str, words: &[&str]) -> Printed {
        let (options, targets): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| word.contains('='));
        let (_, options) = template(&options)?;
        let targets = targets.into_iter().map(|name| Ok(self.service(name)?.id));
        let targets = targets.collect::<Result<Vec<_>, String>>()?;
        let scale = option(&options, "scale", 1)?;
        let world = &self.cluster.database.world;
        let changes = user::balance(world, name, scale, &targets, self.cluster.now);
        self.ask(&changes)
    }

    fn steer(&mut self, name: &str, phase: UpgradePhase) -> Printed {
        let service = self.service(name)?;
        match user::steer(&self.cluster.database.world, service.id, phase, self.cluster.now) {
            Some(change) => self.ask(&[change]),
            None => Ok("refused: its upgrade is not in a state for that\n".to_owned()),
        }
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Service)) -> Printed {
        let change = user::edit(&self.service(name)?, edit);
        self.ask(&[change])
    }

    fn switch_host(&mut self, name: &str, active: bool) -> Printed {
        let id = *self.hosts.get(name).ok_or("no such host")?;
        self.ask(&user::switch(&self.cluster.database.world, id, active))
    }

    fn evacuate(&mut self, name: &str) -> Printed {
        let id = *self.hosts.get(name).ok_or("no such host")?;
        match user::evacuate(&self.cluster.database.world, id, self.cluster.now) {
            Ok(changes) => self.ask(&changes),
            Err(refused) => Ok(format!("refused: {refused}\n")),
        }
    }

    /// The plan in words; with `is_wanted`, it is asked for too.
    fn rebalance(&mut self, is_wanted: bool) -> Printed {
        let world = &self.cluster.database.world;
        let (found, changes) = user::rebalance(world, &[]);
        let host = |id| world.host(id).map_or("?", |host| host.shown_name());
        let mut out = String::new();
        for held in &found.moves {
            let service = world.service(held.unit.service).map_or("?", |s| s.name.as_str());
            let (from, to) = (host(held.from), host(held.to));
            let _ = writeln!(out, "  {service} {}: {from} to {to}: {}", held.unit.slot, held.why);
        }
        for held in &found.held {
            let _ = writeln!(out, "  - {held}");
        }
        if found.moves.is_empty() {
            out.push_str("  nothing to move\n");
        }
        if is_wanted && !changes.is_empty() {
            self.ask(&changes)?;
        }
        Ok(out)
    }

    fn ask(&mut self, changes: &[Change]) -> Printed {
        if self.cluster.ask(changes) { Ok(String::new()) } else { Err("refused".to_owned()) }
    }

    fn with_host(&mut self, name: &str, act: impl FnOnce(&mut Cluster, HostId)) -> Printed {
        let id = *self.hosts.get(name).ok_or("no such host")?;
        act(&mut self.cluster, id);
        Ok(String::new())
    }

    fn way(&mut self, one: &str, other: &str, act: fn(&mut Cluster, HostId, HostId)) -> Printed {
        let [one, other] = [one, other].map(|name| self.hosts.get(name).copied());
        let (one, other) = one.zip(other).ok_or("no such host")?;
        act(&mut self.cluster, one, other);
        Ok(String::new())
    }

    fn hurt(
        &mut self,
        container: &str,
        act: impl FnOnce(&mut crate::engine::Engine, &str, drover_core::Time),
    ) -> Printed {
        let now = self.cluster.now;
        let prefix = format!("r-{container}-");
        let is_it = |name: &&String| {
            name.strip_prefix(&prefix).is_some_and(|serial| serial.parse::<u64>().is_ok())
        };
        for (&host, node) in &mut self.cluster.nodes {
            let running = node.engine.containers.iter().filter(|(_, c)| c.running_since.is_some());
            let found = running.map(|(name, _)| name).find(is_it).cloned();
            if let Some(name) = found {
                act(&mut node.engine, &name, now);
                self.cluster.touch(host);
                return Ok(String::new());
            }
        }
        Err("no such container runs".to_owned())
    }

    /// The service of that name.
    pub(super) fn service(&self, name: &str) -> Result<Service, String> {
        let services = self.cluster.database.world.services.values();
        let mut found = services.filter(|s| s.name == name && s.wanted != Wanted::Removed);
        found.next().map(|s| (**s).clone()).ok_or_else(|| format!("no service {name}"))
    }
}
