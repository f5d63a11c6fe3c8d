//! The schema and its history. A database says its schema's number in `user_version` and whose it is in
//! `application_id`; nothing is written to one that isn't ours or is newer than we are.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;

use super::read_failed;
use crate::OpenError;

/// Step n leads from schema n to schema n + 1. Steps are added at the end and never edited.
const STEPS: &[&str] = &[
    "
    create table rows (
        tbl text not null,
        key text not null,
        body text not null,
        primary key (tbl, key)
    ) strict, without rowid;

    create table log (
        id integer primary key,
        revision integer not null,
        at integer not null,
        by text not null,
        change text not null
    ) strict;
    create index log_by_revision on log (revision);

    create table events (
        id integer primary key,
        host integer not null,
        number integer not null,
        at integer not null,
        service integer not null,
        event text not null,
        unique (host, number, at)
    ) strict;
    create index events_by_service on events (service, id);
",
    "
    create table audit (
        id integer primary key,
        project integer,
        account integer,
        entry text not null
    ) strict;
    create index audit_by_project on audit (project, id);
    create index audit_by_account on audit (account, id);
",
];

/// "DRVR", where SQLite's own tools look for it.
const APPLICATION: i64 = 0x4452_5652;

/// SQLite's code for a file that is something else.
const NOT_A_DATABASE: &str = "26";

/// Check whose database it is, and bring it up to date.
pub(crate) async fn prepare(db: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let found = inspect(db, path).await?;
    let failed = |error| OpenError::from(read_failed(path, &error));
    // Kept in the file; not before we know that the file is ours.
    let mode: String = sqlx::query_scalar("pragma journal_mode = wal")
        .fetch_one(&mut *db)
        .await
        .map_err(failed)?;
    if mode != "wal" {
        tracing::warn!(%mode, path = %path.display(), "this file system has no WAL; writes will be slow");
    }
    for (number, step) in (1_i64..).zip(STEPS) {
        if number > found {
            migrate(db, step, number).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// An error of the very first statement on a file.
pub(crate) fn not_a_database(path: &Path, error: &sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(NOT_A_DATABASE) {
        return foreign(path, "it is no SQLite file");
    }
    read_failed(path, error).into()
}

/// The number of its schema; 0 for a new file.
async fn inspect(db: &mut SqliteConnection, path: &Path) -> Result<i64, OpenError> {
    let mut number = async |pragma: &'static str| -> Result<i64, OpenError> {
        let value = sqlx::query_scalar(pragma).fetch_one(&mut *db).await;
        value.map_err(|error| not_a_database(path, &error))
    };
    let application = number("pragma application_id").await?;
    let found = number("pragma user_version").await?;
    let tables = number("select count(*) from sqlite_schema").await?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if application != APPLICATION && (application, found, tables) != (0, 0, 0) {
        return Err(foreign(path, "it belongs to another program"));
    }
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// One step and the new number, together or not at all.
async fn migrate(db: &mut SqliteConnection, step: &str, number: i64) -> Result<(), sqlx::Error> {
    let script = format!(
        "begin immediate; {step} pragma application_id = {APPLICATION}; \
         pragma user_version = {number}; commit;"
    );
    // Safe: made of constants.
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(db).await?;
    Ok(())
}

fn foreign(path: &Path, what: &str) -> OpenError {
    OpenError::Foreign { path: path.to_owned(), what: what.to_owned() }
}
