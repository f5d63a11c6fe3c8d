//! What a URL path means: the version spoken, the project it is scoped to, and the rest.

use drover_core::ProjectId;

use crate::ids::Kind;

/// Which spelling of the API was asked for; every URL in the answer repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `/v2-beta`, what every client in use speaks.
    V2Beta,
    /// `/v1`: an alias that answers the same.
    V1,
}

impl Version {
    /// As it stands in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2Beta => "v2-beta",
            Self::V1 => "v1",
        }
    }
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// First segment.
    pub version: Version,
    /// For `/projects/{id}/…`: that project. Whether it exists is not known here.
    pub scope: Option<ProjectId>,
    /// What follows, without empty segments.
    pub path: Vec<String>,
}

impl Address {
    /// Read a (percent-decoded) path; `None` if it isn't one of this API. Doubled and trailing slashes don't
    /// matter.
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        let version = match segments.next()? {
            "v2-beta" => Version::V2Beta,
            "v1" => Version::V1,
            _ => return None,
        };
        let rest: Vec<&str> = segments.collect();
        let (scope, rest) = match rest.as_slice() {
            [first, id, tail @ ..] if is_scope(first, tail) => match Kind::Project.parse(id) {
                Some(id) => (Some(ProjectId(id)), tail),
                None => (None, rest.as_slice()),
            },
            all => (None, all),
        };
        Some(Self { version, scope, path: rest.iter().map(|s| (*s).to_owned()).collect() })
    }

    /// Value of the `X-API-Schemas` header. A bare project names its own schemas, unlike Rancher's, so that
    /// an account key works with a project URL.
    pub fn schemas_url(&self, base: &str) -> String {
        let version = self.version.as_str();
        let project = self.scope.or_else(|| match self.path.as_slice() {
            [first, id] if is_projects(first) => Kind::Project.parse(id).map(ProjectId),
            _ => None,
        });
        match project {
            Some(id) => format!("{base}/{version}/projects/{}/schemas", Kind::Project.id(id.0)),
            None => format!("{base}/{version}/schemas"),
        }
    }
}

/// Whether `/projects/{id}/tail` is the tree scoped to that project. All its members are a link of the project.
fn is_scope(first: &str, tail: &[&str]) -> bool {
    let is_link = matches!(tail, [link] if is_members(link));
    is_projects(first) && !tail.is_empty() && !is_link
}

/// Whether a segment is the link from a project to its members.
pub(crate) fn is_members(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("projectmembers")
}

fn is_projects(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("projects") || segment.eq_ignore_ascii_case("project")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |path: &str, scope: Option<u64>, rest: &[&str], schemas: &str| {
            let got = Address::parse(path).unwrap();
            assert_eq!(got.scope, scope.map(ProjectId), "{path}");
            assert_eq!(got.path, rest, "{path}");
            assert_eq!(got.schemas_url("http://h"), schemas, "{path}");
        };
        let global = "http://h/v2-beta/schemas";
        let own = "http://h/v2-beta/projects/1a5/schemas";
        check("/v2-beta", None, &[], global);
        check("//v2-beta//stacks/", None, &["stacks"], global);
        check("/v2-beta/projects/1a5", None, &["projects", "1a5"], own);
        check("/v2-beta/projects/1a5/services/1s7/", Some(5), &["services", "1s7"], own);
        check("/v2-beta/Projects/1a5/schemas/schemas", Some(5), &["schemas", "schemas"], own);
        let members = ["projects", "1a5", "projectmembers"];
        check("/v2-beta/projects/1a5/projectmembers", None, &members, global);
        check(
            "/v2-beta/projects/1a5/projectmembers/1pm7",
            Some(5),
            &["projectmembers", "1pm7"],
            own,
        );
        check("/v2-beta/projects/x/hosts", None, &["projects", "x", "hosts"], global);
        check("/v1/services", None, &["services"], "http://h/v1/schemas");
        assert_eq!(Address::parse("/v3/services"), None);
        assert_eq!(Address::parse("/"), None);
    }
}
