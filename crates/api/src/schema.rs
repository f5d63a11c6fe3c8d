//! What a type looks like: its fields, methods, actions and links, as data, and the schema documents that clients
//! discover the API by.

mod accept;
mod document;
mod field;
pub(crate) mod inputs;
pub(crate) mod launch;

pub(crate) use accept::{Write, accept, accept_part};
pub(crate) use document::{all, document, documents, is_shown};
pub(crate) use field::{COMMON, Field};

use crate::context::Context;
use crate::outcome::Then;

/// A type of resource.
#[derive(Debug)]
pub(crate) struct Schema {
    /// `loadBalancerService`.
    pub(crate) name: &'static str,
    /// `loadBalancerServices`; empty for types that are only ever part of others.
    pub(crate) plural: &'static str,
    /// `service`; its own name for most.
    pub(crate) base: &'static str,
    /// Methods on the collection.
    pub(crate) collection: &'static [&'static str],
    /// Methods on one resource.
    pub(crate) resource: &'static [&'static str],
    /// Fields, in groups so that kinds of one family share theirs.
    pub(crate) fields: &'static [&'static [Field]],
    /// Actions: name, type of the input, type of the output; empty where there is none.
    pub(crate) actions: &'static [(&'static str, &'static str, &'static str)],
    /// Where its links lead.
    pub(crate) links: &'static [Link],
}

impl Schema {
    /// Its fields, in their order. A group says of a field what holds in place of what groups before it say.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let groups = self.fields;
        groups.iter().enumerate().flat_map(move |(n, group)| {
            let later = groups.get(n + 1..).unwrap_or_default();
            let is_said_later =
                |field: &Field| later.iter().any(|g| g.iter().any(|f| f.name == field.name));
            group.iter().filter(move |field| !is_said_later(field))
        })
    }
}

/// A link of a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// What the server makes of a resource when it is asked, not a row: `None` if there is nothing to be made of this one.
    Made {
        /// Name of the link.
        name: &'static str,
        /// What, by the resource's id. Whoever may read that may have it.
        make: fn(&Context<'_>, &str) -> Option<Then>,
    },
    /// The row of another collection whose id stands in a field here.
    Parent {
        /// Name of the link.
        name: &'static str,
        /// The other collection.
        plural: &'static str,
        /// The field here.
        field: &'static str,
    },
    /// The rows of another collection that carry this id in a field: as a value, in a list or in a map.
    Children {
        /// Name of the link.
        name: &'static str,
        /// The other collection.
        plural: &'static str,
        /// The field there.
        field: &'static str,
    },
    /// The rows of another collection whose ids are in a list or map here.
    Listed {
        /// Name of the link.
        name: &'static str,
        /// The other collection.
        plural: &'static str,
        /// The field here.
        field: &'static str,
    },
}

impl Schema {
    /// Whether a resource of this type may have a member of that name.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        let is_it = |field: &&Field| field.name == name;
        self.fields.iter().any(|group| group.iter().any(|field| is_it(&field)))
            || BESIDES.contains(&name)
    }
}

/// Members of resources that no schema names: Rancher's neither.
const BESIDES: &[&str] = &["actions", "baseType", "links", "type"];

impl Link {
    /// As it is spelled in `links`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Made { name, .. }
            | Self::Parent { name, .. }
            | Self::Children { name, .. }
            | Self::Listed { name, .. } => name,
        }
    }

    /// Whether it leads to rows, which can be shown in the row that the link is of.
    pub(crate) fn leads_to_rows(&self) -> bool {
        !matches!(self, Self::Made { .. })
    }
}

/// Methods of a collection that can be added to.
pub(crate) const LIST_CREATE: &[&str] = &["GET", "POST"];
/// Methods of what can only be read.
pub(crate) const READ: &[&str] = &["GET"];
/// Methods of a resource with all of them.
pub(crate) const EDIT: &[&str] = &["GET", "PUT", "DELETE"];
