//! What was pushed, from the words of those who tell: Docker Hub, cloud registries, Docker's own registry, pipelines. Pure,
//! and careful: these come from outside.

use drover_core::Payload;
use serde_json::Value;

/// The registry of names that name none.
const DOCKER_HUB: &str = "docker.io";
/// Other names of it.
const HUB_NAMES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// Bytes of a name or a tag, at most: Docker's own bounds.
const LONGEST: usize = 255;

/// An image that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Where it is.
    pub(super) repository: Repository,
    /// Its tag.
    pub(super) tag: String,
}

/// A repository, so that two names of one are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    registry: String,
    name: String,
}

impl Repository {
    /// That of an image's name, whatever its tag or digest.
    pub(super) fn of(image: &str) -> Self {
        let image = image.strip_prefix("docker:").unwrap_or(image);
        let (registry, name) = match bare(image).0.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            Some(_) | None => (DOCKER_HUB, bare(image).0),
        };
        let registry = registry.to_ascii_lowercase();
        if !HUB_NAMES.contains(&registry.as_str()) {
            return Self { registry, name: name.to_owned() };
        }
        // Docker's own images have no owner in their short names.
        let name = if name.contains('/') { name.to_owned() } else { format!("library/{name}") };
        Self { registry: DOCKER_HUB.to_owned(), name }
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

/// An image's name with another tag, spelled as it was.
pub(super) fn tagged(image: &str, tag: &str) -> String {
    format!("{}:{tag}", bare(image).0)
}

/// Name and tag; without the digest.
fn bare(image: &str) -> (&str, Option<&str>) {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        // `docker:` before a name is no name with a tag, and a port is none either.
        Some((bare, tag)) if !tag.contains('/') => (bare, Some(tag)),
        Some(_) | None => (name, None),
    }
}

fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

/// What was pushed, of what there may be several (a registry gathers its notifications); or what is missing, in words.
pub(super) fn read(payload: Payload, said: &Value) -> Result<Vec<Pushed>, String> {
    let pushed = match payload {
        Payload::DockerHub => {
            let tag = text(said, &["push_data", "tag"])?;
            vec![pushed(text(said, &["repository", "repo_name"])?, tag)?]
        }
        Payload::AliCloud => {
            let tag = text(said, &["push_data", "tag"])?;
            let name = text(said, &["repository", "repo_full_name"])?;
            let region = text(said, &["repository", "region"])?;
            vec![pushed(&format!("registry.{region}.aliyuncs.com/{name}"), tag)?]
        }
        Payload::Azure => {
            let tag = text(said, &["target", "tag"])?;
            let name = text(said, &["target", "repository"])?;
            let host = text(said, &["request", "host"])?;
            vec![pushed(&format!("{host}/{name}"), tag)?]
        }
        Payload::Registry => return notifications(said),
        Payload::Generic => {
            let image = text(said, &["image"])?;
            let given = said.get("tag").map(|_| text(said, &["tag"])).transpose()?;
            let tag = given.or(bare(image).1);
            let tag = tag.ok_or("`tag` is missing, and `image` has none")?;
            vec![pushed(image, tag)?]
        }
    };
    Ok(pushed)
}

/// `{"events": [{"action": "push", "target": {"repository", "tag"}, "request": {"host"}}]}`. Layers are pushed too, without
/// a tag.
fn notifications(said: &Value) -> Result<Vec<Pushed>, String> {
    let events = said["events"].as_array().ok_or("`events` is missing, or is no list")?;
    let mut all = Vec::new();
    for event in events.iter().filter(|event| event["action"] == "push") {
        if event["target"]["tag"].as_str().is_none_or(str::is_empty) {
            continue;
        }
        let tag = text(event, &["target", "tag"])?;
        let name = text(event, &["target", "repository"])?;
        let host = text(event, &["request", "host"])?;
        let one = pushed(&format!("{host}/{name}"), tag)?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Ok(all)
}

fn pushed(image: &str, tag: &str) -> Result<Pushed, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let is_tag = tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if image.len() > LONGEST || !image.chars().all(plain) || tag.len() > LONGEST || !is_tag {
        return Err("what it says was pushed is no name of an image".to_owned());
    }
    Ok(Pushed { repository: Repository::of(image), tag: tag.to_owned() })
}

