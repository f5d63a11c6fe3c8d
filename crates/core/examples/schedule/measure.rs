//! The clock, and what is done between two looks at it. It counts the processor's time, of which others on the machine take
//! none away.

use std::hint::black_box;
use std::time::Duration;

use drover_core::plan::plan;
use drover_core::schedule::Need;
use drover_core::{
    Change, ContainerSpec, Course, Desired, RevisionNo, Scope, Service, ServiceId, Slot, Time,
    Unit, UnitKey, Upgrade, World,
};

use rustix::time::{ClockId, clock_gettime};

use crate::cluster::{SCALE, commit, revision, service, service_id, spec, stack_id};
use crate::scan::{self, Usage};

/// Numbers of services that are not there yet.
const NEW: u64 = 1_000_000;
const NOW: Time = Time(1_000_000);
/// How many services are planned one by one, and how often each: the first time it is not in the processor's caches.
const SERVICES: u64 = 50;
const TIMES: u32 = 9;
/// How many units the scan places.
const SCANNED: u32 = 10;

/// How many seconds this thread has had a processor.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64()
}

/// Which constraints new services have.
#[derive(Clone, Copy)]
pub enum Labels {
    None,
    /// The host's zone must be this, its disk should be that; none of its own beside it, a web server if possible, and
    /// nothing noisy.
    Many,
}

impl Labels {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "without labels",
            Self::Many => "with labels",
        }
    }

    fn spec(self, n: u64) -> ContainerSpec {
        let mut spec = spec(n);
        let own = "io.rancher.stack_service.name=${stack_name}/${service_name}";
        let zone = format!("zone=z{}", n % 3);
        let asked = [
            ("host_label", zone.as_str()),
            ("host_label_soft", "disk=ssd"),
            ("container_label_ne", own),
            ("container_label_soft", "role=web"),
            ("container_label_soft_ne", "noisy=yes"),
        ];
        for (kind, what) in asked.iter().filter(|_| matches!(self, Self::Many)) {
            let key = format!("io.rancher.scheduler.affinity:{kind}");
            spec.labels.insert(key, (*what).to_owned());
        }
        spec
    }
}

/// New services on top of a world, which none of them has a unit in.
fn with_new(world: &World, labels: Labels, services: u64, scale: u32) -> (World, Scope) {
    let mut changes = Vec::new();
    let mut scope = Scope::default();
    for n in NEW..NEW + services {
        let made = Service { stack: stack_id(n % 10), ..service(n, scale) };
        changes.push(Change::PutService(Box::new(made)));
        changes.push(revision(service_id(n), 1, labels.spec(n)));
        scope.services.insert(service_id(n));
    }
    (commit(world, &changes), scope)
}

/// Units placed each second by one plan that brings up new services.
pub fn placements(world: &World, labels: Labels, services: u64, scale: u32) -> f64 {
    let (world, scope) = with_new(world, labels, services, scale);
    let began = now();
    let plan = black_box(plan(&world, &scope, NOW));
    let seconds = now() - began;
    let placed = plan.changes.iter().filter(|change| matches!(change, Change::CreateUnit(_)));
    let placed = u32::try_from(placed.count()).unwrap_or_default();
    assert_eq!(u64::from(placed), services * u64::from(scale), "all of them have a place");
    f64::from(placed) / seconds
}

/// Units placed each second by scans, one reading of all units for all of them.
pub fn scanned(world: &World, labels: Labels) -> f64 {
    let (world, _) = with_new(world, labels, 1, SCANNED);
    let began = now();
    let mut usage = Usage::of(&world);
    for slot in 1..=SCANNED {
        scan_one(&world, &mut usage, service_id(NEW), slot);
    }
    f64::from(SCANNED) / (now() - began)
}

/// Microseconds a scan takes to place one more unit of a service.
pub fn scan_us(world: &World) -> f64 {
    let began = now();
    scan_one(world, &mut Usage::of(world), service_id(3), SCALE + 1);
    (now() - began) * 1e6
}

fn scan_one(world: &World, usage: &mut Usage, id: ServiceId, slot: u32) {
    let found = world.service(id).zip(world.template(id, RevisionNo(1)));
    let (service, template) = found.expect("it was made");
    let slot = Slot::Number(slot);
    let need = Need::of(world, service, slot, template).expect("its labels can be read");
    let host = scan::place(world, usage, &need, None).expect("there is room");
    let key = UnitKey { service: id, slot, revision: RevisionNo(1), incarnation: 1 };
    let unit = Unit {
        key,
        host,
        desired: Desired::Running,
        generation: 0,
        drain_until: None,
        run: 0,
        replacements: 0,
        serial: 0,
        created_at: NOW,
    };
    usage.add(world, &unit);
}

/// What changed of a service.
#[derive(Clone, Copy)]
pub enum Step {
    /// One unit more.
    Up,
    /// One less; it drains first.
    Down,
    /// A stop-first upgrade was asked for; its first unit is staged.
    Upgrade,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "scale up",
            Self::Down => "scale down",
            Self::Upgrade => "upgrade",
        }
    }

    fn of(self, world: &World, n: u64) -> Vec<Change> {
        let id = service_id(n);
        let held = world.service(id).expect("it is there").clone();
        let scaled = |scale| vec![Change::PutService(Box::new(Service { scale, ..held.clone() }))];
        match self {
            Self::Up => scaled(SCALE + 1),
            Self::Down => scaled(SCALE - 1),
            Self::Upgrade => {
                let (from, to) = (RevisionNo(1), RevisionNo(2));
                let upgrade = Upgrade {
                    batch_size: 1,
                    interval_ms: 0,
                    ..Upgrade::begin(
                        id,
                        Course::InService { from, to, start_first: false },
                        NOW,
                        "bench",
                    )
                };
                vec![revision(id, 2, spec(n)), Change::StartUpgrade(upgrade)]
            }
        }
    }
}

/// Microseconds to plan one service that changed, middle of several services, the quickest of several times each: what
/// else the machine did in between is not counted.
pub fn plan_us(world: &World, step: Step) -> f64 {
    let mut took: Vec<f64> = (0..SERVICES)
        .map(|n| {
            let n = 2 * n; // no balancers
            let world = commit(world, &step.of(world, n));
            let scope = Scope::one(service_id(n));
            let once = |_| {
                let began = now();
                let plan = black_box(plan(&world, &scope, NOW));
                let took = (now() - began) * 1e6;
                assert!(!plan.changes.is_empty(), "there is something to do");
                took
            };
            (0..TIMES).map(once).fold(f64::INFINITY, f64::min)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}
