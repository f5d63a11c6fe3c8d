//! What a store promises, shown on every backend; and what SQLite adds: reopening, refusing, failing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use drover_core::protocol::HostEvent;
use drover_core::{
    Change, ContainerSpec, Desired, Host, HostId, Observed, Phase, Project, ProjectId, Revision,
    RevisionNo, RowKey, Scope, Service, ServiceId, ServiceKind, Slot, Stack, StackId, Template,
    Time, Unit, UnitKey, UpgradeDefaults, Wanted, World, check::check,
};
use sqlx::{Connection, SqliteConnection};

use crate::backend::Backend;
use crate::{
    CommitError, EventFilter, Keep, OpenError, StorageError, Store, StoredChange, StoredEvent,
};

const NOW: Time = Time(1_000);
const HOST: HostId = HostId(2);
const WEB: ServiceId = ServiceId(4);

// --- promises of every backend ---

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
        let world = with_unit(&store).await;
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
async fn a_feed_gathers_everything_since_it_was_asked() {
    on_each(async |store| {
        let mut feed = store.feed();
        let world = with_unit(&store).await;
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
        assert_eq!(update.scope, Scope { all: true, services: BTreeSet::from([WEB]) });

        store.commit(None, "k", NOW, vec![setting("b", "1")]).await.unwrap();
        let update = feed.next().await;
        let named = BTreeSet::from([RowKey::Counters, RowKey::Setting("b".into())]);
        assert_eq!((update.touched, update.scope), (named, Scope::default()));
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
    let keep = Keep { changes: 3, events: 3 };
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
    let keep = Keep { changes: 3, events: 3 };
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

// --- promises of a database on disk ---

#[tokio::test]
async fn a_reopened_database_is_the_same_world_and_history() {
    let disk = Disk::new();
    let store = disk.open();
    with_unit(&store).await;
    let units = BTreeMap::from([(key(1), seen(2, 1, Phase::Running))]);
    store.report(HOST, units, NOW).await.unwrap();
    let removed = Change::SetDesired { unit: key(2), desired: Desired::Removed, run: None };
    store.commit(None, "k", NOW, vec![removed]).await.unwrap();
    store.commit(None, "k", NOW, vec![Change::DropUnit(key(2))]).await.unwrap();
    store.add_events(HOST, &[event(1, 4)]).await.unwrap();
    let (world, log) = (store.world(), store.log(None, 99).await.unwrap());
    store.close().await.unwrap();

    let store = disk.open();
    assert_eq!(store.world(), world);
    assert_eq!(check(&store.world()), []);
    assert_eq!(store.log(None, 99).await.unwrap(), log);
    assert_eq!(store.events(&EventFilter::default(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_dropped_store_gives_its_database_up() {
    let disk = Disk::new();
    let store = disk.open();
    let mut feed = store.feed();
    store.commit(None, "k", NOW, vec![setting("a", "1")]).await.unwrap();
    feed.next().await;
    // The writer's thread ends after the last handle, by itself; its claim is the level to wait for.
    drop(store);
    let store = loop {
        match Store::open(&disk.path) {
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(store.world().settings["a"], "1");
}

#[tokio::test]
async fn commits_are_synced_to_disk() {
    let disk = Disk::new();
    let store = disk.open();
    let Backend::Sqlite(sqlite) = &*store.backend else { unreachable!() };
    let mut writer = sqlite.writer.lock().await;
    let writer = writer.as_mut().unwrap();
    let mode: String =
        sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *writer).await.unwrap();
    let sync: i64 = sqlx::query_scalar("pragma synchronous").fetch_one(&mut *writer).await.unwrap();
    assert_eq!((mode.as_str(), sync), ("wal", 2));
}

#[tokio::test]
async fn a_full_disk_fails_the_whole_group_and_loses_nothing() {
    let disk = Disk::new();
    let store = disk.open();
    let mut feed = store.feed();
    store.commit(None, "k", NOW, cluster()).await.unwrap();
    feed.next().await;
    let world = store.world();
    set_page_limit(&store, 1).await; // SQLite takes the present size where that is more

    let big = setting("big", &"x".repeat(1 << 20));
    let results = tokio::join!(
        store.commit(None, "k", NOW, vec![big.clone()]),
        store.commit(None, "k", NOW, vec![big]),
    );
    for result in [results.0, results.1] {
        let Err(CommitError::Storage(error)) = result else { panic!("{result:?}") };
        let path = disk.path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "the database {path} could not be written: database or disk is full; nothing was \
                 lost, free space on the server's disk, and try again"
            )
        );
    }
    assert!(Arc::ptr_eq(&world, &store.world()), "nothing was published");

    set_page_limit(&store, 1 << 20).await;
    store.commit(Some(world.revision), "k", NOW, vec![setting("a", "1")]).await.unwrap();
    let update = feed.next().await;
    let named = BTreeSet::from([RowKey::Counters, RowKey::Setting("a".into())]);
    assert_eq!(update.touched, named, "nor did a feed hear of it");
    let world = store.world();
    store.close().await.unwrap();
    assert_eq!(disk.open().world(), world);
}

#[tokio::test]
async fn a_group_is_on_disk_whole_or_not_at_all() {
    let disk = Disk::new();
    let store = disk.open();
    store.commit(None, "k", NOW, cluster()).await.unwrap();
    let world = store.world();
    let mut other = disk.connect().await;
    let trap = "create trigger trap before insert on rows when new.key = 'z-last' \
                begin select raise(abort, 'trapped'); end";
    sqlx::raw_sql(trap).execute(&mut other).await.unwrap();

    let changes = vec![setting("a-first", "1"), setting("z-last", "1")];
    let error = store.commit(None, "k", NOW, changes).await.unwrap_err();
    assert!(error.to_string().contains("could not be written: trapped"), "{error}");
    sqlx::raw_sql("drop trigger trap").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    store.close().await.unwrap();
    let store = disk.open();
    assert_eq!(store.world(), world);
    assert_eq!(store.log(None, 99).await.unwrap().len(), cluster().len());
}

#[tokio::test]
async fn a_read_only_database_says_so() {
    let disk = Disk::new();
    let store = disk.open();
    run_on_writer(&store, "pragma query_only = on").await;
    let error = store.commit(None, "k", NOW, vec![setting("a", "1")]).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("attempt to write a readonly database; nothing was lost"), "{said}");
    assert!(said.contains("make the file and its directory writable"), "{said}");
    run_on_writer(&store, "pragma query_only = off").await;
    store.commit(None, "k", NOW, vec![setting("a", "1")]).await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let disk = Disk::new();
    let _store = disk.open();
    let said = disk.refusal();
    let pid = std::process::id();
    assert!(said.contains(&format!("in use by another process (process {pid})")), "{said}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let disk = Disk::new();
    disk.open().close().await.unwrap();
    disk.run("pragma user_version = 99").await;
    let said = disk.refusal();
    assert!(
        said.contains("has schema 99, and this version of Drover knows schemas up to 1"),
        "{said}"
    );
    disk.run("pragma user_version = 1").await;
    disk.open();
}

#[tokio::test]
async fn other_files_are_refused_and_left_alone() {
    let disk = Disk::new();
    let text = "not a database, however long it is ".repeat(200);
    std::fs::write(&disk.path, &text).unwrap();
    let said = disk.refusal();
    assert!(said.contains("is not a database of Drover (it is no SQLite file)"), "{said}");
    assert_eq!(std::fs::read_to_string(&disk.path).unwrap(), text);

    let disk = Disk::new();
    disk.run("create table theirs (x)").await;
    let before = std::fs::read(&disk.path).unwrap();
    let said = disk.refusal();
    assert!(said.contains("is not a database of Drover (it belongs to another program)"), "{said}");
    assert_eq!(std::fs::read(&disk.path).unwrap(), before);
}

#[tokio::test]
async fn an_unreadable_row_is_named_and_left_alone() {
    let disk = Disk::new();
    let store = disk.open();
    store.commit(None, "k", NOW, cluster()).await.unwrap();
    store.close().await.unwrap();
    disk.run("update rows set body = '{}' where tbl = 'stack'").await;
    let error = Store::open(&disk.path).err().unwrap();
    let OpenError::Row { source, .. } = &error else { panic!("{error}") };
    assert_eq!((source.table.as_str(), source.key.as_str()), ("stack", "3"));
    assert!(error.to_string().contains("restore a backup, or repair that row"), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_is_named() {
    let disk = Disk::new();
    std::fs::write(&disk.path, "").unwrap();
    let error = Store::open(disk.path.join("drover.db")).err().unwrap();
    assert!(error.to_string().contains("drover.db could not be opened"), "{error}");
}

#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let disk = Disk::new();
    let store = disk.open();
    store.commit(None, "k", NOW, vec![setting("a", "1")]).await.unwrap();
    for file in std::fs::read_dir(disk.dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

// --- the bench ---

async fn on_each(check: impl AsyncFn(Store)) {
    on_each_keeping(Keep::default(), check).await;
}

async fn on_each_keeping(keep: Keep, check: impl AsyncFn(Store)) {
    check(Store::memory_keeping(keep)).await;
    let disk = Disk::new();
    check(Store::open_keeping(&disk.path, keep).unwrap()).await;
}

struct Disk {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drover.db");
        Self { dir, path }
    }

    fn open(&self) -> Store {
        Store::open(&self.path).unwrap()
    }

    fn refusal(&self) -> String {
        Store::open(&self.path).err().unwrap().to_string()
    }

    /// As another program would.
    async fn connect(&self) -> SqliteConnection {
        let url = format!("sqlite://{}?mode=rwc", self.path.display());
        SqliteConnection::connect(&url).await.unwrap()
    }

    async fn run(&self, sql: &'static str) {
        let mut db = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    }
}

async fn run_on_writer(store: &Store, sql: &str) {
    let Backend::Sqlite(sqlite) = &*store.backend else { unreachable!() };
    let mut writer = sqlite.writer.lock().await;
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(writer.as_mut().unwrap()).await.unwrap();
}

async fn set_page_limit(store: &Store, pages: u32) {
    run_on_writer(store, &format!("pragma max_page_count = {pages}")).await;
}

// --- a small cluster ---

fn setting(name: &str, value: &str) -> Change {
    Change::SetSetting { name: name.to_owned(), value: Some(value.to_owned()) }
}

fn event(number: u64, service: u64) -> HostEvent {
    let unit = UnitKey { service: ServiceId(service), ..key(1) };
    HostEvent { number, at: NOW, unit, text: format!("event {number}") }
}

fn key(slot: u32) -> UnitKey {
    UnitKey { service: WEB, slot: Slot::Number(slot), revision: RevisionNo(1), incarnation: 1 }
}

fn unit(slot: u32, serial: u64) -> Unit {
    Unit {
        key: key(slot),
        host: HOST,
        desired: Desired::Running,
        generation: 0,
        run: 0,
        serial,
        created_at: NOW,
    }
}

fn seen(generation: u64, tick: u64, phase: Phase) -> Observed {
    Observed {
        generation,
        tick,
        phase,
        ready: true,
        attempt: 0,
        message: String::new(),
        containers: BTreeMap::new(),
        since: Time(0),
    }
}

/// A project, a host, a stack and a service of two.
fn cluster() -> Vec<Change> {
    let project = Project {
        id: ProjectId(1),
        name: "Default".into(),
        description: String::new(),
        created_at: NOW,
        removed_at: None,
    };
    let host = Host {
        id: HOST,
        project: project.id,
        identity: "i".into(),
        hostname: "h1".into(),
        name: String::new(),
        description: String::new(),
        labels: BTreeMap::new(),
        address: "10.0.0.1".into(),
        active: true,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: NOW,
        removed_at: None,
    };
    let stack = Stack {
        id: StackId(3),
        project: project.id,
        name: "shop".into(),
        description: String::new(),
        docker_compose: None,
        rancher_compose: None,
        environment: BTreeMap::new(),
        external_id: None,
        group: None,
        created_at: NOW,
        removed_at: None,
    };
    let service = Service {
        id: WEB,
        project: project.id,
        stack: stack.id,
        name: "web".into(),
        description: String::new(),
        kind: ServiceKind::Containers,
        scale: 2,
        wanted: Wanted::Active,
        settled: None,
        current: RevisionNo(1),
        links: vec![],
        balancer: None,
        external: None,
        metadata: serde_json::Map::new(),
        picked_ports: vec![],
        retain_ip: false,
        selector_link: None,
        selector_container: None,
        upgrade_defaults: UpgradeDefaults::default(),
        restart: None,
        created_at: NOW,
        removed_at: None,
    };
    let primary = ContainerSpec { image: "shop/web:1".into(), ..ContainerSpec::default() };
    let revision = Revision {
        service: WEB,
        number: RevisionNo(1),
        template: Arc::new(Template { primary, sidekicks: BTreeMap::new() }),
        pins: BTreeMap::new(),
        by: "k".into(),
        created_at: NOW,
    };
    vec![
        Change::PutProject(project),
        Change::PutHost(host),
        Change::PutStack(stack),
        Change::PutService(Box::new(service)),
        Change::AddRevision(Box::new(revision)),
    ]
}

/// That cluster, its units planned.
async fn with_unit(store: &Store) -> Arc<World> {
    store.commit(None, "k", NOW, cluster()).await.unwrap();
    let units = vec![Change::CreateUnit(unit(1, 10)), Change::CreateUnit(unit(2, 11))];
    store.commit(None, "planner", NOW, units).await.unwrap()
}