/// A text that must be there.
fn text<'a>(said: &'a Value, path: &[&str]) -> Result<&'a str, String> {
    let found = path.iter().fold(said, |value, name| &value[*name]);
    let found = found.as_str().filter(|text| !text.is_empty());
    found.ok_or_else(|| format!("`{}` is missing, or is no text", path.join(".")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_one_repository_are_equal() {
        let check = |image: &str, want: &str| {
            assert_eq!(Repository::of(image).to_string(), want, "{image}");
        };
        check("nginx", "docker.io/library/nginx");
        check("docker:nginx:1.25", "docker.io/library/nginx");
        check("library/nginx@sha256:0f", "docker.io/library/nginx");
        check("index.docker.io/acme/web:2", "docker.io/acme/web");
        check("acme/web", "docker.io/acme/web");
        check("R.example:5000/web:1@sha256:0f", "r.example:5000/web");
        check("docker:r.example:5000/a/web", "r.example:5000/a/web");
        check("localhost/web", "localhost/web");
    }

    #[test]
    fn a_name_keeps_its_spelling_with_another_tag() {
        let check = |image: &str, want: &str| assert_eq!(tagged(image, "2"), want);
        check("nginx", "nginx:2");
        check("r.example:5000/web:1", "r.example:5000/web:2");
        check("r.example:5000/web", "r.example:5000/web:2");
        check("web:1@sha256:0f", "web:2");
    }

    #[test]
    fn who_tells_in_which_words() {
        let check = |payload, said: Value, want: Result<&[(&str, &str)], &str>| {
            let got = read(payload, &said).map(|all| {
                all.iter()
                    .map(|one| (one.repository.to_string(), one.tag.clone()))
                    .collect::<Vec<_>>()
            });
            let want = want.map(|all| {
                all.iter().map(|(name, tag)| ((*name).to_owned(), (*tag).to_owned())).collect()
            });
            assert_eq!(got, want.map_err(str::to_owned), "{said}");
        };
        let hub = json!({ "push_data": { "tag": "2" }, "repository": { "repo_name": "acme/web" } });
        check(Payload::DockerHub, hub.clone(), Ok(&[("docker.io/acme/web", "2")]));
        check(Payload::DockerHub, json!({}), Err("`push_data.tag` is missing, or is no text"));
        check(Payload::DockerHub, Value::Null, Err("`push_data.tag` is missing, or is no text"));
        let tag_only = json!({ "push_data": { "tag": "2" } });
        check(
            Payload::DockerHub,
            tag_only,
            Err("`repository.repo_name` is missing, or is no text"),
        );
        let ali = json!({
            "push_data": { "tag": "2" },
            "repository": { "repo_full_name": "acme/web", "region": "cn-hangzhou" },
        });
        check(Payload::AliCloud, ali, Ok(&[("registry.cn-hangzhou.aliyuncs.com/acme/web", "2")]));
        let azure = json!({
            "target": { "repository": "web", "tag": "2" }, "request": { "host": "acme.azurecr.io" },
        });
        check(Payload::Azure, azure, Ok(&[("acme.azurecr.io/web", "2")]));
        let event = |action: &str, tag: Option<&str>| {
            json!({
                "action": action, "request": { "host": "r.example:5000" },
                "target": { "repository": "web", "tag": tag },
            })
        };
        let events = json!({ "events": [
            event("pull", Some("1")), event("push", None), event("push", Some("2")), event("push", Some("2")),
            event("push", Some("3")),
        ]});
        let both = [("r.example:5000/web", "2"), ("r.example:5000/web", "3")];
        check(Payload::Registry, events, Ok(&both));
        check(Payload::Registry, json!({ "events": [] }), Ok(&[]));
        check(Payload::Registry, hub, Err("`events` is missing, or is no list"));
        check(
            Payload::Generic,
            json!({ "image": "acme/web", "tag": "2" }),
            Ok(&[("docker.io/acme/web", "2")]),
        );
        check(
            Payload::Generic,
            json!({ "image": "acme/web:3" }),
            Ok(&[("docker.io/acme/web", "3")]),
        );
        check(
            Payload::Generic,
            json!({ "image": "acme/web" }),
            Err("`tag` is missing, and `image` has none"),
        );
        check(
            Payload::Generic,
            json!({ "image": "acme/web", "tag": "2\n" }),
            Err("what it says was pushed is no name of an image"),
        );
    }
}
