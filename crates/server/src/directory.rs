//! What hosts' name services are told: for each project the facts as of the newest snapshot, worked out once for
//! all of its hosts, and what changed since as one frame for all of them.
//!
//! Not in the sessions' own loops: a session may wait for the database with a report in its hands, and a unit that
//! is withdrawn must be out of every host's names at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::ws::Message;
use drover_core::protocol::FromServer;
use drover_core::{Discovery, DiscoveryUpdate, HostId, ProjectId, World, derive};
use drover_store::{Store, Update};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::link::{Gone, Link, text};
use crate::lock::lock;
use crate::server::Server;

/// Frames kept for a host that is slow to take them; past that it is told everything anew.
const KEPT: usize = 64;

/// The facts of every project that has connected hosts.
#[derive(Default)]
pub(crate) struct Directory {
    told: Mutex<BTreeMap<ProjectId, Told>>,
}

/// What the hosts of one project know.
struct Told {
    /// Version of the snapshot it is from.
    version: u64,
    now: Discovery,
    news: broadcast::Sender<Message>,
}

/// Tell a host everything, then what changes, until its link ends.
pub(crate) async fn tell(server: Arc<Server>, link: Arc<Link>) {
    while let Some((whole, mut news)) = server.directory.enter(&server.store, link.host) {
        let mut frame = whole;
        loop {
            if let Err(Gone) = link.send_frame(frame).await {
                return;
            }
            let next = tokio::select! {
                () = link.end.cancelled() => return,
                next = news.recv() => next,
            };
            frame = match next {
                Ok(next) => next,
                // Too slow for single updates.
                Err(RecvError::Lagged(_) | RecvError::Closed) => break,
            };
        }
    }
}

impl Directory {
    /// Everything a host is told, and what will change of it; `None` if there is no such host.
    fn enter(
        &self,
        store: &Store,
        host: HostId,
    ) -> Option<(Message, broadcast::Receiver<Message>)> {
        let mut told = lock(&self.told);
        // Read under the lock: no update that was taken in before can be newer.
        let world = store.world();
        let project = world.host(host)?.project;
        let held = told.entry(project).or_insert_with(|| Told {
            version: world.version,
            now: Discovery { host: 0, ..derive::discovery(&world, host) },
            news: broadcast::Sender::new(KEPT),
        });
        let news = held.news.subscribe();
        let whole = Discovery::default().update_to(&held.now).unwrap_or_default();
        Some((frame(DiscoveryUpdate { whole: true, ..whole }), news))
    }

    /// Take in an update of the snapshot and pass on what it changed.
    pub(crate) fn take(&self, before: &World, update: &Update) {
        let mut told = lock(&self.told);
        told.retain(|_, held| held.news.receiver_count() > 0);
        if told.is_empty() {
            return;
        }
        let affected = derive::affected(before, &update.world, &update.touched);
        for (project, held) in told.iter_mut() {
            // Made from a newer snapshot already: going back would take back what hosts acknowledged.
            if update.world.version <= held.version {
                continue;
            }
            held.version = update.world.version;
            if let Some(changes) = affected.update(&held.now, &update.world, *project) {
                held.now.take(changes.clone());
                // Nobody listens any more? Then the next update drops all this.
                let _ = held.news.send(frame(changes));
            }
        }
    }
}

