//! Forgetting what was removed long enough ago, and removing hosts that their project does not wait for any longer. Until then it stays readable by id, in state `removed`: clients
//! that wait for a removal take a 404 for a failure, or crash on it.

use drover_core::{Change, Time, World};

use crate::resource::host;

/// How long a removed thing stays readable, in milliseconds, from when its removal was asked for. Rancher's
/// clients need ten minutes; an hour leaves them those after a removal that took long.
pub const KEPT_MS: u64 = 3_600_000;

/// What to forget now. Things that something still stands on are left for a later call.
pub fn purge(world: &World, now: Time) -> Vec<Change> {
    let due = |removed_at: Option<Time>| removed_at.is_some_and(|at| now >= at + KEPT_MS);
    let mut changes = Vec::new();
    let drops = |id| world.units_of(id).next().is_none();
    let services = world.services.values().filter(|s| due(s.removed_at) && drops(s.id));
    let services: Vec<_> = services.map(|s| s.id).collect();
    changes.extend(services.iter().map(|id| Change::DropService(*id)));

    let volumes = world.volume_templates.values().filter(|v| due(v.removed_at));
    let volumes: Vec<_> = volumes.map(|v| v.id).collect();
    changes.extend(volumes.iter().map(|id| Change::DropVolumeTemplate(*id)));

    let empty = |id| {
        world.services_in(id).all(|s| services.contains(&s.id))
            && world.volume_templates.values().all(|v| v.stack != id || volumes.contains(&v.id))
    };
    let stacks = world.stacks.values().filter(|s| due(s.removed_at) && empty(s.id));
    let stacks: Vec<_> = stacks.map(|s| s.id).collect();
    changes.extend(stacks.iter().map(|id| Change::DropStack(*id)));

    changes.extend(deserted(world, now));
    let hosts = world.hosts.values().filter(|h| due(h.removed_at));
    let hosts: Vec<_> =
        hosts.filter(|h| world.units_on(h.id).next().is_none()).map(|h| h.id).collect();
    changes.extend(hosts.iter().map(|id| Change::DropHost(*id)));

    let credentials = world.credentials.values().filter(|c| due(c.removed_at));
    changes.extend(credentials.map(|c| Change::DropCredential(c.id)));
    let registries = world.registries.values().filter(|r| due(r.removed_at));
    let registries: Vec<_> = registries.map(|r| r.id).collect();
    changes.extend(registries.iter().map(|id| Change::DropRegistry(*id)));

    let certificates = world.certificates.values().filter(|c| due(c.removed_at));
    let certificates: Vec<_> = certificates.map(|c| c.id).collect();
    changes.extend(certificates.iter().map(|id| Change::DropCertificate(*id)));

    let secrets = world.secrets.values().filter(|s| due(s.removed_at));
    let secrets: Vec<_> = secrets.map(|s| s.id).collect();
    changes.extend(secrets.iter().map(|id| Change::DropSecret(*id)));

    let webhooks = world.webhooks.values().filter(|w| due(w.removed_at));
    let webhooks: Vec<_> = webhooks.map(|w| w.id).collect();
    changes.extend(webhooks.iter().map(|id| Change::DropWebhook(*id)));

    let templates = world.project_templates.values().filter(|t| due(t.removed_at));
    changes.extend(templates.map(|t| Change::DropProjectTemplate(t.id)));

    let asked = world.project_volumes.values().filter(|v| due(v.removed_at));
    let asked: Vec<_> = asked.map(|v| v.id).collect();
    changes.extend(asked.iter().map(|id| Change::DropProjectVolume(*id)));

    let bare = |id| {
        world.stacks.values().all(|s| s.project != id || stacks.contains(&s.id))
            && world.hosts.values().all(|h| h.project != id || hosts.contains(&h.id))
            && world.registries.values().all(|r| r.project != id || registries.contains(&r.id))
            && world.certificates.values().all(|c| c.project != id || certificates.contains(&c.id))
            && world.secrets.values().all(|s| s.project != id || secrets.contains(&s.id))
            && world.webhooks.values().all(|w| w.project != id || webhooks.contains(&w.id))
            && world.project_volumes.values().all(|v| v.project != id || asked.contains(&v.id))
    };
    let projects = world.projects.values().filter(|p| due(p.removed_at) && bare(p.id));
    let projects: Vec<_> = projects.map(|p| p.id).collect();
    let members = world.members.values();
    let members = members.filter(|m| due(m.removed_at) || projects.contains(&m.project));
    changes.extend(members.map(|m| Change::DropMember(m.id)));
    let accounts = world.accounts.values().filter(|a| due(a.removed_at));
    changes.extend(accounts.map(|a| Change::DropAccount(a.id)));
    changes.extend(projects.iter().map(|id| Change::DropProject(*id)));
    changes
}

/// What removes the hosts that have been away for longer than their project waits.
fn deserted(world: &World, now: Time) -> Vec<Change> {
    let hosts = world.hosts.values().filter(|host| host.removed_at.is_none());
    let hosts = hosts.filter(|host| {
        let project = world.projects.get(&host.project);
        let delay = project.and_then(|project| project.settings.host_remove_delay_s);
        let seen = world.seen.get(&host.id).filter(|seen| !seen.connected);
        delay.zip(seen).is_some_and(|(delay, seen)| now >= seen.since + delay.saturating_mul(1000))
    });
    hosts.flat_map(|host| host::removal(world, now, host)).collect()
}
