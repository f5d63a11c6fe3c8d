//! What a store promises, shown on every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::{
    AccountId, Audit, Change, Desired, Followed, HostId, Phase, ProjectId, RowKey, Scope, Time,
    Watched, Witnessed, check::check,
};

use crate::fixture::{Disk, HOST, NOW, WEB, cluster, event, key, seen, setting, unit, with_units};
use crate::{
    AuditFilter, CommitError, EventFilter, Keep, StorageError, Store, StoredChange, StoredEvent,
};

#[tokio::test]
async fn a_commit_is_seen_and_counted() {
    on_each(async |store| {
        let before = store.world();
        let after = store.commit(Some(before.revision), "k", NOW, cluster()).await.unwrap();
        assert_eq!(after.revision, before.revision + 1);
        assert!(Arc::ptr_eq(&after, &store.world()));
        assert!(after.service(WEB).is_some());
        assert_eq!(check(&after), []);
    })
    .await;
}

#[tokio::test]
async fn an_old_snapshot_is_a_conflict() {
    on_each(async |store| {
        let seen = store.world().revision;
        store.commit(Some(seen), "k", NOW, vec![setting("a", "1")]).await.unwrap();
        let world = store.world();
        let late = store.commit(Some(seen), "k", NOW, vec![setting("a", "2")]).await;
        assert!(matches!(late, Err(CommitError::Conflict)), "{late:?}");
        assert!(Arc::ptr_eq(&world, &store.world()));
        store.commit(None, "k", NOW, vec![setting("a", "3")]).await.unwrap();
        assert_eq!(store.world().settings["a"], "3");
    })
    .await;
}

