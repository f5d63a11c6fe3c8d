//! `up` and `create`: bring a stack to what its files say.
//!
//! First everything is read and decided ([`decide`], pure), so that what can't be done is refused before the first
//! service is touched. Then it is carried out: volumes, new services, links, the services' own members, upgrades
//! in waves, confirmation; and then the outcome is waited for.

mod body;
mod decide;
mod order;
mod rollback;

use std::collections::BTreeMap;

use drover_compose::{ServiceSpec, StackSpec};
use drover_core::{ServiceId, ServiceKind};

use crate::Program;
use crate::args::{Selected, Up};
use crate::client::nothing;
use crate::diff::{Difference, compare};
use crate::failure::Failure;
use crate::progress::{Event, Reporter};
use crate::pull;
use crate::session::{Session, list, members, service_number};
use crate::wait::{Goal, Wanted};
use crate::wire::ServiceView;
use decide::{Asked, Decision, Note, decide};

/// Everything that is known before the first change.
struct Plan {
    spec: StackSpec,
    /// In the order of the stack.
    chosen: Vec<Chosen>,
    /// On the server, but not in the files.
    strays: Vec<ServiceView>,
}

/// A service to be brought to what the files say.
struct Chosen {
    spec: ServiceSpec,
    /// What the server has of it, and what to do about that; none: it is to be created.
    held: Option<(ServiceView, Difference, Decision)>,
}

/// `up`.
pub(crate) async fn up(options: &Up, program: Program, reporter: &Reporter) -> Result<(), Failure> {
    let mut session = Session::begin(&options.selected.common, program, reporter).await?;
    if options.rollback {
        return rollback::rollback(&session, &options.selected.services).await;
    }
    let asked = Asked {
        upgrade: options.upgrade || options.force_upgrade,
        force: options.force_upgrade,
        confirm: options.confirm_upgrade,
        names: options.selected.services.clone(),
        program: program.name(),
    };
    let plan = Plan::make(&session, &asked).await?;
    plan.say(&session, &asked, options.prune);
    if options.dry_run {
        plan.say_what_would_be_done(&session, options.prune);
        return Ok(());
    }
    if options.pull {
        pull::pull_specs(&session, plan.replaced(), false).await?;
    }
    plan.carry_out(&mut session, options).await?;
    if program == Program::RancherCompose && !options.detach {
        // As Rancher's program does; only Ctrl-C ends it.
        return crate::logs::follow_all(&session, &options.selected.services).await;
    }
    Ok(())
}

/// `create`.
pub(crate) async fn create(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let mut session = Session::begin(&options.common, program, reporter).await?;
    let asked =
        Asked { names: options.services.clone(), program: program.name(), ..Asked::default() };
    let plan = Plan::make(&session, &asked).await?;
    let stack = session.make_stack().await?.id;
    create_volumes(&session, &plan.spec, &stack).await?;
    plan.create_missing(&session, &stack).await?;
    let views = session.services().await?;
    // Links in a second pass, so that services may link to each other.
    for chosen in plan.chosen.iter().filter(|chosen| chosen.held.is_none()) {
        set_links(&session, &chosen.spec, &views).await?;
    }
    if plan.chosen.iter().all(|chosen| chosen.held.is_some()) {
        reporter.tell(&Event::note("nothing to create: all services are there"));
    }
    Ok(())
}

impl Plan {
    async fn make(session: &Session<'_>, asked: &Asked) -> Result<Self, Failure> {
        let spec = session.project()?;
        let views = session.services().await?;
        let names = chosen_names(&spec, &asked.names).map_err(Failure::Failed)?;
        let is_there = |name: &str| view_of(&views, name).is_some();
        let names = order::with_missing_needs(&spec, &names, &is_there);
        let mut ids = session_ids(&views);
        add_other_stacks(session, &spec, &mut ids).await?;
        let find = |name: &str| ids.get(name).copied();
        let mut chosen = Vec::new();
        for spec in spec.services.iter().filter(|spec| names.contains(&spec.name)) {
            let held = match view_of(&views, &spec.name) {
                None => None,
                Some(view) => {
                    let difference = compare(spec, view, &find).map_err(|error| {
                        Failure::Failed(format!(
                            "{} can't be compared with the server: {error}",
                            spec.name
                        ))
                    })?;
                    let decision =
                        decide(spec, view, &difference, asked).map_err(Failure::Failed)?;
                    Some((view.clone(), difference, decision))
                }
            };
            chosen.push(Chosen { spec: spec.clone(), held });
        }
        let is_stray = |view: &&ServiceView| spec.service(&view.name).is_none();
        let strays = views.iter().filter(is_stray).cloned().collect();
        Ok(Self { spec, chosen, strays })
    }

