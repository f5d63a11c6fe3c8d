//! For the tests: a database file of their own, and a small cluster to put into it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use drover_core::protocol::HostEvent;
use drover_core::{
    Change, ContainerSpec, Desired, Host, HostId, Observed, Phase, Project, ProjectId, Revision,
    RevisionNo, Service, ServiceId, ServiceKind, Slot, Stack, StackId, Template, Time, Unit,
    UnitKey, UpgradeDefaults, Wanted, World,
};
use sqlx::{Connection, SqliteConnection};

use crate::Store;

pub(crate) const NOW: Time = Time(1_000);
pub(crate) const HOST: HostId = HostId(2);
pub(crate) const WEB: ServiceId = ServiceId(4);

pub(crate) struct Disk {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drover.db");
        Self { dir, path }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path).unwrap()
    }

    pub(crate) fn refusal(&self) -> String {
        Store::open(&self.path).err().unwrap().to_string()
    }

    /// As another program would.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        let url = format!("sqlite://{}?mode=rwc", self.path.display());
        SqliteConnection::connect(&url).await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        let mut db = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    }
}

pub(crate) fn setting(name: &str, value: &str) -> Change {
    Change::SetSetting { name: name.to_owned(), value: Some(value.to_owned()) }
}

pub(crate) fn event(number: u64, service: u64) -> HostEvent {
    let unit = UnitKey { service: ServiceId(service), ..key(1) };
    HostEvent { number, at: NOW, unit, text: format!("event {number}") }
}

pub(crate) fn key(slot: u32) -> UnitKey {
    UnitKey { service: WEB, slot: Slot::Number(slot), revision: RevisionNo(1), incarnation: 1 }
}

pub(crate) fn unit(slot: u32, serial: u64) -> Unit {
    Unit {
        key: key(slot),
        host: HOST,
        desired: Desired::Running,
        generation: 0,
        drain_until: None,
        run: 0,
        replacements: 0,
        serial,
        created_at: NOW,
    }
}

pub(crate) fn seen(generation: u64, tick: u64, phase: Phase) -> Observed {
    Observed { generation, tick, phase, ready: true, since: Time(0), ..Observed::default() }
}

/// A project, a host, a stack and a service of two.
pub(crate) fn cluster() -> Vec<Change> {
    let project = Project {
        id: ProjectId(1),
        name: "Default".into(),
        description: String::new(),
        settings: drover_core::ProjectSettings::default(),
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
        subnet: None,
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: NOW,
        removed_at: None,
    };
    let stack = Stack::new(StackId(3), project.id, "shop", NOW);
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
        depends_on: Vec::new(),
        upgrade_defaults: UpgradeDefaults::default(),
        restart: None,
        rebalance: None,
        driver: None,
        scale_policy: None,
        remarks: drover_core::Remarks::default(),
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
        reason: String::new(),
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
pub(crate) async fn with_units(store: &Store) -> Arc<World> {
    store.commit(None, "k", NOW, cluster()).await.unwrap();
    let units = vec![Change::CreateUnit(unit(1, 10)), Change::CreateUnit(unit(2, 11))];
    store.commit(None, "planner", NOW, units).await.unwrap()
}
