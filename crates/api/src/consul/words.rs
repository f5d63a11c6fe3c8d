//! `SERVICE_…` in a container's environment and labels, as registrator reads them: `SERVICE_<KEY>` for all ports,
//! `SERVICE_<port>_<KEY>` for one. Labels win over the environment, a port's own over all.

use std::collections::BTreeMap;

use drover_core::ContainerSpec;

/// The words of one container: port (0 for all), then key in lower case.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<(u16, String), String>);

impl Words {
    /// Read a container's.
    pub(super) fn of(spec: &ContainerSpec) -> Self {
        let mut words = BTreeMap::new();
        let all = spec.environment.iter().chain(&spec.labels);
        for (key, value) in all {
            let Some(key) = key.strip_prefix("SERVICE_") else { continue };
            let own = key.split_once('_').and_then(|(port, key)| Some((port.parse().ok()?, key)));
            let (port, key) = own.unwrap_or((0, key));
            words.insert((port, key.to_lowercase()), value.clone());
        }
        Self(words)
    }

    /// Whether a port is not to be listed.
    pub(super) fn ignores(&self, port: u16) -> bool {
        self.get(port, "ignore").is_some_and(|value| !value.is_empty())
    }

    /// The name a port goes by. Of several ports each needs one of its own.
    pub(super) fn name(&self, service: &str, port: u16, several: bool) -> String {
        let given = |port: u16| self.0.get(&(port, "name".to_owned())).filter(|n| !n.is_empty());
        if let Some(name) = given(port) {
            return name.clone();
        }
        let name = given(0).map_or(service, String::as_str);
        if several { format!("{name}-{port}") } else { name.to_owned() }
    }

    /// The id it was given.
    pub(super) fn id(&self, port: u16) -> Option<String> {
        self.get(port, "id").filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// Tags: a comma list in which `\,` is a comma.
    pub(super) fn tags(&self, port: u16) -> Vec<String> {
        let text = self.get(port, "tags").unwrap_or_default().replace("\\,", "\u{0}");
        let tags = text.split(',').map(|tag| tag.trim().replace('\u{0}', ","));
        tags.filter(|tag| !tag.is_empty()).collect()
    }

    /// Everything else, but what is about checks: those are Drover's own.
    pub(super) fn attributes(&self, port: u16) -> BTreeMap<String, String> {
        let is_other = |key: &str| {
            !["name", "id", "tags", "ignore"].contains(&key) && !key.starts_with("check_")
        };
        let mut found = BTreeMap::new();
        for ((of, key), value) in &self.0 {
            if (*of == 0 || *of == port) && is_other(key) {
                found.insert(key.clone(), value.clone());
            }
        }
        found
    }

    fn get(&self, port: u16, key: &str) -> Option<&str> {
        let held = |port| self.0.get(&(port, key.to_owned())).map(String::as_str);
        held(port).or_else(|| held(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(environment: &[(&str, &str)], labels: &[(&str, &str)]) -> Words {
        let map = |all: &[(&str, &str)]| {
            all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        Words::of(&ContainerSpec {
            environment: map(environment),
            labels: map(labels),
            ..ContainerSpec::default()
        })
    }

    #[test]
    fn names() {
        let check = |labels: &[(&str, &str)], several, want: &str| {
            assert_eq!(words(&[], labels).name("web", 80, several), want, "{labels:?}");
        };
        check(&[], false, "web");
        check(&[], true, "web-80");
        check(&[("SERVICE_NAME", "shop")], false, "shop");
        check(&[("SERVICE_NAME", "shop")], true, "shop-80");
        check(&[("SERVICE_NAME", "shop"), ("SERVICE_80_NAME", "http")], true, "http");
        check(&[("SERVICE_81_NAME", "admin")], true, "web-80");
        check(&[("SERVICE_NAME", ""), ("SERVICE_80_NAME", "")], false, "web");
    }

    #[test]
    fn tags_and_attributes() {
        let words = words(
            &[("SERVICE_TAGS", "a"), ("SERVICE_REGION", "eu"), ("OTHER", "x")],
            &[
                ("SERVICE_TAGS", "b, c\\,d,,"),
                ("SERVICE_81_TAGS", "e"),
                ("SERVICE_81_REGION", "us"),
                ("SERVICE_CHECK_HTTP", "/"),
                ("SERVICE_82_IGNORE", "yes"),
                ("SERVICE_81_ID", "me"),
            ],
        );
        assert_eq!(words.tags(80), ["b", "c,d"]);
        assert_eq!(words.tags(81), ["e"]);
        assert_eq!(words.attributes(80), [("region".to_owned(), "eu".to_owned())].into());
        assert_eq!(words.attributes(81), [("region".to_owned(), "us".to_owned())].into());
        assert_eq!([80, 81, 82].map(|port| words.ignores(port)), [false, false, true]);
        assert_eq!((words.id(80), words.id(81)), (None, Some("me".to_owned())));
    }
}
