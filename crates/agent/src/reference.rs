//! Image references, as far as the agent reads them: registry, repository, tag, digest. Whether there is such an
//! image is the registry's to say.

/// The registry of references that name none.
pub const DOCKER_HUB: &str = "docker.io";

/// A reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry, `host[:port]`.
    pub registry: String,
    /// The repository in it.
    pub repository: String,
    /// The tag; `latest` if neither tag nor digest is given.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

impl Reference {
    /// Take a reference apart; never fails, Docker judges what it is given.
    pub fn parse(text: &str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            Some(_) | None => (rest, None),
        };
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            Some(_) | None => (DOCKER_HUB, name),
        };
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let official = registry == DOCKER_HUB && !repository.contains('/');
        let repository =
            if official { format!("library/{repository}") } else { repository.to_owned() };
        Self { registry: registry.to_owned(), repository, tag, digest }
    }

    /// Whether two references are of the same repository.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.registry == other.registry && self.repository == other.repository
    }
}

/// The registry a login is for, as it would stand in a reference: people also write addresses.
pub fn registry_of_login(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    match host {
        "index.docker.io" | "registry-1.docker.io" | "hub.docker.com" => DOCKER_HUB,
        other => other,
    }
}

fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let check = |text, registry, repository, tag: Option<&str>, digest: Option<&str>| {
            let want = Reference {
                registry: String::from(registry),
                repository: String::from(repository),
                tag: tag.map(str::to_owned),
                digest: digest.map(str::to_owned),
            };
            assert_eq!(Reference::parse(text), want, "{text}");
        };
        check("nginx", "docker.io", "library/nginx", Some("latest"), None);
        check("nginx:1.25", "docker.io", "library/nginx", Some("1.25"), None);
        check("docker.io/library/nginx", "docker.io", "library/nginx", Some("latest"), None);
        check("bitnami/redis:7", "docker.io", "bitnami/redis", Some("7"), None);
        check("r.example:5000/a/b", "r.example:5000", "a/b", Some("latest"), None);
        check("localhost/a:1", "localhost", "a", Some("1"), None);
        check("a.example/b@sha256:0f", "a.example", "b", None, Some("sha256:0f"));
    }

    #[test]
    fn logins() {
        for (server, want) in [
            ("r.example:5000", "r.example:5000"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("https://r.example/v2/", "r.example"),
        ] {
            assert_eq!(registry_of_login(server), want);
        }
    }
}
