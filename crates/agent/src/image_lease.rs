//! Which images get a tag of Drover's own, and which lose it. An image pulled by digest has no tag, and once no container
//! uses it `docker image prune` takes it; one with a tag it leaves alone. Docker is spoken to beside
//! ([`crate::docker`]).
//!
//! The tag is `drover.kept/<cluster>:sha256-<hex>`. To Docker `drover.kept` is a registry, one that nobody can have, so that no
//! image of the world is ever called that.

use std::collections::BTreeSet;

use crate::reference::Reference;

/// The longest tag there may be.
const LONGEST: usize = 128;

/// What there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseSteps {
    /// Images, as they are leased, and the tags they get.
    pub(crate) hold: Vec<(String, String)>,
    /// Tags that go.
    pub(crate) let_go: Vec<String>,
    /// Images that are leased, not held, and not on this host: it may get them yet.
    pub(crate) absent: usize,
}

/// The repository of all tags that a cluster holds images by.
pub(crate) fn repository(cluster: &str) -> String {
    format!("drover.kept/{cluster}")
}

/// The tag for an image, `sha256-<hex>`; `None` where its reference holds no digest of which a tag can be made.
pub(crate) fn tag(image: &str) -> Option<String> {
    let digest = Reference::parse(image).digest?;
    let (algorithm, hex) = digest.split_once(':')?;
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    let tag = format!("{algorithm}-{hex}");
    (is_word(algorithm) && is_word(hex) && tag.len() <= LONGEST).then_some(tag)
}

/// What is to be done: `leased` are the images to hold, `tags` those that are held by now, `there` the digests of all
/// images on the host, `name@digest`, as Docker lists them.
pub(crate) fn lease_steps(
    leased: &BTreeSet<String>,
    tags: &BTreeSet<String>,
    there: &[String],
) -> LeaseSteps {
    let there: Vec<Reference> = there.iter().map(|text| Reference::parse(text)).collect();
    let is_there = |image: &str| {
        let image = Reference::parse(image);
        there.iter().any(|held| held.same_repository(&image) && held.digest == image.digest)
    };
    let mut steps = LeaseSteps::default();
    let mut wanted = BTreeSet::new();
    for image in leased {
        let Some(tag) = tag(image) else { continue };
        // Two names of one image: one tag holds it.
        if tags.contains(&tag) || wanted.contains(&tag) {
            wanted.insert(tag);
        } else if is_there(image) {
            wanted.insert(tag.clone());
            steps.hold.push((image.clone(), tag));
        } else {
            steps.absent += 1;
        }
    }
    steps.let_go = tags.difference(&wanted).cloned().collect();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let hex = "0f".repeat(32);
        for (image, want) in [
            (format!("nginx@sha256:{hex}"), Some(format!("sha256-{hex}"))),
            (format!("r:5000/a@sha256:{hex}"), Some(format!("sha256-{hex}"))),
            ("nginx:1.25".to_owned(), None),
            ("nginx@latest".to_owned(), None),
            ("nginx@sha256:../x".to_owned(), None),
            (format!("nginx@sha512:{}", hex.repeat(2)), None),
        ] {
            assert_eq!(tag(&image), want, "{image}");
        }
    }

    #[test]
    fn what_is_held_and_what_is_let_go() {
        let set = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        // Leased; tags there are; images there are; then what is held, let go, and lacks.
        for (leased, tags, there, hold, let_go, absent) in [
            ("", "", "", "", "", 0),
            ("web@s:a", "", "web@s:a", "s-a", "", 0),
            ("docker.io/library/web@s:a", "", "web@s:a", "s-a", "", 0),
            ("web@s:a", "s-a", "web@s:a", "", "", 0),
            ("web@s:a", "s-a", "", "", "", 0),
            ("web@s:a", "", "", "", "", 1),
            ("web@s:a", "", "web@s:b", "", "", 1),
            ("web@s:a", "", "r:5000/web@s:a", "", "", 1),
            ("mirror/web@s:a web@s:a", "", "web@s:a mirror/web@s:a", "s-a", "", 0),
            ("mirror/web@s:a web@s:a", "", "web@s:a", "s-a", "", 1),
            ("web@s:b web@s:c", "s-a s-b", "web@s:a web@s:b web@s:c", "s-c", "s-a", 0),
            ("", "s-a s-b", "web@s:a", "", "s-a s-b", 0),
            ("web:1", "s-a", "web@s:a", "", "s-a", 0),
        ] {
            let there: BTreeSet<String> = set(there);
            let there: Vec<String> = there.into_iter().collect();
            let steps = lease_steps(&set(leased), &set(tags), &there);
            let held: Vec<_> = steps.hold.iter().map(|(_, tag)| tag.as_str()).collect();
            let got = (held.join(" "), steps.let_go.join(" "), steps.absent);
            assert_eq!(got, (hold.to_owned(), let_go.to_owned(), absent), "{leased} | {tags}");
        }
    }
}