    /// What there is to say before anything is done.
    fn say(&self, session: &Session<'_>, asked: &Asked, prune: bool) {
        for (_, _, decision) in self.chosen.iter().filter_map(|chosen| chosen.held.as_ref()) {
            for note in &decision.notes {
                session.reporter.tell(&match note {
                    Note::Info(text) => Event::note(text),
                    Note::Warning(text) => Event::warning(text),
                });
            }
        }
        if !prune && !self.strays.is_empty() && asked.names.is_empty() {
            let names: Vec<&str> = self.strays.iter().map(|view| view.name.as_str()).collect();
            session.reporter.tell(&Event::note(format!(
                "{} of the stack: not in the files, left alone; up --prune removes what is not in them",
                list(&names)
            )));
        }
        if asked.confirm {
            self.say_nothing_to_confirm(session);
        }
    }

    fn say_nothing_to_confirm(&self, session: &Session<'_>) {
        let held = || self.chosen.iter().filter_map(|chosen| chosen.held.as_ref());
        if held().any(|(_, _, decision)| decision.confirm) {
            return;
        }
        let states: Vec<String> =
            held().map(|(view, ..)| format!("{} is {}", view.name, view.state)).collect();
        let states = if states.is_empty() {
            "there is no service yet".to_owned()
        } else {
            states.join(", ")
        };
        session.reporter.tell(&Event::note(format!("nothing to confirm: {states}")));
    }

    fn say_what_would_be_done(&self, session: &Session<'_>, prune: bool) {
        let tell = |text: String| session.reporter.tell(&Event::note(text));
        for chosen in &self.chosen {
            let name = &chosen.spec.name;
            let Some((_, difference, decision)) = &chosen.held else {
                tell(format!("would create and start {name}"));
                continue;
            };
            if decision.finish_first {
                tell(format!("would confirm the upgrade of {name} that waits for a decision"));
            }
            if let Some(replace) = &decision.replace {
                let what = if replace.what.is_empty() { "forced" } else { &replace.what };
                tell(format!("would upgrade {name}: {what}"));
            }
            if decision.put {
                tell(format!(
                    "would change {name}, its containers untouched: {}",
                    difference.members()
                ));
            }
            if decision.activate {
                tell(format!("would start {name}"));
            }
            if decision.confirm {
                tell(format!("would confirm the upgrade of {name}"));
            }
        }
        for stray in self.strays.iter().filter(|_| prune) {
            tell(format!("would remove {}", stray.name));
        }
        self.say_if_nothing(session, prune, &[]);
    }

    /// Services that are as in the files, if that is all there is to say.
    fn say_if_nothing(&self, session: &Session<'_>, prune: bool, linked: &[String]) {
        let is_nothing = |chosen: &Chosen| {
            chosen.held.as_ref().is_some_and(|(_, _, decision)| decision.is_nothing())
        };
        let pruned = prune && !self.strays.is_empty();
        if pruned || !linked.is_empty() || !self.chosen.iter().all(is_nothing) {
            return;
        }
        let in_sync: Vec<&str> = self
            .chosen
            .iter()
            .filter(|chosen| {
                chosen.held.as_ref().is_some_and(|(_, difference, _)| !difference.needs_upgrade())
            })
            .map(|chosen| chosen.spec.name.as_str())
            .collect();
        let text = match in_sync.as_slice() {
            [] if self.chosen.is_empty() => "nothing to do: the files have no service".to_owned(),
            [] => return, // All are out of sync, and that was said.
            [one] => format!("nothing to do: {one} is as in the files"),
            all => format!("nothing to do: {} are as in the files", all.join(", ")),
        };
        session.reporter.tell(&Event::note(text));
    }

