//! Where the server's API is, from any of the URLs people have in their scripts.

/// A server's API, and the environment in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http://host:port`, and a path before the API's if a proxy put one there.
    pub(crate) origin: String,
    /// Id of the environment.
    pub(crate) project: Option<String>,
}

/// First segment of the API's paths, by which it is told from a proxy's prefix.
const VERSIONS: [&str; 3] = ["v2-beta", "v1", "v2"];

impl Address {
    /// Read `http://h:8080`, `…/v1`, `…/v2-beta/projects/1a5`, `…/v1/projects/1a5/schemas`, or the address of
    /// an environment's page, `…/env/1a5/…`.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err("it must begin with http:// or https://".to_owned());
        };
        if !matches!(scheme, "http" | "https") {
            return Err(format!("`{scheme}` is not spoken; use http or https"));
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let mut segments = rest.split('/').filter(|s| !s.is_empty());
        let host = segments.next().ok_or("it names no host")?;
        if host.contains('@') {
            return Err(
                "it holds a user name; give the key with --access-key and --secret-key".to_owned()
            );
        }
        let mut origin = format!("{scheme}://{host}");
        let segments: Vec<&str> = segments.collect();
        let at = |wanted: &[&str]| segments.iter().position(|s| wanted.contains(s));
        let (prefix, project) = match (at(&VERSIONS), at(&["env"])) {
            (Some(version), _) => (version, after(&segments[version + 1..], "projects")),
            (None, Some(page)) => (page, after(&segments[page..], "env")),
            (None, None) => (segments.len(), None),
        };
        for segment in &segments[..prefix] {
            origin.push('/');
            origin.push_str(segment);
        }
        Ok(Self { origin, project })
    }

    /// The URL of a path in the environment.
    pub(crate) fn url(&self, path: &str) -> String {
        match &self.project {
            Some(project) => format!("{}/v2-beta/projects/{project}/{path}", self.origin),
            None => format!("{}/v2-beta/{path}", self.origin),
        }
    }

    /// A URL the server handed out, as we can reach it.
    pub(crate) fn own(&self, url: &str) -> String {
        let path = url.find("/v2-beta").or_else(|| url.find("/v1/")).map(|at| &url[at..]);
        path.map_or_else(|| url.to_owned(), |path| format!("{}{path}", self.origin))
    }
}

/// What follows a segment that must come first.
fn after(segments: &[&str], name: &str) -> Option<String> {
    match segments {
        [first, id, ..] if *first == name => Some((*id).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, origin, project) in [
            ("http://h:8080", "http://h:8080", None),
            ("http://h:8080/", "http://h:8080", None),
            ("http://h:8080/v1", "http://h:8080", None),
            ("http://h:8080/v2-beta/", "http://h:8080", None),
            ("https://h/v1/projects/1a5", "https://h", Some("1a5")),
            ("https://h/v2-beta/projects/1a5/schemas", "https://h", Some("1a5")),
            ("https://h/rancher/v2-beta/projects/1a5", "https://h/rancher", Some("1a5")),
            ("http://h/env/1a7/apps/stacks?which=all", "http://h", Some("1a7")),
        ] {
            let read = Address::parse(url).unwrap();
            assert_eq!((read.origin.as_str(), read.project.as_deref()), (origin, project), "{url}");
        }
        for bad in ["h:8080", "ftp://h", "http://", "http://a:b@h", ""] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_servers_urls_are_followed_by_path() {
        let here = Address::parse("http://127.0.0.1:9000/drover").unwrap();
        assert_eq!(
            here.own("http://server:8080/v2-beta/services?marker=m5"),
            "http://127.0.0.1:9000/drover/v2-beta/services?marker=m5"
        );
        assert_eq!(here.url("services"), "http://127.0.0.1:9000/drover/v2-beta/services");
    }
}
