//! Whether a unit would stand better on another host than where it is: the rank by which new units are placed, and
//! nothing is gained unless that is strictly less.

use super::bearers::bearers;
use super::fits::Asker;
use super::{HostUse, Need};
use crate::{Desired, Host, Template, Unit, World};

/// What is gained. Numbers are of the host it is on and of the other one, as they are before it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gain {
    /// Fewer soft constraints are broken.
    Wishes,
    /// Its service's units are spread more evenly.
    Spread,
    /// More of the memory it asks for is free.
    Memory,
    /// More of the CPU it asks for is free.
    Cpu,
    /// There are fewer containers.
    Containers,
}

/// What a unit gains on another host, whether or not it fits there; `None` if nothing.
pub(crate) fn gain(
    world: &World,
    need: &Need,
    template: &Template,
    unit: &Unit,
    to: &Host,
) -> Option<Gain> {
    let from = world.host(unit.host)?;
    let bearers = bearers(world, &need.constraints);
    let asker = Asker { world, need, bearers: &bearers };
    let wishes = |host: &Host| asker.soft_misfits(host);
    let siblings = |host: &Host| {
        let units = world.units_of_on(need.service, host.id);
        units.filter(|u| u.key.slot != need.slot && u.desired == Desired::Running).count()
    };
    // The least is the best: what is taken counts without the unit itself, wherever it is.
    let own = HostUse::of(template);
    let (memory, cpu, containers, _) = world.tail(from, need.asks());
    let asked = |yes: bool, own: i64| if yes { own } else { 0 };
    let memory = std::cmp::Reverse(memory.0 + asked(need.asks().0, own.memory));
    let cpu = std::cmp::Reverse(cpu.0 + asked(need.asks().1, own.milli_cpu));
    let containers = containers.saturating_sub(own.containers);
    let there = world.tail(to, need.asks());
    let kinds = [
        (Gain::Wishes, wishes(to).cmp(&wishes(from))),
        (Gain::Spread, siblings(to).cmp(&siblings(from))),
        (Gain::Memory, there.0.cmp(&memory)),
        (Gain::Cpu, there.1.cmp(&cpu)),
        (Gain::Containers, there.2.cmp(&containers)),
    ];
    let (gain, order) = kinds.into_iter().find(|(_, order)| order.is_ne())?;
    order.is_lt().then_some(gain)
}
