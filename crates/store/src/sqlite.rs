//! The SQLite backend: one file, one process. WAL with `synchronous = full`, so a transaction that was
//! committed survives the end of the process and of the power.
//!
//! All SQL but the schema is in this file.

mod claim;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_core::{Audit, HostId, LoggedChange, Row, Time, World, protocol::HostEvent};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, QueryBuilder};
use tokio::sync::Mutex;

use crate::backend::Batch;
use crate::{
    AuditFilter, EventFilter, Keep, OpenError, StorageError, StoredAudit, StoredChange, StoredEvent,
};
use claim::Claim;

const LOAD: &str = "select tbl, key, body from rows";
// A batch goes in as one JSON array of arrays: a statement for each row costs ten times as much.
const PUT: &str = "insert into rows (tbl, key, body) \
                   select value->>0, value->>1, value->>2 from json_each(?) where true \
                   on conflict do update set body = excluded.body";
const DROP: &str = "delete from rows where (tbl, key) in \
                    (select value->>0, value->>1 from json_each(?))";
const ADD_CHANGES: &str = "insert into log (revision, at, by, change) \
                           select value->>0, value->>1, value->>2, value->>3 from json_each(?) \
                           order by json_each.key";
const TRIM_CHANGES: &str = "delete from log where id <= (select max(id) from log) - ?";
const CHANGES: &str = "select revision, at, by, change from log where revision < ? \
                       order by id desc limit ?";
const ADD_EVENTS: &str = "insert or ignore into events (host, number, at, service, event) \
                          select value->>0, value->>1, value->>2, value->>3, value->>4 \
                          from json_each(?) order by json_each.key";
const TRIM_EVENTS: &str = "delete from events where id <= (select max(id) from events) - ?";
const EVENTS: &str = "select id, host, event from events where id > ";

const ADD_AUDITS: &str = "insert into audit (project, account, entry) \
                          select value->>0, value->>1, value->>2 from json_each(?) \
                          order by json_each.key";
const TRIM_AUDITS: &str = "delete from audit where id <= (select max(id) from audit) - ?";
const AUDITS: &str = "select id, entry from audit";

/// How long another program that has the file open may keep us from it.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
pub(crate) struct Sqlite {
    path: PathBuf,
    keep: Keep,
    /// `None` once closed.
    pub(crate) writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    claim: Claim,
}

impl Sqlite {
    /// Open or make the database, bring its schema up to date, and load the world in it.
    pub(crate) async fn open(path: PathBuf, keep: Keep) -> Result<(Self, World), OpenError> {
        let claim = Claim::on(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let unread = |error| read_failed(&path, &error);
        let mut writer = match options.connect().await {
            Ok(writer) => writer,
            Err(error) => return Err(schema::not_a_database(&path, &error)),
        };
        schema::prepare(&mut writer, &path).await?;
        let rows: Vec<(String, String, String)> =
            sqlx::query_as(LOAD).fetch_all(&mut writer).await.map_err(unread)?;
        let rows = rows.into_iter().map(|(table, key, body)| Row { table, key, body: Some(body) });
        let world =
            World::load(rows).map_err(|source| OpenError::Row { path: path.clone(), source })?;
        let readers =
            SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options.read_only(true));
        let writer = Mutex::new(Some(writer));
        Ok((Self { path, keep, writer, readers, claim }, world))
    }

    pub(crate) async fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut writer = self.writer.lock().await;
        let writer = writer.as_mut().ok_or(StorageError::Closed)?;
        let Err(error) = write_all(writer, batch, self.keep).await else { return Ok(()) };
        // After some errors SQLite has ended the transaction itself; then there is nothing to roll back
        // and this fails, which is as good.
        sqlx::query("rollback").execute(writer).await.ok();
        let (why, advice) = explain(&error);
        Err(StorageError::Write { database: self.path.display().to_string(), why, advice })
    }

    pub(crate) async fn events(
        &self,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        let mut query = QueryBuilder::new(EVENTS);
        query.push_bind(filter.after.cast_signed());
        if let Some(host) = filter.host {
            query.push(" and host = ").push_bind(host.0.cast_signed());
        }
        if let Some(service) = filter.service {
            query.push(" and service = ").push_bind(service.0.cast_signed());
        }
        query.push(" order by id desc limit ").push_bind(bound(limit));
        let rows: Vec<(i64, i64, String)> = query
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_failed(&self.path, &error))?;
        Ok(rows.into_iter().filter_map(stored_event).collect())
    }

    pub(crate) async fn changes(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StorageError> {
        let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(CHANGES)
            .bind(before.map_or(i64::MAX, u64::cast_signed))
            .bind(bound(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_failed(&self.path, &error))?;
        Ok(rows.into_iter().filter_map(stored_change).collect())
    }

    pub(crate) async fn audits(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<StoredAudit>, StorageError> {
        let mut query = QueryBuilder::new(AUDITS);
        if let AuditFilter::Of { projects, account } = filter {
            query.push(" where account = ");
            query.push_bind(account.map(|account| account.0.cast_signed()));
            query.push(" or project in (select value from json_each(");
            query.push_bind(json(projects)).push("))");
        }
        query.push(" order by id desc limit ").push_bind(bound(limit));
        let rows: Vec<(i64, String)> = query
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_failed(&self.path, &error))?;
        Ok(rows.into_iter().filter_map(stored_audit).collect())
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            // All is on disk; closing only tidies up the files.
            writer.close().await.ok();
        }
        self.claim.give_up();
    }
}

