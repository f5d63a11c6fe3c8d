//! How keys are spelled on the wire: `1`, the letters of the type, the number (`1s5`). Clients treat them as
//! opaque; the letters keep an id of one type from being taken for another's.

/// A type of thing that has ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Kind {
    Account,
    AuditLog,
    Certificate,
    Container,
    Credential,
    Host,
    IpAddress,
    Label,
    Mount,
    Network,
    NetworkDriver,
    PhysicalHost,
    Port,
    Project,
    ProjectMember,
    ProjectTemplate,
    PullTask,
    Registry,
    Secret,
    Service,
    ServiceConsumeMap,
    ServiceExposeMap,
    ServiceLog,
    ServiceRevision,
    Stack,
    StorageDriver,
    StoragePool,
    Volume,
    VolumeTemplate,
    Webhook,
}

impl Kind {
    fn letters(self) -> &'static str {
        match self {
            Self::Container => "i",
            // Numbers are never shared, so neither are ids.
            Self::Certificate | Self::Credential => "c",
            Self::Host => "h",
            Self::IpAddress => "ia",
            Self::Label => "l",
            Self::Mount => "m",
            Self::Network => "n",
            Self::NetworkDriver => "nd",
            Self::StorageDriver => "sd",
            Self::PhysicalHost => "ph",
            Self::Port => "p",
            // As in Rancher, where a project is an account.
            Self::Account | Self::Project => "a",
            Self::AuditLog => "al",
            Self::ProjectMember => "pm",
            Self::ProjectTemplate => "pt",
            Self::PullTask => "go",
            Self::Registry | Self::StoragePool => "sp",
            Self::Secret => "se",
            Self::Service => "s",
            Self::ServiceConsumeMap => "scm",
            Self::ServiceExposeMap => "sem",
            Self::ServiceLog => "sl",
            Self::ServiceRevision => "sr",
            Self::Stack => "st",
            Self::Volume => "v",
            Self::VolumeTemplate => "vt",
            Self::Webhook => "wh",
        }
    }

    /// The id of number `n`.
    pub fn id(self, n: u64) -> String {
        format!("1{}{n}", self.letters())
    }

    /// The number in an id of this type; `None` for anything else.
    pub fn parse(self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix('1')?.strip_prefix(self.letters())?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if plain { digits.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_and_do_not_mix() {
        assert_eq!(Kind::Stack.id(7), "1st7");
        assert_eq!(Kind::Stack.parse("1st7"), Some(7));
        for (kind, bad) in [
            (Kind::Service, "1st7"),
            (Kind::Service, "1s"),
            (Kind::Service, "1s+7"),
            (Kind::Service, "1s07"),
            (Kind::Service, "s7"),
            (Kind::Service, "web"),
            (Kind::Service, "1s99999999999999999999"),
            (Kind::Stack, "1s7"),
        ] {
            assert_eq!(kind.parse(bad), None, "{bad}");
        }
    }
}
