//! Which image a revision's container is made from, given what its tag meant. Whether there is such an image is the
//! registry's to say; references are taken apart where they are pulled.

/// The reference to pull or run: `name@digest` where the digest is known, else `name:tag`.
pub fn pinned(text: &str, digest: Option<&str>) -> String {
    let (name, given) = match text.split_once('@') {
        Some((name, given)) => (name, Some(given)),
        None => (text, None),
    };
    let bare = match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        Some(_) | None => name,
    };
    match given.or(digest) {
        Some(digest) => format!("{bare}@{digest}"),
        None if bare == name => format!("{name}:latest"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins() {
        let check = |text, digest, want| assert_eq!(pinned(text, digest), want);
        check("nginx", None, "nginx:latest");
        check("nginx:1.25", None, "nginx:1.25");
        check("nginx:1.25", Some("sha256:0f"), "nginx@sha256:0f");
        check("r.example:5000/a", None, "r.example:5000/a:latest");
        check("r.example:5000/a", Some("sha256:0f"), "r.example:5000/a@sha256:0f");
        check("nginx:1@sha256:aa", Some("sha256:bb"), "nginx@sha256:aa");
    }
}
