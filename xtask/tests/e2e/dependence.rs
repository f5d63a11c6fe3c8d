//! What a service depends on, with real containers: a job begins when the database passes its HEALTHCHECK, and the service when
//! the job has ended well; where it ends badly nothing starts, and that is said.

use serde_json::Value;

use super::stage::Stage;

/// `migrate` ends with that exit code, a second after its start.
fn files(stage: &Stage, code: u8) {
    let compose = format!(
        "version: '2'
services:
  db:
    image: demo/web:v1
  migrate:
    image: demo/sleep:1
    command: [/testapp, exit, '{code}', --after-ms, '1000']
    depends_on: {{db: {{condition: service_healthy}}}}
  web:
    image: demo/web:v1
    depends_on: {{migrate: {{condition: service_completed_successfully}}}}
"
    );
    stage.files(&compose, "version: '2'\nservices: {}\n");
}

#[test]
fn a_service_starts_when_its_migration_has_ended_well() {
    let Some(stage) = Stage::set() else { return };
    files(&stage, 3);
    let waits = "web starts when migrate has ended with exit code 0";
    stage.drover("up -d").must(7, &["web is stuck: ", waits, "-migrate-1 ended with 3"]);
    assert_eq!(stage.containers("web").len(), 0);
    stage.drover("why web").must(0, &[waits]);

    files(&stage, 0);
    stage.ok("up -d --upgrade --confirm-upgrade");
    stage.ok("wait web");
    let [db, migrate, web] = ["db", "migrate", "web"].map(|service| state(&stage, service));
    assert_eq!((&migrate["Status"], &migrate["ExitCode"]), (&"exited".into(), &0.into()));
    let passed = &db["Health"]["Log"][0]["End"];
    assert!(db["StartedAt"].as_str() < migrate["StartedAt"].as_str(), "{db} {migrate}");
    assert!(passed.is_string() && db["Health"]["Status"] == "healthy", "{db}");
    assert!(migrate["FinishedAt"].as_str() < web["StartedAt"].as_str(), "{migrate} {web}");
}

/// What Docker says of the only container of a service.
#[track_caller]
fn state(stage: &Stage, service: &str) -> Value {
    let containers = stage.containers(service);
    let [(host, container)] = containers.as_slice() else {
        panic!("{service}: {containers:?}");
    };
    stage.cluster.engine(*host).inspect(&container.id).unwrap()["State"].take()
}
