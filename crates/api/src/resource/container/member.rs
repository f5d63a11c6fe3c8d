//! One member of one unit, with everything the snapshot knows of it.

use drover_core::{
    ContainerSpec, Observed, ObservedContainer, Service, Slot, Template, Unit, World,
};

use crate::context::Context;
use crate::ids::Kind;

/// A container as planned and seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// The unit it belongs to.
    pub(crate) unit: &'a Unit,
    /// The unit's service.
    pub(crate) service: &'a Service,
    /// All members of the unit.
    pub(crate) template: &'a Template,
    /// Its place among them.
    pub(crate) index: usize,
    /// Its name among them; empty is the primary.
    pub(crate) name: &'a str,
    /// What it is to be.
    pub(crate) spec: &'a ContainerSpec,
    /// What was seen of the unit.
    pub(crate) seen: Option<&'a Observed>,
}

impl<'a> Member<'a> {
    /// Its wire id.
    pub(crate) fn id(&self) -> String {
        Kind::Container.id(self.serial())
    }

    /// Its number: those of a unit's members follow the unit's, in order.
    pub(crate) fn serial(&self) -> u64 {
        self.unit.serial + u64::try_from(self.index).unwrap_or(0)
    }

    /// The wire id of another member.
    pub(super) fn sibling(self, index: usize) -> String {
        Member { index, ..self }.id()
    }

    /// The wire id of a member by its name.
    pub(super) fn sibling_named(&self, name: &str) -> Option<String> {
        self.template.members().position(|(known, _)| known == name).map(|i| self.sibling(i))
    }

    /// What was seen of it.
    pub(crate) fn held(&self) -> Option<&'a ObservedContainer> {
        self.seen.and_then(|seen| seen.containers.get(self.name))
    }

    /// `stack-service-N`, for a sidekick `stack-service-sidekick-N`.
    pub(crate) fn shown_name(&self, world: &World) -> String {
        let stack = world.stacks.get(&self.service.stack).map_or("", |stack| stack.name.as_str());
        let (service, number) = (&self.service.name, self.number());
        if self.name.is_empty() {
            format!("{stack}-{service}-{number}")
        } else {
            format!("{stack}-{service}-{}-{number}", self.name)
        }
    }

    /// `N` of the name.
    pub(super) fn number(&self) -> u64 {
        match self.unit.key.slot {
            Slot::Number(number) => number.into(),
            Slot::Host(host) => host.0,
        }
    }
}

/// All containers the caller may see.
pub(crate) fn members<'a>(ctx: &'a Context<'_>) -> impl Iterator<Item = Member<'a>> {
    let world = ctx.world;
    let all = world.units.values().flat_map(|unit| of_unit(world, unit));
    all.filter(|member| ctx.sees(member.service.project))
}

/// The containers of a unit.
pub(crate) fn of_unit<'a>(
    world: &'a World,
    unit: &'a Unit,
) -> impl Iterator<Item = Member<'a>> + use<'a> {
    let service = world.service(unit.key.service);
    let template = world.template(unit.key.service, unit.key.revision);
    let seen = world.observed(unit.key);
    service.zip(template).into_iter().flat_map(move |(service, template)| {
        template.members().enumerate().map(move |(index, (name, spec))| Member {
            unit,
            service,
            template,
            index,
            name,
            spec,
            seen,
        })
    })
}

/// The container with an id.
pub(super) fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Option<Member<'a>> {
    let member = by_number(ctx.world, Kind::Container.parse(id)?)?;
    ctx.sees(member.service.project).then_some(member)
}

/// The container with a number, whosever it is.
pub(crate) fn by_number(world: &World, number: u64) -> Option<Member<'_>> {
    // The unit with the greatest number up to this one; numbers are never given twice.
    let units = world.units.values().filter(|unit| unit.serial <= number);
    let unit = units.max_by_key(|unit| unit.serial)?;
    let index = usize::try_from(number - unit.serial).ok()?;
    of_unit(world, unit).nth(index)
}