fn frame(update: DiscoveryUpdate) -> Message {
    text(&FromServer::Discover(Box::new(update)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use drover_core::{
        Change, Desired, PickedPort, Project, Protocol, RowKey, Service, Time, Wanted,
    };

    use super::*;
    use crate::sample::{LB, WEB, host, key, running, service, stack, unit, world};

    fn update(world: &World, touched: BTreeSet<RowKey>) -> Update {
        let scope = drover_core::Scope::default();
        Update { world: Arc::new(world.clone()), touched, scope }
    }

    /// What hosts are told leads to what they would be told anew; the objects that were said again.
    fn check(before: &World, after: &World, touched: &BTreeSet<RowKey>, want: &str, what: &str) {
        let mut held = Discovery { host: 0, ..derive::discovery(before, HostId(10)) };
        let affected = derive::affected(before, after, touched);
        let changes = affected.update(&held, after, ProjectId(1));
        let mut said = Vec::new();
        if let Some(changes) = changes {
            said.extend(changes.hosts.keys().map(|id| format!("h{id}")));
            said.extend(changes.stacks.keys().map(|id| format!("st{id}")));
            said.extend(changes.services.keys().map(|id| format!("s{id}")));
            held.take(changes);
        }
        assert_eq!(held, Discovery { host: 0, ..derive::discovery(after, HostId(10)) }, "{what}");
        assert_eq!(said.join(" "), want, "{what}");
    }

    #[test]
    fn what_is_told_of_a_commit() {
        let check = |what: &str, change: Change, want: &str| {
            let before = world();
            let (after, rows) = before.commit(&[change]).unwrap();
            check(&before, &after, &rows, want, what);
        };
        let web = || service(WEB, "web", None);
        let put = |service: Service| Change::PutService(Box::new(service));
        let desired =
            |desired| Change::SetDesired { unit: key(WEB, 1), desired, run: None, until: None };
        check("a new unit", unit(WEB, 2, 12, 40), "s20");
        check("a withdrawal", desired(Desired::Draining), "s20");
        check("a stop", desired(Desired::Stopped), "s20");
        check("an address", Change::PutHost(host(10, "10.0.0.99")), "h10");
        check("a lost host", Change::LoseHost { host: HostId(10), lost: true }, "s20");
        check("a host that goes", Change::DropHost(HostId(12)), "h12");
        check("a scale", put(Service { scale: 9, ..web() }), "s20");
        check("settled", Change::Settle { service: WEB, wanted: Wanted::Active }, "");
        check("a new service", put(service(drover_core::ServiceId(60), "db", None)), "s60");
        let picked = PickedPort { private: 8080, protocol: Protocol::Tcp, public: 30000 };
        check("a picked port", put(Service { picked_ports: vec![picked], ..web() }), "s20");
        let project = world().projects[&ProjectId(1)].clone();
        let renamed = Project { name: "q".into(), ..(*project).clone() };
        check("a project's name", Change::PutProject(renamed), "");
    }

    #[test]
    fn who_reads_of_others_is_told_anew() {
        let link = drover_core::Link { service: WEB, alias: String::new() };
        let app = Service { links: vec![link], ..service(drover_core::ServiceId(60), "app", None) };
        let before = world().commit(&[Change::PutService(Box::new(app))]).unwrap().0;
        let check = |what: &str, change: Change, want: &str| {
            let (after, rows) = before.commit(&[change]).unwrap();
            check(&before, &after, &rows, want, what);
        };
        let renamed = service(WEB, "site", None);
        check("a rename", Change::PutService(Box::new(renamed)), "s20 s21 s60");
        check("a stack's name", Change::PutStack(stack("store")), "st2 s20 s21");
        let _ = LB;
    }

    #[test]
    fn who_links_to_a_service_is_told_of_an_upgrade_to_another() {
        let link = drover_core::Link { service: WEB, alias: String::new() };
        let app = Service { links: vec![link], ..service(drover_core::ServiceId(60), "app", None) };
        let next = Service { scale: 0, ..service(drover_core::ServiceId(61), "next", None) };
        let puts = [app, next].map(|service| Change::PutService(Box::new(service)));
        let before = world().commit(&puts).unwrap().0;
        let upgrade = drover_core::Upgrade {
            batch_size: 1,
            interval_ms: 0,
            ..drover_core::Upgrade::begin(
                WEB,
                drover_core::Course::ToService(drover_core::Shift {
                    to_service: drover_core::ServiceId(61),
                    final_scale: 2,
                    to_scale: 0,
                    update_links: true,
                }),
                Time(1),
                "test",
            )
        };
        let (during, rows) = before.commit(&[Change::StartUpgrade(upgrade)]).unwrap();
        let held = |world: &World| {
            derive::links(world, world.service(drover_core::ServiceId(60)).unwrap()).len()
        };
        assert_eq!((held(&before), held(&during)), (1, 2));
        check_told(&before, &during, &rows);
        let (after, rows) = during.commit(&[Change::EndUpgrade(WEB)]).unwrap();
        check_told(&during, &after, &rows);
    }

    /// What hosts are told leads to what they would be told anew.
    fn check_told(before: &World, after: &World, touched: &BTreeSet<RowKey>) {
        let mut held = Discovery { host: 0, ..derive::discovery(before, HostId(10)) };
        let affected = derive::affected(before, after, touched);
        held.take(affected.update(&held, after, ProjectId(1)).unwrap());
        assert_eq!(held, Discovery { host: 0, ..derive::discovery(after, HostId(10)) });
    }

    #[test]
    fn what_is_told_of_a_report() {
        let before = world();
        let mut after = before.clone();
        let mut seen = running(&before);
        for observed in seen.values_mut() {
            observed.ready = false;
        }
        let (rows, _) = after.observe(HostId(10), &seen, Time(2));
        check(&before, &after, &rows, "s20", "a report");
    }

    #[test]
    fn an_update_older_than_what_was_told_takes_nothing_back() {
        let directory = Directory::default();
        let (before, newer) = (world(), Store::memory());
        let (middle, rows) = before.commit(&[unit(WEB, 2, 12, 40)]).unwrap();
        let (after, _) = middle
            .commit(&[Change::SetDesired {
                unit: key(WEB, 1),
                desired: Desired::Draining,
                run: None,
                until: None,
            }])
            .unwrap();
        drop(newer);
        let (news, _listening) = broadcast::channel(KEPT);
        let now = Discovery { host: 0, ..derive::discovery(&after, HostId(10)) };
        let held = Told { version: after.version, now: now.clone(), news };
        lock(&directory.told).insert(ProjectId(1), held);
        directory.take(&before, &update(&middle, rows));
        assert_eq!(lock(&directory.told)[&ProjectId(1)].now, now);
    }
}