/// Transactions by hand: sqlx counts nested ones, and loses count when SQLite ends one by itself.
async fn write_all(
    writer: &mut SqliteConnection,
    batch: &Batch,
    keep: Keep,
) -> Result<(), sqlx::Error> {
    let Batch { rows, changes, events, audits } = batch;
    let put = rows.iter().filter_map(|r| Some((&r.table, &r.key, r.body.as_ref()?)));
    let gone = rows.iter().filter(|r| r.body.is_none()).map(|r| (&r.table, &r.key));
    let logged = changes.iter().map(|StoredChange { revision, logged }| {
        (revision, logged.at, &logged.by, json(&logged.change))
    });
    let happened = events
        .iter()
        .map(|(host, event)| (host, event.number, event.at, event.unit.service, json(event)));
    let audited = audits.iter().map(|audit| (audit.project, audit.account, json(audit)));
    sqlx::query("begin immediate").execute(&mut *writer).await?;
    run_on_all(writer, PUT, put.collect()).await?;
    run_on_all(writer, DROP, gone.collect()).await?;
    if run_on_all(writer, ADD_CHANGES, logged.collect()).await? {
        sqlx::query(TRIM_CHANGES).bind(keep.changes).execute(&mut *writer).await?;
    }
    if run_on_all(writer, ADD_EVENTS, happened.collect()).await? {
        sqlx::query(TRIM_EVENTS).bind(keep.events).execute(&mut *writer).await?;
    }
    if run_on_all(writer, ADD_AUDITS, audited.collect()).await? {
        sqlx::query(TRIM_AUDITS).bind(keep.audits).execute(&mut *writer).await?;
    }
    sqlx::query("commit").execute(writer).await?;
    Ok(())
}

/// Run a statement on all of these at once; whether there were any.
async fn run_on_all<T: serde::Serialize>(
    writer: &mut SqliteConnection,
    statement: &'static str,
    all: Vec<T>,
) -> Result<bool, sqlx::Error> {
    if !all.is_empty() {
        sqlx::query(statement).bind(json(&all)).execute(writer).await?;
    }
    Ok(!all.is_empty())
}

fn json(value: &impl serde::Serialize) -> String {
    // Plain data with text keys, as every stored type: writing it as JSON can't fail.
    serde_json::to_string(value).expect("plain data is always JSON")
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// History is for reading: an entry of another version that this one can't read is left out, not an error.
fn stored_event((id, host, event): (i64, i64, String)) -> Option<StoredEvent> {
    let event: HostEvent = serde_json::from_str(&event)
        .inspect_err(|error| tracing::warn!(id, %error, "an event can't be read"))
        .ok()?;
    Some(StoredEvent { id: id.cast_unsigned(), host: HostId(host.cast_unsigned()), event })
}

fn stored_audit((id, entry): (i64, String)) -> Option<StoredAudit> {
    let audit: Audit = serde_json::from_str(&entry)
        .inspect_err(|error| tracing::warn!(id, %error, "an audited request can't be read"))
        .ok()?;
    Some(StoredAudit { id: id.cast_unsigned(), audit })
}

fn stored_change((revision, at, by, change): (i64, i64, String, String)) -> Option<StoredChange> {
    let change = serde_json::from_str(&change)
        .inspect_err(|error| tracing::warn!(revision, %error, "a logged change can't be read"))
        .ok()?;
    let logged = LoggedChange { at: Time(at.cast_unsigned()), by, change };
    Some(StoredChange { revision: revision.cast_unsigned(), logged })
}

fn read_failed(path: &Path, error: &sqlx::Error) -> StorageError {
    let (why, advice) = explain(error);
    StorageError::Read { database: path.display().to_string(), why, advice }
}

/// SQLite's words, and what can be done. The low byte of its code is the kind of error.
fn explain(error: &sqlx::Error) -> (String, &'static str) {
    let Some(database) = error.as_database_error() else {
        return (error.to_string(), "try again");
    };
    let code = database.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or(0) & 0xff;
    let advice = match code {
        5 | 6 => "close the other program that holds it, and try again",
        8 => "make the file and its directory writable for the server, and try again",
        10 => "check the server's disk, and try again",
        11 => "stop the server and restore a backup",
        13 => "free space on the server's disk, and try again",
        14 => "check that its directory exists and is writable, and try again",
        _ => "try again",
    };
    (database.message().to_owned(), advice)
}
