//! Scripts in the product's own words, with the output they shall have: `scenarios/*.txt`.
//!
//! A line beginning with `>` is a command; the lines that follow, up to the next command, comment or empty line,
//! are what it prints. `#` begins a comment. Run with `UPDATE_SCENARIOS=1`, the files are written anew.
//!
//! `host add NAME [label=value…]` · `service NAME image=… [scale=N] [policy=MIN-MAX/STEP] [port=…] [label=K=V] [volume=data:/path] [global]
//! [once] [check]` · `upgrade NAME image=… [batch=N] [interval=MS] [port=…] [start_first] [on_failure=pause|rollback]
//! [max_failures=N] [deadline=TIME] [verify=TIME] [try_stop] [finish=auto]` · `shift FROM TO [scale=N]
//! [batch=N] [interval=MS]` · `balancer NAME TARGET… [scale=N]` · `rollback|finish|cancel|continue|
//! restart|start|stop|rm NAME` · `scale NAME N` · `crash|hang|remove CONTAINER` · `break|mend HOST HOST` · `blind|sight HOST` ·
//! `cut|heal|kill|boot|activate|deactivate|evacuate HOST` · `rebalance [plan|off]` · `server crash|start N` · `run TIME` · `show`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drover_core::plan::plan;
use drover_core::{
    Change, ContainerSpec, Desired, FinishPolicy, HealthCheck, HostId, OnFailure, ScalePolicy,
    Scope, Service, Template, Unit, UpgradePhase, UpgradePolicy, Verify, Wanted, derive,
};

use crate::cluster::Cluster;
use crate::user::{self, Pace};

/// A script that can't be run: which line, and why.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: `{command}`: {why}")]
pub struct BadScript {
    /// Number of the line.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What is wrong with it.
    pub why: String,
}

/// Run a script; returns it with what its commands print now.
pub fn run(script: &str) -> Result<String, BadScript> {
    let mut stage = Stage::new();
    let mut out = String::new();
    for (number, line) in (1..).zip(script.lines()) {
        if let Some(command) = line.strip_prefix("> ") {
            let printed = stage.command(command).map_err(|why| BadScript {
                line: number,
                command: command.to_owned(),
                why,
            })?;
            let _ = writeln!(out, "{line}");
            out.push_str(&printed);
        } else if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(out, "{line}");
        }
    }
    Ok(out)
}

struct Stage {
    cluster: Cluster,
    hosts: BTreeMap<String, HostId>,
}

type Printed = Result<String, String>;

impl Stage {
    fn new() -> Self {
        let mut cluster = Cluster::new(7, 2, None);
        let now = cluster.now;
        cluster.ask(&user::found(now));
        Self { cluster, hosts: BTreeMap::new() }
    }

