//! What a type looks like: its fields, methods, actions and links, as data, and the schema documents that clients
//! discover the API by.

mod document;
mod field;
pub(crate) mod inputs;
pub(crate) mod launch;

pub(crate) use document::{all, document, documents, is_shown};
pub(crate) use field::{COMMON, Field};

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

/// A link of a resource, resolved over rendered rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
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
            Self::Parent { name, .. } | Self::Children { name, .. } | Self::Listed { name, .. } => {
                name
            }
        }
    }
}

/// Methods of a collection that can be added to.
pub(crate) const LIST_CREATE: &[&str] = &["GET", "POST"];
/// Methods of what can only be read.
pub(crate) const READ: &[&str] = &["GET"];
/// Methods of a resource with all of them.
pub(crate) const EDIT: &[&str] = &["GET", "PUT", "DELETE"];
