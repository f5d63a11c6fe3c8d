//! The versions of the metadata tree, and how they differ.

/// A version of the tree; older ones keep for ever what their clients rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edition {
    /// Services and stacks list what is in them by name.
    First,
    /// They hold it.
    Second,
    /// Names are in lower case, and ports bound on all addresses say so.
    Third,
}

impl Edition {
    /// All, as they are listed.
    pub(super) const NAMES: [&'static str; 4] =
        ["2015-07-25", "2015-12-19", "2016-07-29", "latest"];

    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "2015-07-25" => Some(Self::First),
            "2015-12-19" => Some(Self::Second),
            "2016-07-29" | "latest" => Some(Self::Third),
            _ => None,
        }
    }

    /// A name as this version spells it.
    pub(super) fn spell(self, name: &str) -> String {
        match self {
            Self::First | Self::Second => name.to_owned(),
            Self::Third => name.to_lowercase(),
        }
    }

    /// Whether lists inside of things hold things, not names.
    pub(super) fn nests(self) -> bool {
        self > Self::First
    }
}