#[tokio::test]
async fn of_many_with_one_snapshot_one_wins() {
    on_each(async |store| {
        let seen = store.world().revision;
        let commits = (0..50).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let change = setting("winner", &n.to_string());
                store.commit(Some(seen), "k", NOW, vec![change]).await.is_ok()
            })
        });
        let mut won = 0;
        for commit in commits.collect::<Vec<_>>() {
            won += u32::from(commit.await.unwrap());
        }
        assert_eq!((won, store.world().revision), (1, seen + 1));
        assert_eq!(store.log(None, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_change_takes_the_whole_commit_with_it() {
    on_each(async |store| {
        let world = store.world();
        let changes = vec![setting("a", "1"), Change::CreateUnit(unit(1, 10))];
        let refused = store.commit(None, "k", NOW, changes).await;
        assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
        assert!(Arc::ptr_eq(&world, &store.world()));
        assert_eq!(store.log(None, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn no_changes_are_no_commit() {
    on_each(async |store| {
        let world = store.world();
        let same = store.commit(Some(99), "k", NOW, vec![]).await.unwrap();
        assert!(Arc::ptr_eq(&world, &same));
        assert_eq!(store.log(None, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn reports_are_taken_in_by_their_clock() {
    on_each(async |store| {
        let world = with_units(&store).await;
        let generation = world.unit(key(1)).unwrap().generation;
        let report = async |host, tick, phase| {
            let units = BTreeMap::from([(key(1), seen(generation, tick, phase))]);
            store.report(host, units, NOW).await.unwrap();
            store.world().observed(key(1)).map(|o| o.phase)
        };
        assert_eq!(report(HostId(99), 1, Phase::Gone).await, None, "not that host's to say");
        assert_eq!(report(HOST, 2, Phase::Running).await, Some(Phase::Running));
        assert_eq!(report(HOST, 1, Phase::Starting).await, Some(Phase::Running), "late");
        assert_eq!(store.world().revision, world.revision);
        assert_eq!(store.world().version, world.version + 1);
    })
    .await;
}

#[tokio::test]
async fn what_hosts_find_elsewhere_is_kept_by_its_clock() {
    on_each(async |store| {
        let world = with_units(&store).await;
        let found = |tick| Witnessed {
            tick,
            verdicts: BTreeMap::from([(key(1), Watched::default().verdict(None))]),
        };
        for (tick, held) in [(2, 2), (1, 2), (3, 3)] {
            store.witness(HOST, found(tick)).await.unwrap();
            assert_eq!(store.world().witnessed[&HOST].tick, held);
        }
        assert_eq!(store.world().revision, world.revision);
        assert_eq!(store.world().version, world.version + 2);
    })
    .await;
}

#[tokio::test]
async fn a_feed_gathers_everything_since_it_was_asked() {
    on_each(async |store| {
        let mut feed = store.feed();
        let world = with_units(&store).await;
        let units = BTreeMap::from([(key(1), seen(world.revision, 1, Phase::Running))]);
        store.report(HOST, units, NOW).await.unwrap();
        store.commit(None, "k", NOW, vec![setting("a", "1")]).await.unwrap();

        let update = feed.next().await;
        assert!(Arc::ptr_eq(&update.world, &store.world()));
        let named = [
            RowKey::Counters,
            RowKey::Host(HOST),
            RowKey::Unit(key(1)),
            RowKey::Observed(key(1)),
            RowKey::Setting("a".into()),
        ];
        assert!(named.iter().all(|key| update.touched.contains(key)), "{:?}", update.touched);
        assert_eq!(
            update.scope,
            Scope { all: true, waiting: true, services: BTreeSet::from([WEB]) }
        );

        store.commit(None, "k", NOW, vec![setting("b", "1")]).await.unwrap();
        let update = feed.next().await;
        let named = BTreeSet::from([RowKey::Counters, RowKey::Setting("b".into())]);
        assert_eq!((update.touched, update.scope), (named, Scope::waiting()));

        // What drains wait for.
        let drain = Change::SetDesired {
            unit: key(1),
            desired: Desired::Draining,
            run: None,
            until: Some(NOW + 30_000),
        };
        store.commit(None, "k", NOW, vec![drain]).await.unwrap();
        feed.next().await;
        let names = Some(Followed { routing: 5, ..Followed::default() });
        store.follow(HOST, BTreeMap::new(), names).await.unwrap();
        let update = feed.next().await;
        let named = BTreeSet::from([RowKey::Counters, RowKey::NamesFollowed(HOST)]);
        assert_eq!((update.touched, update.scope), (named, Scope::one(WEB)));
    })
    .await;
}

#[tokio::test]
async fn a_waiting_feed_is_woken_and_refusals_wake_nobody() {
    on_each(async |store| {
        let mut feed = store.feed();
        let waiting = tokio::spawn(async move { feed.next().await });
        store.commit(Some(99), "k", NOW, vec![setting("a", "1")]).await.unwrap_err();
        store.commit(None, "k", NOW, vec![setting("b", "1")]).await.unwrap();
        let update = waiting.await.unwrap();
        let named = BTreeSet::from([RowKey::Counters, RowKey::Setting("b".into())]);
        assert_eq!(update.touched, named);
    })
    .await;
}

#[tokio::test]
async fn feeds_under_load_miss_nothing() {
    on_each(async |store| {
        let mut feed = store.feed();
        let mut writers = Vec::new();
        for task in 0..8 {
            let store = store.clone();
            writers.push(tokio::spawn(async move {
                for n in 0..25 {
                    let change = setting(&format!("{task}-{n}"), "1");
                    store.commit(None, "k", NOW, vec![change]).await.unwrap();
                }
            }));
        }
        let mut named = BTreeSet::new();
        while named.len() < 8 * 25 + 1 {
            let update = feed.next().await;
            for key in &update.touched {
                let RowKey::Setting(name) = key else { continue };
                assert!(update.world.settings.contains_key(name));
            }
            named.extend(update.touched);
        }
        for writer in writers {
            writer.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_log_says_what_when_and_by_whom_and_is_bounded() {
    let keep = Keep { changes: 3, events: 3, audits: 3 };
    on_each_keeping(keep, async |store| {
        for n in 1..=5_u64 {
            let change = setting("n", &n.to_string());
            store.commit(None, &format!("key{n}"), Time(n), vec![change]).await.unwrap();
        }
        let entry = |n: u64| StoredChange {
            revision: n,
            logged: setting("n", &n.to_string()).logged(Time(n), &format!("key{n}")),
        };
        assert_eq!(store.log(None, 10).await.unwrap(), [entry(5), entry(4), entry(3)]);
        assert_eq!(store.log(None, 1).await.unwrap(), [entry(5)]);
        assert_eq!(store.log(Some(5), 1).await.unwrap(), [entry(4)]);
    })
    .await;
}

#[tokio::test]
async fn events_are_kept_once_found_by_service_and_host_and_bounded() {
    let keep = Keep { changes: 3, events: 3, audits: 3 };
    on_each_keeping(keep, async |store| {
        let (other, events) = (HostId(9), [event(1, 4), event(2, 5), event(3, 4)]);
        store.add_events(HOST, &events[..2]).await.unwrap();
        store.add_events(HOST, &events).await.unwrap();
        let ids = async |filter: EventFilter, limit| {
            let found = store.events(&filter, limit).await.unwrap();
            found.into_iter().map(|e| e.event.number).collect::<Vec<_>>()
        };
        let all = EventFilter::default();
        let web = EventFilter { service: Some(WEB), ..all.clone() };
        assert_eq!(ids(all.clone(), 10).await, [3, 2, 1], "sent twice, kept once");
        assert_eq!(ids(web, 10).await, [3, 1]);
        assert_eq!(ids(all.clone(), 1).await, [3]);

        let after = store.events(&all, 1).await.unwrap()[0].id;
        store.add_events(other, &[event(1, 4)]).await.unwrap();
        let newer = store.events(&EventFilter { after, ..all.clone() }, 9).await.unwrap();
        assert_eq!(newer, [StoredEvent { id: after + 1, host: other, event: event(1, 4) }]);
        assert_eq!(ids(all.clone(), 10).await, [1, 3, 2], "bounded");
        assert_eq!(ids(EventFilter { host: Some(HOST), ..all }, 10).await, [3, 2]);
    })
    .await;
}

#[tokio::test]
async fn what_was_done_is_found_by_project_and_account_and_bounded() {
    let keep = Keep { changes: 3, events: 3, audits: 3 };
    on_each_keeping(keep, async |store| {
        let (p, q) = (ProjectId(1), ProjectId(2));
        let ann = Some(AccountId(7));
        for (n, project, account) in
            [(1, None, None), (2, Some(p), None), (3, Some(q), ann), (4, None, ann)]
        {
            store.add_audit(audit(n, project, account)).await.unwrap();
        }
        let found = async |filter: AuditFilter, limit| {
            let found = store.audits(&filter, limit).await.unwrap();
            found.into_iter().map(|held| (held.id, held.audit.at.0)).collect::<Vec<_>>()
        };
        let of = |projects: &[ProjectId], account| AuditFilter::Of {
            projects: projects.to_vec(),
            account,
        };
        assert_eq!(found(AuditFilter::All, 9).await, [(4, 4), (3, 3), (2, 2)], "bounded");
        assert_eq!(found(AuditFilter::All, 1).await, [(4, 4)]);
        assert_eq!(found(of(&[p], None), 9).await, [(2, 2)]);
        assert_eq!(found(of(&[p, q], None), 9).await, [(3, 3), (2, 2)]);
        assert_eq!(found(of(&[p], ann), 9).await, [(4, 4), (3, 3), (2, 2)]);
        assert_eq!(found(of(&[], None), 9).await, []);
    })
    .await;
}

fn audit(n: u64, project: Option<ProjectId>, account: Option<AccountId>) -> Audit {
    Audit {
        at: Time(n),
        access: "KEY".into(),
        by_token: false,
        account,
        project,
        deed: "create".into(),
        kind: "stack".into(),
        resource: "1st7".into(),
        from: "192.0.2.1".into(),
        status: 201,
    }
}

#[tokio::test]
async fn after_closing_everything_is_refused_and_nothing_hangs() {
    on_each(async |store| {
        let clone = store.clone();
        store.commit(None, "k", NOW, cluster()).await.unwrap();
        store.close().await.unwrap();
        store.close().await.unwrap();
        let commit = clone.commit(None, "k", NOW, vec![setting("a", "1")]).await;
        assert!(matches!(commit, Err(CommitError::Storage(StorageError::Closed))), "{commit:?}");
        let report = clone.report(HOST, BTreeMap::new(), NOW).await;
        assert_eq!(report, Err(StorageError::Closed));
        assert_eq!(clone.world().revision, 1);
    })
    .await;
}

async fn on_each(check: impl AsyncFn(Store)) {
    on_each_keeping(Keep::default(), check).await;
}

async fn on_each_keeping(keep: Keep, check: impl AsyncFn(Store)) {
    check(Store::memory_keeping(keep)).await;
    let disk = Disk::new();
    check(Store::open_keeping(&disk.path, keep).unwrap()).await;
}
