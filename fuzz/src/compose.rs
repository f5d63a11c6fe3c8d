//! The compose parser: it must answer, never panic, and what it accepts must survive an export.
//!
//! An input is up to four files: docker-compose.yml, rancher-compose.yml, an override, and whatever the others name under
//! `extends` and `env_file`.

use drover_compose::{Input, export, parse};

use crate::PARTED;

/// One input.
///
/// # Panics
///
/// It was refused without a word, or its export is refused.
pub fn feed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split(PARTED);
    let docker = parts.next().unwrap_or_default();
    let rancher = parts.next();
    let over = parts.next();
    let other = parts.next();
    let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mut docker_compose = vec![named("docker-compose.yml", docker)];
    docker_compose.extend(over.map(|text| named("docker-compose.override.yml", text)));
    let parsed = parse(&Input {
        docker_compose,
        rancher_compose: rancher.map(|text| named("rancher-compose.yml", text)),
        variables: &|name| (name.len() % 2 == 1).then(|| format!("{name} ${{x}}\n- {{")),
        read: &|_| other.map(str::to_owned).ok_or_else(|| "no such file".to_owned()),
        project: "fuzz",
    });
    match parsed {
        Err(said) => assert!(!said.is_empty(), "refused without a word"),
        Ok(parsed) => {
            let written = export(&parsed.stack);
            let again = parse(&Input {
                docker_compose: vec![named("docker-compose.yml", &written.docker_compose)],
                rancher_compose: Some(named("rancher-compose.yml", &written.rancher_compose)),
                variables: &|_| None,
                read: &|_| Err("an export names no other file".to_owned()),
                project: "fuzz",
            });
            let files = (&written.docker_compose, &written.rancher_compose);
            assert!(again.is_ok(), "{again:?}\n{}\n{}", files.0, files.1);
        }
    }
}