    /// The services whose images will be used anew.
    fn replaced(&self) -> Vec<ServiceSpec> {
        let is_new = |chosen: &&Chosen| match &chosen.held {
            None => true,
            Some((_, _, decision)) => decision.replace.is_some(),
        };
        self.chosen.iter().filter(is_new).map(|chosen| chosen.spec.clone()).collect()
    }

    async fn carry_out(&self, session: &mut Session<'_>, options: &Up) -> Result<(), Failure> {
        let stack = session.make_stack().await?.id;
        create_volumes(session, &self.spec, &stack).await?;
        self.create_missing(session, &stack).await?;
        let views = session.services().await?;
        let mut linked = Vec::new();
        for chosen in &self.chosen {
            if set_links(session, &chosen.spec, &views).await? {
                linked.push(chosen.spec.name.clone());
            }
        }
        self.put_members(session, &views).await?;
        self.activate(session).await?;
        if options.prune {
            self.prune(session).await?;
        }
        self.say_if_nothing(session, options.prune, &linked);
        self.upgrade(session, options).await?;
        self.confirm(session).await?;
        self.wait_until_running(session, &views).await
    }

    async fn create_missing(&self, session: &Session<'_>, stack: &str) -> Result<(), Failure> {
        let mut ids = session_ids(&session.services().await?);
        add_other_stacks(session, &self.spec, &mut ids).await?;
        for Chosen { spec, .. } in self.chosen.iter().filter(|chosen| chosen.held.is_none()) {
            let missing = unknown_targets(spec, &ids);
            if !missing.is_empty() {
                return Err(Failure::Failed(format!(
                    "{} sends requests to {}, which is not there: create it first, or correct the rule",
                    spec.name,
                    missing.join(", ")
                )));
            }
            if spec.scale_policy.is_some() {
                session.reporter.tell(&Event::warning(format!(
                    "{}: scale_policy has no effect yet; it runs at its scale",
                    spec.name
                )));
            }
            session.reporter.tell(&Event::step(&spec.name, "create", "creating"));
            let body = body::service(spec, stack, &|name| ids.get(name).copied());
            let doing = format!("create service {}", spec.name);
            let made = session.client.create(&doing, body::collection(spec.kind), &body).await?;
            if let Some(id) = service_number(&ServiceView::read(&made)) {
                ids.insert(spec.name.clone(), id);
            }
        }
        Ok(())
    }

    /// Members of the service itself; containers are not touched.
    async fn put_members(
        &self,
        session: &Session<'_>,
        views: &[ServiceView],
    ) -> Result<(), Failure> {
        let mut ids = session_ids(views);
        add_other_stacks(session, &self.spec, &mut ids).await?;
        for chosen in &self.chosen {
            let Some((view, _, Decision { put: true, .. })) = &chosen.held else { continue };
            // Compared again: a balancer's new target has an id only now.
            let find = |name: &str| ids.get(name).copied();
            let difference = compare(&chosen.spec, view, &find)
                .map_err(|error| Failure::Failed(error.to_string()))?;
            let missing = unknown_targets(&chosen.spec, &ids);
            if !missing.is_empty() {
                let why = format!(
                    "{} sends requests to {}, which is not there",
                    view.name,
                    missing.join(", ")
                );
                return Err(Failure::Failed(why));
            }
            let what = format!("changing {}", difference.members());
            session.reporter.tell(&Event::step(&view.name, "update", what));
            let doing = format!("change {}", view.name);
            let path = format!("services/{}", view.id);
            session.client.update(&doing, &path, &difference.fields.into()).await?;
        }
        Ok(())
    }

    /// Start what is created or stopped. In the stack's order, but without waiting in between: a container that
    /// needs another one is restarted until it is there.
    async fn activate(&self, session: &Session<'_>) -> Result<(), Failure> {
        let is_wanted = |chosen: &&Chosen| match &chosen.held {
            None => true,
            Some((_, _, decision)) => decision.activate,
        };
        let names: Vec<&str> =
            self.chosen.iter().filter(is_wanted).map(|chosen| chosen.spec.name.as_str()).collect();
        let views = session.registered(&names).await?;
        for view in names.iter().filter_map(|name| view_of(&views, name)) {
            // An alias is where it is wanted at once, and may be on already.
            if view.state == "active" {
                continue;
            }
            session.reporter.tell(&Event::step(&view.name, "activate", "starting"));
            act(session, view, "activate", &format!("start {}", view.name)).await?;
        }
        Ok(())
    }

