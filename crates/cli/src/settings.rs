//! Which server, which key, which stack: from options, the environment and `.env`, in that order.
//!
//! Pure: the environment is handed in as a function, so that a test is a table.

use std::path::PathBuf;
use std::time::Duration;

use crate::args::{ServerOptions, StackOptions};

/// Names of the variables, in order of precedence. Rancher's names keep existing scripts working.
const URL: &[&str] = &["DROVER_URL", "RANCHER_URL"];
const ACCESS_KEY: &[&str] = &["DROVER_ACCESS_KEY", "RANCHER_ACCESS_KEY"];
const SECRET_KEY: &[&str] = &["DROVER_SECRET_KEY", "RANCHER_SECRET_KEY"];
const ENVIRONMENT: &[&str] = &["DROVER_ENVIRONMENT", "RANCHER_ENVIRONMENT"];
const FILE: &str = "COMPOSE_FILE";
const PROJECT: &str = "COMPOSE_PROJECT_NAME";

/// How long a command waits for the outcome when nothing else is said.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_mins(10);

/// Where the server is and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// As given; any of the forms that Rancher's users have in their scripts.
    pub url: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Environment (project) by name or id, where the key sees several and the URL names none.
    pub environment: Option<String>,
}

/// No secrets in logs.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, access_key, secret_key: _, environment } = self;
        write!(f, "Server({url}, {access_key}, {environment:?})")
    }
}

/// What is missing, and where it can be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No URL.
    #[error(
        "no server is given: set DROVER_URL (or RANCHER_URL), or use --url, for example http://drover.example:8080"
    )]
    NoUrl,
    /// No access key.
    #[error(
        "no access key is given: set DROVER_ACCESS_KEY (or RANCHER_ACCESS_KEY), or use --access-key"
    )]
    NoAccessKey,
    /// No secret key.
    #[error(
        "no secret key is given: set DROVER_SECRET_KEY (or RANCHER_SECRET_KEY), or use --secret-key"
    )]
    NoSecretKey,
}

/// The server to talk to.
pub(crate) fn server(
    given: &ServerOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Server, SettingsError> {
    let value = |option: &Option<String>, names: &[&str]| {
        let option = option.clone().filter(|text| !text.is_empty());
        option.or_else(|| names.iter().find_map(|name| env(name).filter(|text| !text.is_empty())))
    };
    Ok(Server {
        url: value(&given.url, URL).ok_or(SettingsError::NoUrl)?,
        access_key: value(&given.access_key, ACCESS_KEY).ok_or(SettingsError::NoAccessKey)?,
        secret_key: value(&given.secret_key, SECRET_KEY).ok_or(SettingsError::NoSecretKey)?,
        environment: value(&given.environment, ENVIRONMENT),
    })
}

/// The compose files asked for; empty means the default ones.
pub(crate) fn files(given: &StackOptions, env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    if !given.files.is_empty() {
        return given.files.clone();
    }
    let listed = env(FILE).unwrap_or_default();
    std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// The name of the stack: as asked for, or else made from the name of the directory the files are in.
pub(crate) fn project_name(
    given: &StackOptions,
    env: &dyn Fn(&str) -> Option<String>,
    directory: &str,
) -> String {
    let asked = given.project_name.clone().filter(|name| !name.is_empty());
    let asked = asked.or_else(|| env(PROJECT).filter(|name| !name.is_empty()));
    normal_name(asked.as_deref().unwrap_or(directory))
}

/// Whether the stack was named, and not only guessed from a directory.
pub(crate) fn is_named(given: &StackOptions, env: &dyn Fn(&str) -> Option<String>) -> bool {
    let named = |name: Option<String>| name.is_some_and(|name| !name.is_empty());
    named(given.project_name.clone()) || named(env(PROJECT))
}

/// Rancher's rule: lower case, anything but letters, digits and dashes becomes a dash, and an `x` goes before
/// a first character that a name can't begin with.
fn normal_name(name: &str) -> String {
    let prefix = if name.starts_with(['-', '.', '_']) { "x" } else { "" };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("{prefix}{}", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn options_beat_drovers_variables_beat_ranchers() {
        let all = env(&[
            ("RANCHER_URL", "http://r"),
            ("DROVER_URL", "http://d"),
            ("RANCHER_ACCESS_KEY", "a"),
            ("RANCHER_SECRET_KEY", "s"),
            ("DROVER_SECRET_KEY", ""),
        ]);
        let none = ServerOptions::default();
        let read = server(&none, &all).unwrap();
        assert_eq!((read.url.as_str(), read.access_key.as_str()), ("http://d", "a"));
        assert_eq!(read.secret_key, "s");
        let given = ServerOptions { url: Some("http://o".into()), ..ServerOptions::default() };
        assert_eq!(server(&given, &all).unwrap().url, "http://o");
        assert!(!format!("{read:?}").contains("\"s\"") && format!("{read:?}").contains("http://d"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = ServerOptions::default();
        let missing = |pairs| server(&none, &env(pairs)).unwrap_err();
        assert_eq!(missing(&[]), SettingsError::NoUrl);
        assert_eq!(missing(&[("DROVER_URL", "u")]), SettingsError::NoAccessKey);
        assert_eq!(
            missing(&[("DROVER_URL", "u"), ("DROVER_ACCESS_KEY", "a")]),
            SettingsError::NoSecretKey
        );
    }

    #[test]
    fn names() {
        for (given, want) in [
            ("web", "web"),
            ("My App", "my-app"),
            ("my_app.v2", "my-app-v2"),
            (".hidden", "x-hidden"),
            ("-a", "x-a"),
            ("_a", "x-a"),
            ("Größe", "gr--e"),
        ] {
            assert_eq!(normal_name(given), want, "{given}");
        }
        let options = StackOptions::default();
        assert_eq!(
            project_name(&options, &env(&[("COMPOSE_PROJECT_NAME", "Shop")]), "dir"),
            "shop"
        );
        assert_eq!(project_name(&options, &env(&[]), "Dir"), "dir");
        assert!(!is_named(&options, &env(&[("COMPOSE_PROJECT_NAME", "")])));
    }

    #[test]
    fn compose_file_is_a_path_list() {
        let options = StackOptions::default();
        let list = files(&options, &env(&[("COMPOSE_FILE", "a.yml:b.yml")]));
        assert_eq!(list, [PathBuf::from("a.yml"), PathBuf::from("b.yml")]);
        let given = StackOptions { files: vec!["c.yml".into()], ..StackOptions::default() };
        assert_eq!(files(&given, &env(&[("COMPOSE_FILE", "a.yml")])), [PathBuf::from("c.yml")]);
    }
}
