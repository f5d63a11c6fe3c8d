//! Who asks, when, by which URL, about which snapshot.

use std::collections::BTreeMap;

use drover_core::plan::Note;
use drover_core::protocol::HostEvent;
use drover_core::{Audit, Grant, HostId, ProjectId, Rank, Rights, ServiceId, Time, World};

use crate::address::Version;
use crate::body::Body;
use crate::catalog::Library;
use crate::departed::Departed;
use crate::errand::Errand;
use crate::error::{ApiError, Code};
use crate::ids::Kind;

/// Everything an answer depends on besides the request itself.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The snapshot.
    pub world: &'a World,
    /// What the last plan said of each service.
    pub notes: &'a BTreeMap<ServiceId, Vec<Note>>,
    /// Recent events, newest first, for the types made of them; empty is fine for all others.
    pub events: &'a [Event],
    /// Pulls that users asked for and the server keeps track of, oldest first; empty is fine for all types but
    /// `pullTask`.
    pub pulls: &'a [Pull],
    /// What hosts were asked to do with single containers, by their numbers; empty is fine for all other types.
    pub errands: &'a BTreeMap<u64, Errand>,
    /// Units that the snapshot has forgotten of late, by their serials; of use where a request names a
    /// container by its id.
    pub departed: &'a BTreeMap<u64, Departed>,
    /// The catalog; of use where a project is made of a template, or that of its parts.
    pub library: &'a Library,
    /// What was done through the API, newest first; empty is fine for all types but `auditLog`.
    pub audits: &'a [Audited],
    /// `http://host:port`, as the client sees this server.
    pub base: String,
    /// Which spelling was asked for.
    pub version: Version,
    /// The project of a `/projects/{id}/…` URL.
    pub scope: Option<ProjectId>,
    /// Who asks.
    pub caller: Caller,
    /// What that lets them do in this snapshot.
    pub rights: Rights,
    /// Random text for this request.
    pub fresh: Fresh,
    /// When.
    pub now: Time,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Access key, for the record.
    pub access: String,
    /// What it opens.
    pub grant: Grant,
    /// The one project this is about, if the request says so elsewhere than in its URL.
    pub within: Option<ProjectId>,
}

impl Caller {
    /// What the caller may do where, in a snapshot.
    pub fn rights(&self, world: &World) -> Rights {
        let rights = Rights::of(world, &self.grant);
        match self.within {
            Some(project) => rights.within(project),
            None => rights,
        }
    }
}

/// Random text, handed in so that this crate stays pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// A UUID.
    pub uuid: String,
    /// The public half of a new key pair.
    pub public: String,
    /// The secret half, at least 128 bits.
    pub secret: String,
}

/// Something that happened, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The store's number of it.
    pub id: u64,
    /// Whose agent told.
    pub host: HostId,
    /// What.
    pub event: HostEvent,
}

/// Something that was done through the API, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// The store's number of it.
    pub id: u64,
    /// What.
    pub audit: Audit,
}

/// A pull of an image on the hosts of a project. It changes nothing in the snapshot, so the server alone
/// knows how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The server's number of it.
    pub id: u64,
    /// Whose hosts.
    pub project: ProjectId,
    /// What.
    pub image: String,
    /// Labels that select hosts.
    pub labels: BTreeMap<String, String>,
    /// Only where the image is already.
    pub only_if_present: bool,
    /// Host name → what it is at, in words; `Done` where it worked.
    pub status: BTreeMap<String, String>,
    /// How it stands.
    pub progress: PullProgress,
    /// When it was asked for.
    pub created_at: Time,
}

/// How a pull stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullProgress {
    /// Some host is not done.
    Pulling,
    /// All hosts have it.
    Done,
    /// All hosts are done; some failed, see their words.
    Failed,
}

impl Context<'_> {
    /// Whether the caller may see things of this project under this URL.
    pub fn sees(&self, project: ProjectId) -> bool {
        let granted = self.rights.in_project(project).is_some();
        granted && self.scope.is_none_or(|scope| scope == project)
    }

    /// The project that new things go to: the URL's, the key's own, or the only one there is.
    pub fn project(&self) -> Result<ProjectId, ApiError> {
        let mut seen =
            self.world.projects.values().filter(|p| p.removed_at.is_none() && self.sees(p.id));
        match (seen.next(), seen.next()) {
            (Some(one), None) => Ok(one.id),
            (None, _) => Err(ApiError::not_found("the project of this URL or key")),
            (Some(_), Some(_)) => Err(ApiError::on(
                Code::MissingRequired,
                "accountId",
                "this key sees several projects: use a URL of the form /v2-beta/projects/{id}/…",
            )),
        }
    }

    /// The same, for something new: an administrator may also name it in the body.
    pub(crate) fn project_for(&self, body: Body<'_>) -> Result<ProjectId, ApiError> {
        let named = match self.scope {
            None if self.rights.base() == Rank::Admin => body.hint("accountId"),
            _ => None,
        };
        match named {
            Some(id) => self.living_project("accountId", &id),
            None => self.project(),
        }
    }

    /// The project of an id in a body.
    pub(crate) fn living_project(&self, field: &str, id: &str) -> Result<ProjectId, ApiError> {
        let named = Kind::Project.parse(id).map(ProjectId).filter(|id| {
            let held = self.world.projects.get(id);
            self.sees(*id) && held.is_some_and(|held| held.removed_at.is_none())
        });
        named.ok_or_else(|| {
            ApiError::on(Code::InvalidReference, field, format!("there is no project {id}"))
        })
    }

    /// Refuses callers that have no business here and scopes that don't exist for them.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        if matches!(self.caller.grant, Grant::Registration { .. } | Grant::Agent(_)) {
            let why = "this key belongs to an agent or a registration, not to a user of the API";
            return Err(ApiError::new(Code::Forbidden, why));
        }
        for id in self.scope.iter().chain(&self.caller.within) {
            if !(self.sees(*id) && self.world.projects.contains_key(id)) {
                return Err(ApiError::not_found(format!("project {}", Kind::Project.id(id.0))));
            }
        }
        Ok(())
    }

    /// Number of the next thing to be made.
    pub(crate) fn next_id(&self) -> u64 {
        self.world.next_id
    }

    /// An absolute URL under the scope asked for. Cattle spells types in lower case; so do we.
    pub(crate) fn url(&self, path: &str) -> String {
        let (base, version) = (&self.base, self.version.as_str());
        match self.scope {
            Some(id) => format!("{base}/{version}/projects/{}/{path}", Kind::Project.id(id.0)),
            None if path.is_empty() => format!("{base}/{version}"),
            None => format!("{base}/{version}/{path}"),
        }
    }

    /// URL of one resource.
    pub(crate) fn resource_url(&self, plural: &str, id: &str) -> String {
        self.url(&format!("{}/{id}", plural.to_ascii_lowercase()))
    }
}