    async fn prune(&self, session: &Session<'_>) -> Result<(), Failure> {
        for stray in &self.strays {
            session.reporter.tell(&Event::step(
                &stray.name,
                "remove",
                "removing, not in the files",
            ));
            let doing = format!("remove {}", stray.name);
            session.client.delete(&doing, &format!("services/{}", stray.id)).await?;
        }
        let wanted = self.strays.iter().map(|view| wanted(view, Goal::Removed)).collect();
        session.wait(wanted).await
    }

    /// Replace containers: services that others need first, and the others when those are through.
    async fn upgrade(&self, session: &Session<'_>, options: &Up) -> Result<(), Failure> {
        self.watch(session).await?;
        let to_upgrade: Vec<String> = self
            .chosen
            .iter()
            .filter(|chosen| matches!(&chosen.held, Some((_, _, d)) if d.replace.is_some()))
            .map(|chosen| chosen.spec.name.clone())
            .collect();
        if to_upgrade.is_empty() {
            return Ok(());
        }
        let mut through: Vec<String> = Vec::new();
        for wave in order::waves(&self.spec, &to_upgrade) {
            if let Err(failure) = self.upgrade_wave(session, options, &wave).await {
                return Err(say_partial(failure, &through));
            }
            through.extend(wave);
        }
        Ok(())
    }

    async fn upgrade_wave(
        &self,
        session: &Session<'_>,
        options: &Up,
        wave: &[String],
    ) -> Result<(), Failure> {
        let of_wave = || self.chosen.iter().filter(|chosen| wave.contains(&chosen.spec.name));
        let held = || of_wave().filter_map(|c| c.held.as_ref().map(|held| (&c.spec, held)));
        let mut finishing = Vec::new();
        for (_, (view, _, decision)) in held() {
            if decision.finish_first {
                session.reporter.tell(&Event::step(
                    &view.name,
                    "confirm",
                    "confirming its last upgrade",
                ));
                act(
                    session,
                    view,
                    "finishupgrade",
                    &format!("confirm the upgrade of {}", view.name),
                )
                .await?;
                finishing.push(wanted(view, Goal::Finished));
            }
        }
        session.wait(finishing).await?;
        let mut upgrading = Vec::new();
        for (spec, (view, _, decision)) in held() {
            let Some(replace) = &decision.replace else { continue };
            let what = if replace.what.is_empty() { "as asked" } else { &replace.what };
            session.reporter.tell(&Event::step(
                &spec.name,
                "upgrade",
                format!("upgrading: {what}"),
            ));
            let body = body::upgrade(spec, replace, options.batch_size, options.interval);
            let (doing, path) = (format!("upgrade {}", spec.name), format!("services/{}", view.id));
            session.client.act(&doing, &path, "upgrade", &body).await?;
            upgrading.push(wanted(view, Goal::Upgraded));
        }
        session.wait(upgrading).await
    }

    /// Upgrades that are under way already, by an earlier run of this command.
    async fn watch(&self, session: &Session<'_>) -> Result<(), Failure> {
        let mut watched = Vec::new();
        for (view, _, decision) in self.chosen.iter().filter_map(|chosen| chosen.held.as_ref()) {
            if decision.resume {
                session.reporter.tell(&Event::step(
                    &view.name,
                    "continue",
                    "going on with its upgrade",
                ));
                act(
                    session,
                    view,
                    "continueupgrade",
                    &format!("go on with the upgrade of {}", view.name),
                )
                .await?;
            }
            if decision.resume || decision.watch {
                watched.push(wanted(view, Goal::Upgraded));
            }
        }
        session.wait(watched).await
    }