    fn command(&mut self, command: &str) -> Printed {
        let words: Vec<&str> = command.split_whitespace().collect();
        let printed = match words.as_slice() {
            ["host", "add", name, labels @ ..] => self.add_host(name, labels),
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
            ["server", "crash", n] => {
                self.cluster.crash_server(n.parse().map_err(|_| "which server?")?);
                Ok(String::new())
            }
            ["server", "start", n] => {
                self.cluster.start_server(n.parse().map_err(|_| "which server?")?);
                Ok(String::new())
            }
            ["run", time] => {
                self.cluster.run(milliseconds(time)?);
                Ok(String::new())
            }
            ["show"] => Ok(self.show()),
            _ => Err("no such command".to_owned()),
        }?;
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

    fn create(&mut self, name: &str, words: &[&str]) -> Printed {
        let (template, options) = template(words)?;
        let scale = option(&options, "scale", 1)?;
        let world = &self.cluster.database.world;
        let mut changes = user::create(world, name, scale, template, self.cluster.now);
        if let Some(policy) = options.get("policy") {
            user::found_out(&mut changes, policy_of(policy)?);
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

    fn service(&self, name: &str) -> Result<Service, String> {
        let services = self.cluster.database.world.services.values();
        let mut found = services.filter(|s| s.name == name && s.wanted != Wanted::Removed);
        found.next().map(|s| (**s).clone()).ok_or_else(|| format!("no service {name}"))
    }

    /// Every service with its units, and what is said of them.
    fn show(&self) -> String {
        let world = &self.cluster.database.world;
        let notes = plan(world, &Scope::everything(), self.cluster.now).notes;
        let mut out = String::new();
        for host in world.hosts.values() {
            let left = derive::evacuation(world, host.id);
            let left = left.map(|left| (left.left.is_empty(), left.words(world)));
            match left {
                Some((true, _)) => {
                    let _ = writeln!(out, "  {}: empty", host.shown_name());
                }
                Some((false, words)) => {
                    let _ = writeln!(out, "  {}: {words}", host.shown_name());
                }
                None => {}
            }
        }
        for service in world.services.values() {
            let upgrade = world.upgrade(service.id).map(|u| format!(", {:?}", u.phase));
            let wanted = format!("{:?}", service.wanted).to_lowercase();
            let arrived =
                if service.settled == Some(service.wanted) { "" } else { " (on its way)" };
            let phase = upgrade.unwrap_or_default().to_lowercase();
            let _ = writeln!(out, "  {}: {wanted}{arrived}{phase}", service.name);
            for unit in world.units_of(service.id) {
                let _ = writeln!(out, "    {}", self.line(unit));
            }
            for note in notes.iter().filter(|n| n.service == service.id) {
                let mark = if note.stuck { "!" } else { "-" };
                let _ = writeln!(out, "    {mark} {}", note.text);
            }
        }
        out
    }

    fn line(&self, unit: &Unit) -> String {
        let world = &self.cluster.database.world;
        let host = world.host(unit.host).map_or("?", |h| h.shown_name());
        let template = world.template(unit.key.service, unit.key.revision);
        let image = template.map_or("?", |t| t.primary.image.as_str());
        let state = match unit.desired {
            Desired::Running if derive::is_serving(world, unit) => "serving",
            Desired::Running => "to run",
            Desired::Draining => "draining",
            Desired::Staged => "ready to start",
            Desired::Stopped => "stopped",
            Desired::Removed => "going",
        };
        let again = match unit.key.incarnation {
            1 => String::new(),
            n => format!(", {n}. time"),
        };
        format!("{} on {host}: {image} {state}{again}", unit.key.slot)
    }
}

fn template(words: &[&str]) -> Result<(Template, BTreeMap<String, String>), String> {
    let mut primary = ContainerSpec::default();
    let mut options = BTreeMap::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "image" => value.clone_into(&mut primary.image),
            "port" => primary.ports.push(value.parse().map_err(|e| format!("{e}"))?),
            "volume" => primary.volumes.push(value.to_owned()),
            "label" => primary.labels.extend([pair(value)?]),
            "global" => {
                primary.labels.insert(drover_core::label::GLOBAL.to_owned(), "true".to_owned());
            }
            "check" => {
                let check = HealthCheck { port: 80, ..HealthCheck::default() };
                primary.health_check = Some(check);
            }
            "once" => {
                primary.labels.insert(drover_core::label::START_ONCE.to_owned(), "true".to_owned());
            }
            _ => {
                options.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    Ok((Template { primary, ..Template::default() }, options))
}

/// What an upgrade decides by itself.
fn policy(options: &BTreeMap<String, String>) -> Result<UpgradePolicy, String> {
    let time = |key: &str| options.get(key).map(|text| milliseconds(text)).transpose();
    let is = |key: &str, word: &str| options.get(key).is_some_and(|said| said == word);
    let on_failure = match options.get("on_failure").map(String::as_str) {
        None | Some("retry") => OnFailure::Retry,
        Some("pause") => OnFailure::Pause,
        Some("rollback") => OnFailure::Rollback,
        Some(other) => return Err(format!("on_failure is {other}, not retry, pause or rollback")),
    };
    Ok(UpgradePolicy {
        on_failure,
        max_failures: option(options, "max_failures", drover_core::MAX_FAILURES).map(Some)?,
        deadline_ms: time("deadline")?,
        verify: Verify {
            for_ms: time("verify")?,
            stop: options.contains_key("try_stop"),
            ..Verify::default()
        },
        finish: if is("finish", "auto") { FinishPolicy::Auto } else { FinishPolicy::Manual },
        ..UpgradePolicy::default()
    })
}

fn option<T: std::str::FromStr>(
    options: &BTreeMap<String, String>,
    key: &str,
    default: T,
) -> Result<T, String> {
    match options.get(key) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{key} needs a number, not `{text}`")),
    }
}

/// `1-5/2`: from 1 to 5 by 2.
fn policy_of(text: &str) -> Result<ScalePolicy, String> {
    let numbers: Vec<u32> = text.split(['-', '/']).filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [min, max, increment] => Ok(ScalePolicy { min: *min, max: *max, increment: *increment }),
        _ => Err(format!("`{text}` is not MIN-MAX/STEP")),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text
        .strip_suffix("ms")
        .map_or_else(|| (text.trim_end_matches('s'), 1_000), |number| (number, 1));
    number.parse::<u64>().map(|n| n * unit).map_err(|_| format!("`{text}` is not a time"))
}
