//! One member of one unit, with everything the snapshot knows of it.

use drover_core::{
    ContainerSpec, HostId, Observed, ObservedContainer, RevisionNo, Service, ServiceId, Slot,
    StackId, Template, Unit, World,
};

use crate::context::Context;
use crate::departed::Departed;
use crate::ids::Kind;
use crate::row::Only;

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
    /// What is left of its unit, if the snapshot has forgotten that.
    pub(super) departed: Option<&'a Departed>,
    world: &'a World,
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

    /// What was seen of the unit.
    pub(crate) fn seen(&self) -> Option<&'a Observed> {
        match self.departed {
            Some(departed) => departed.seen.as_deref(),
            None => self.world.observed(self.unit.key),
        }
    }

    /// What was seen of it.
    pub(crate) fn held(&self) -> Option<&'a ObservedContainer> {
        self.seen().and_then(|seen| seen.containers.get(self.name))
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

/// Fields that [`members`] narrows by.
pub(crate) const NARROWED: &[&str] = &["hostId", "id", "serviceId", "serviceIds", "stackId"];

/// The containers the caller may see; where `only` names a service, a host, a stack or a container, no more than its own.
pub(crate) fn members<'a>(
    ctx: &'a Context<'_>,
    only: &Only<'_>,
) -> Box<dyn Iterator<Item = Member<'a>> + 'a> {
    let world = ctx.world;
    let sees = |member: &Member<'_>| ctx.sees(member.service.project);
    // Nothing has the number of what is no id.
    let number = |kind: Kind, id: &str| kind.parse(id).unwrap_or(0);
    let of_number = |id: u64| world.service(ServiceId(id)).into_iter();
    if let Some(id) = only.get("id") {
        return Box::new(find(ctx, id).into_iter());
    }
    if let Some(id) = only.get("serviceId").or(only.held("serviceIds")) {
        let service = of_number(number(Kind::Service, id));
        return Box::new(service.flat_map(|service| of_service(world, service)).filter(sees));
    }
    if let Some(id) = only.get("hostId") {
        let units = world.units_on(HostId(number(Kind::Host, id)));
        return Box::new(units.flat_map(|unit| of_unit(world, unit)).filter(sees));
    }
    if let Some(id) = only.get("stackId") {
        let services = world.services_in(StackId(number(Kind::Stack, id)));
        return Box::new(services.flat_map(|service| of_service(world, service)).filter(sees));
    }
    let services = world.services.values().filter(|service| ctx.sees(service.project));
    Box::new(services.flat_map(|service| of_service(world, service)))
}

/// Those that rows of another type are about. Where `only` says what is in a field of these rows, the containers for which that
/// is so of a field of theirs: the pairs are of one's field and the other's.
pub(crate) fn members_behind<'a>(
    ctx: &'a Context<'_>,
    only: &Only<'_>,
    fields: &[(&str, &str)],
) -> Box<dyn Iterator<Item = Member<'a>> + 'a> {
    let asked = fields.iter().find_map(|(rows, own)| Some((*own, only.get(rows)?)));
    members(ctx, &asked.map_or_else(Only::default, |(field, id)| Only::one(field, id)))
}

/// The containers of a unit.
pub(crate) fn of_unit<'a>(
    world: &'a World,
    unit: &'a Unit,
) -> impl Iterator<Item = Member<'a>> + use<'a> {
    let service = world.service(unit.key.service);
    let template = world.template(unit.key.service, unit.key.revision);
    let known = service.zip(template);
    known.into_iter().flat_map(move |(service, template)| made(world, unit, service, template))
}

/// The containers of a service's units. There may be thousands, of few revisions: each is looked up when it is another than that
/// of the unit before.
fn of_service<'a>(world: &'a World, service: &'a Service) -> impl Iterator<Item = Member<'a>> {
    let mut last: Option<(RevisionNo, &Template)> = None;
    let known = world.units_of(service.id).filter_map(move |unit| {
        let revision = unit.key.revision;
        let template = match last {
            Some((held, template)) if held == revision => template,
            _ => world.template(service.id, revision)?,
        };
        last = Some((revision, template));
        Some((unit, template))
    });
    known.flat_map(move |(unit, template)| made(world, unit, service, template))
}

/// The containers of a unit that are made by a template.
fn made<'a>(
    world: &'a World,
    unit: &'a Unit,
    service: &'a Service,
    template: &'a Template,
) -> impl Iterator<Item = Member<'a>> {
    let members = template.members().enumerate();
    members.map(move |(index, (name, spec))| Member {
        unit,
        service,
        template,
        index,
        name,
        spec,
        departed: None,
        world,
    })
}

/// The container with an id.
pub(super) fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Option<Member<'a>> {
    let member = by_number(ctx.world, Kind::Container.parse(id)?)?;
    ctx.sees(member.service.project).then_some(member)
}

/// The container with an id that the snapshot has forgotten, as far as its service is still known.
pub(super) fn find_departed<'a>(ctx: &'a Context<'_>, id: &str) -> Option<Member<'a>> {
    let (world, number) = (ctx.world, Kind::Container.parse(id)?);
    let departed = Departed::of(ctx.departed, number)?;
    let service = world.service(departed.unit.key.service).filter(|s| ctx.sees(s.project))?;
    let index = usize::try_from(number - departed.unit.serial).ok()?;
    let found = made(world, &departed.unit, service, &departed.template).nth(index)?;
    Some(Member { departed: Some(departed), ..found })
}

/// The container with a number, whosever it is.
pub(crate) fn by_number(world: &World, number: u64) -> Option<Member<'_>> {
    let unit = world.unit_numbered(number)?;
    let index = usize::try_from(number - unit.serial).ok()?;
    of_unit(world, unit).nth(index)
}