    async fn confirm(&self, session: &Session<'_>) -> Result<(), Failure> {
        let mut finishing = Vec::new();
        for (view, _, decision) in self.chosen.iter().filter_map(|chosen| chosen.held.as_ref()) {
            if decision.confirm {
                session.reporter.tell(&Event::step(
                    &view.name,
                    "confirm",
                    "confirming its upgrade",
                ));
                act(
                    session,
                    view,
                    "finishupgrade",
                    &format!("confirm the upgrade of {}", view.name),
                )
                .await?;
                finishing.push(wanted(view, Goal::Finished));
            }
        }
        session.wait(finishing).await
    }

    /// At the end everything runs, what was not touched too: a stack that does not run is no success.
    async fn wait_until_running(
        &self,
        session: &Session<'_>,
        views: &[ServiceView],
    ) -> Result<(), Failure> {
        let is_unsettled = |chosen: &&Chosen| match &chosen.held {
            None => true,
            Some((view, _, decision)) => {
                decision.activate || view.state != "active" || view.transitioning != "no"
            }
        };
        let upgraded = |chosen: &&Chosen| matches!(&chosen.held, Some((_, _, d)) if d.replace.is_some() || d.watch || d.resume || d.confirm);
        let wait_for =
            self.chosen.iter().filter(|chosen| is_unsettled(chosen) && !upgraded(chosen));
        let found = wait_for.filter_map(|chosen| view_of(views, &chosen.spec.name));
        session.wait(found.map(|view| wanted(view, Goal::Running)).collect()).await
    }
}

/// The services meant on the command line; a sidekick's name means the service it belongs to.
fn chosen_names(spec: &StackSpec, names: &[String]) -> Result<Vec<String>, String> {
    if names.is_empty() {
        return Ok(spec.services.iter().map(|service| service.name.clone()).collect());
    }
    let members = members(spec);
    let owner = |name: &String| {
        let found = members.iter().find(|(primary, kicks)| primary == name || kicks.contains(name));
        found.map(|(primary, _)| primary.clone()).ok_or_else(|| {
            let all: Vec<&str> = members.iter().map(|(primary, _)| primary.as_str()).collect();
            format!("No such service: {name}; the files have {}", list(&all))
        })
    };
    names.iter().map(owner).collect()
}

/// Write a service's links where they differ. Links of balancers and external services are their rules' affair.
async fn set_links(
    session: &Session<'_>,
    spec: &ServiceSpec,
    views: &[ServiceView],
) -> Result<bool, Failure> {
    let has_links = matches!(spec.kind, ServiceKind::Containers | ServiceKind::Alias);
    let Some(view) = view_of(views, &spec.name).filter(|_| has_links) else { return Ok(false) };
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    for link in &spec.links {
        let target = match &link.stack {
            None => view_of(views, &link.service).map(|target| target.id.clone()),
            Some(stack) => find_in(session, stack, &link.service).await?.map(|target| target.id),
        };
        match target {
            Some(id) => {
                links.insert(body::link_name(link).to_owned(), id);
            }
            None => session.reporter.tell(&Event::warning(format!(
                "{} links to {}, which is not there; the link is left out",
                spec.name, link.service
            ))),
        }
    }
    if links == view.linked {
        return Ok(false);
    }
    let links: Vec<(String, String)> = links.into_iter().collect();
    let (doing, path) =
        (format!("set the links of {}", spec.name), format!("services/{}", view.id));
    session.client.act(&doing, &path, "setservicelinks", &body::links(&links)).await?;
    Ok(true)
}

async fn create_volumes(
    session: &Session<'_>,
    spec: &StackSpec,
    stack: &str,
) -> Result<(), Failure> {
    if spec.volumes.is_empty() {
        return Ok(());
    }
    let doing = "list the volumes of the stack";
    let held = session.client.list(doing, "volumetemplates", &[("stackId", stack)]).await?;
    for (name, volume) in &spec.volumes {
        let found = held.iter().find(|row| row["name"] == name.as_str());
        let Some(found) = found else {
            session.reporter.tell(&Event::general("create", format!("creating volume {name}")));
            let doing = format!("create volume {name}");
            let body = body::volume(name, volume, stack);
            session.client.create(&doing, "volumetemplates", &body).await?;
            continue;
        };
        let driver = found["driver"].as_str().filter(|d| !d.is_empty()).unwrap_or("local");
        let wanted = if volume.driver.is_empty() { "local" } else { &volume.driver };
        if driver != wanted {
            return Err(Failure::Failed(format!(
                "volume {name} has driver {driver} on the server and {wanted} in the files, and a volume's driver \
                 can't change: give it another name"
            )));
        }
    }
    Ok(())
}

