//! What SQLite adds to the promises of every store: reopening, refusing, and failing without loss.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::{Change, Desired, Phase, RowKey, check::check};
use sqlx::Connection;

use crate::backend::Backend;
use crate::fixture::{Disk, HOST, NOW, cluster, event, key, seen, setting, with_units};
use crate::{CommitError, EventFilter, OpenError, Store};

#[tokio::test]
async fn a_reopened_database_is_the_same_world_and_history() {
    let disk = Disk::new();
    let store = disk.open();
    with_units(&store).await;
    let units = BTreeMap::from([(key(1), seen(2, 1, Phase::Running))]);
    store.report(HOST, units, NOW).await.unwrap();
    let removed =
        Change::SetDesired { unit: key(2), desired: Desired::Removed, run: None, until: None };
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
        said.contains("has schema 99, and this version of Drover knows schemas up to 2"),
        "{said}"
    );
    disk.run("pragma user_version = 2").await;
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

async fn run_on_writer(store: &Store, sql: &str) {
    let Backend::Sqlite(sqlite) = &*store.backend else { unreachable!() };
    let mut writer = sqlite.writer.lock().await;
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(writer.as_mut().unwrap()).await.unwrap();
}

async fn set_page_limit(store: &Store, pages: u32) {
    run_on_writer(store, &format!("pragma max_page_count = {pages}")).await;
}