/// Ids by the names that rules use.
fn session_ids(views: &[ServiceView]) -> BTreeMap<String, ServiceId> {
    let pair = |view: &ServiceView| Some((view.name.clone(), service_number(view)?));
    views.iter().filter_map(pair).collect()
}

/// The same for the services of other stacks that rules name, as `stack/service`.
async fn add_other_stacks(
    session: &Session<'_>,
    spec: &StackSpec,
    ids: &mut BTreeMap<String, ServiceId>,
) -> Result<(), Failure> {
    let rules = spec.services.iter().flat_map(|s| s.balancer.iter()).flat_map(|b| &b.rules);
    for target in rules.filter_map(|rule| rule.service.as_deref()) {
        let Some((stack, service)) = target.split_once('/') else { continue };
        if ids.contains_key(target) {
            continue;
        }
        let found = find_in(session, stack, service).await?;
        if let Some(id) = found.as_ref().and_then(service_number) {
            ids.insert(target.to_owned(), id);
        }
    }
    Ok(())
}

async fn find_in(
    session: &Session<'_>,
    stack: &str,
    service: &str,
) -> Result<Option<ServiceView>, Failure> {
    let Some(stack) = session.find_stack(stack).await? else { return Ok(None) };
    let views = session.services_of(&stack.id).await?;
    Ok(view_of(&views, service).cloned())
}

fn unknown_targets(spec: &ServiceSpec, ids: &BTreeMap<String, ServiceId>) -> Vec<String> {
    let rules = spec.balancer.iter().flat_map(|balancer| &balancer.rules);
    let targets = rules.filter_map(|rule| rule.service.clone());
    targets.filter(|target| !ids.contains_key(target)).collect()
}

fn view_of<'a>(views: &'a [ServiceView], name: &str) -> Option<&'a ServiceView> {
    views.iter().find(|view| view.name.eq_ignore_ascii_case(name))
}

/// An action without input.
async fn act(
    session: &Session<'_>,
    view: &ServiceView,
    action: &str,
    doing: &str,
) -> Result<(), Failure> {
    session.client.act(doing, &format!("services/{}", view.id), action, &nothing()).await?;
    Ok(())
}

fn wanted(view: &ServiceView, goal: Goal) -> Wanted {
    Wanted { id: view.id.clone(), name: view.name.clone(), goal }
}

/// A failure after others went well says so: nobody must guess what state the stack is in.
fn say_partial(failure: Failure, through: &[String]) -> Failure {
    let names: Vec<&str> = through.iter().map(String::as_str).collect();
    match (failure, names.as_slice()) {
        (failure, []) => failure,
        (Failure::Failed(why), names) => {
            Failure::Failed(format!("{why}. Upgraded before that: {}", list(names)))
        }
        (Failure::Call(error), names) => {
            Failure::Failed(format!("{error}. Upgraded before that: {}", list(names)))
        }
        (failure, _) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_command_line() {
        let mut web = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
        web.template.sidekicks.insert("log".into(), drover_core::ContainerSpec::default());
        let db = ServiceSpec { name: "db".into(), ..ServiceSpec::default() };
        let stack = StackSpec { services: vec![db, web], ..StackSpec::default() };
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen_names(&stack, &names)
        };
        assert_eq!(names(&[]), Ok(vec!["db".into(), "web".into()]));
        assert_eq!(names(&["log"]), Ok(vec!["web".into()]));
        assert_eq!(names(&["x"]), Err("No such service: x; the files have db and web".into()));
    }

    #[test]
    fn a_failure_in_the_middle_says_what_went_before() {
        let failed = || Failure::Failed("web: no".into());
        assert_eq!(say_partial(failed(), &[]).to_string(), "web: no");
        let said = say_partial(failed(), &["db".into(), "cache".into()]).to_string();
        assert_eq!(said, "web: no. Upgraded before that: db and cache");
    }
}
