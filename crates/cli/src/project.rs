//! The files of a stack, found and read: the only place of this crate that touches the disk.
//!
//! What they mean is `drover-compose`'s; which values their variables get is decided here.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use drover_compose::{Diagnostic, Input, Severity, StackSpec, env_file};

use crate::Program;
use crate::args::StackOptions;
use crate::settings;

/// Looked for in this order when no file is named.
const DEFAULTS: &[&str] =
    &["docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml"];
/// Laid over the default file if it is there.
const OVERRIDES: &[&str] = &["docker-compose.override.yml", "docker-compose.override.yaml"];
/// Rancher's companion file.
const RANCHER: &[&str] = &["rancher-compose.yml", "rancher-compose.yaml"];
/// More than any compose file has; a wrong path must not fill the memory.
const LARGEST_BYTES: u64 = 16 << 20;

/// Texts of the files, and what they are called.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    compose: Vec<(String, String)>,
    rancher: Option<(String, String)>,
}

/// Where variables get their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// From `--env-file`; these win.
    pub(crate) given: BTreeMap<String, String>,
    /// From `.env`; used for what nothing else has.
    pub(crate) beside: BTreeMap<String, String>,
}

/// A stack's files, understood.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// What they ask for.
    pub(crate) spec: StackSpec,
    /// What is to be said about them.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Why the files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No file.
    #[error(
        "there is no docker-compose.yml here; go to the directory that has it, or name the file with -f"
    )]
    NoFile,
    /// A file that can't be read.
    #[error("could not read {}: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A line of an env file.
    #[error("{}:{}: {bad}", path.display(), bad.line)]
    BadEnvFile {
        /// Which file.
        path: PathBuf,
        /// Which line, and what is wrong with it.
        bad: env_file::BadLine,
    },
    /// What the files say makes no sense; one sentence per mistake, each with its place.
    #[error("{}", mistakes(.0))]
    Mistakes(Vec<Diagnostic>),
}

impl Values {
    /// Read `--env-file`, as the program of that name reads it, and `.env` of the working directory, which only Drover knows.
    pub(crate) fn read(options: &StackOptions, program: Program) -> Result<Self, ProjectError> {
        let given = match (&options.env_file, program) {
            (Some(path), Program::Drover) => variables(path, &text(path)?)?,
            (Some(path), Program::RancherCompose) => {
                let lines = env_file::parse_plain(&text(path)?).into_iter();
                lines.map(|line| (line.name, line.value.unwrap_or_default())).collect()
            }
            (None, _) => BTreeMap::new(),
        };
        let dot_env = Path::new(".env");
        let beside = if program == Program::Drover && dot_env.is_file() {
            variables(dot_env, &text(dot_env)?)?
        } else {
            BTreeMap::new()
        };
        Ok(Self { given, beside })
    }

    /// The settings of the program itself: the environment, then `.env`.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.beside.get(name).cloned())
    }

    /// The value of a variable in the files. `stored` are the answers the stack keeps on the server.
    fn lookup(&self, stored: &BTreeMap<String, String>, name: &str) -> Option<String> {
        let given = self.given.get(name).or_else(|| stored.get(name)).cloned();
        given.or_else(|| self.setting(name))
    }
}

impl Files {
    /// Find and read them; `None` if none is named and no default is there.
    pub(crate) fn find(
        options: &StackOptions,
        values: &Values,
    ) -> Result<Option<Self>, ProjectError> {
        let named = settings::files(options, &|name| values.setting(name));
        let paths = if named.is_empty() { defaults() } else { named };
        let Some(first) = paths.first() else { return Ok(None) };
        let rancher = match &options.rancher_file {
            Some(path) => Some(path.clone()),
            None => existing(&directory_of(first), RANCHER),
        };
        let load = |path: &PathBuf| Ok((path.display().to_string(), text(path)?));
        let compose = paths.iter().map(load).collect::<Result<_, ProjectError>>()?;
        Ok(Some(Self { compose, rancher: rancher.as_ref().map(load).transpose()? }))
    }

    /// Understand them.
    pub(crate) fn parse(
        &self,
        stack: &str,
        values: &Values,
        stored: &BTreeMap<String, String>,
    ) -> Result<Project, ProjectError> {
        let variables = |name: &str| values.lookup(stored, name);
        let input = Input {
            docker_compose: self.compose.clone(),
            rancher_compose: self.rancher.clone(),
            variables: &variables,
            read: &|path| text(Path::new(path)).map_err(|error| error.to_string()),
            project: stack,
        };
        match drover_compose::parse(&input) {
            Ok(parsed) => Ok(Project { spec: parsed.stack, warnings: parsed.warnings }),
            Err(said) => Err(ProjectError::Mistakes(said)),
        }
    }
}

/// Name of the directory that the files are in, which the stack is named after.
pub(crate) fn directory_name(options: &StackOptions, values: &Values) -> String {
    let named = settings::files(options, &|name| values.setting(name));
    let first = named.first().cloned().unwrap_or_else(|| PathBuf::from("."));
    let directory = directory_of(&first);
    let whole = directory.canonicalize().unwrap_or(directory);
    whole
        .file_name()
        .map_or_else(|| "default".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn defaults() -> Vec<PathBuf> {
    let here = Path::new("");
    let first = existing(here, DEFAULTS);
    let over = first.as_ref().and_then(|_| existing(here, OVERRIDES));
    first.into_iter().chain(over).collect()
}

fn existing(directory: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| plain(directory).join(name)).find(|path| path.is_file())
}

/// Without the leading `./`, which would only stand in messages.
fn plain(directory: &Path) -> &Path {
    directory.strip_prefix(".").unwrap_or(directory)
}

fn text(path: &Path) -> Result<String, ProjectError> {
    let read =
        if path == Path::new("-") { read(std::io::stdin()) } else { open(path).and_then(read) };
    read.map_err(|cause| ProjectError::Unreadable { path: path.to_owned(), cause })
}

fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    Ok(file)
}

fn read(from: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    let size = from.take(LARGEST_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(size).is_ok_and(|size| size <= LARGEST_BYTES) {
        Ok(text)
    } else {
        Err(std::io::Error::other("it is larger than 16 MB"))
    }
}

/// A name without `=` stands for the environment's value.
fn variables(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ProjectError> {
    let lines = env_file::parse(text)
        .map_err(|bad| ProjectError::BadEnvFile { path: path.to_owned(), bad })?;
    let value = |line: env_file::Variable| {
        let value = line.value.or_else(|| std::env::var(&line.name).ok())?;
        Some((line.name, value))
    };
    Ok(lines.into_iter().filter_map(value).collect())
}

/// The mistakes alone; what else was said is not why the files can't be used.
fn mistakes(said: &[Diagnostic]) -> String {
    let errors = said.iter().filter(|d| d.severity == Severity::Error);
    errors.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(directory: &Path, files: &[&str]) -> StackOptions {
        StackOptions {
            files: files.iter().map(|name| directory.join(name)).collect(),
            ..StackOptions::default()
        }
    }

    #[test]
    fn files_are_found_and_understood() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        write("c.yml", "version: '2'\nservices:\n  web:\n    image: nginx:${TAG}\n");
        write("rancher-compose.yml", "version: '2'\nservices:\n  web:\n    scale: 3\n");
        write("vars", "TAG=2\n");
        let mut options = options(home.path(), &["c.yml"]);
        options.env_file = Some(home.path().join("vars"));
        let values = Values::read(&options, Program::Drover).unwrap();
        let files = Files::find(&options, &values).unwrap().unwrap();
        let stored = BTreeMap::from([("TAG".to_owned(), "1".to_owned())]);
        let web = files.parse("s", &values, &stored).unwrap().spec.services.remove(0);
        assert_eq!((web.template.primary.image.as_str(), web.scale), ("nginx:2", Some(3)));
        // Without an env file the stack's own answers count.
        let project = files.parse("s", &Values::default(), &stored).unwrap();
        assert_eq!(project.spec.services[0].template.primary.image, "nginx:1");
        let name = directory_name(&options, &values);
        assert_eq!(home.path().file_name().unwrap().to_str().unwrap(), name);
    }

    #[test]
    fn mistakes_carry_their_place() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("c.yml"), "version: '2'\nservices:\n  web: 5\n").unwrap();
        let options = options(home.path(), &["c.yml"]);
        let files = Files::find(&options, &Values::default()).unwrap().unwrap();
        let error = files.parse("s", &Values::default(), &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("c.yml:3:"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let home = tempfile::tempdir().unwrap();
        let values = Values::default();
        for (file, part) in [("missing.yml", "No such file"), ("", "it is a directory")] {
            let error =
                Files::find(&options(home.path(), &[file]), &values).unwrap_err().to_string();
            assert!(error.contains(part) && error.starts_with("could not read /"), "{error}");
        }
        std::fs::write(home.path().join("vars"), "A=1\n=2\n").unwrap();
        let options =
            StackOptions { env_file: Some(home.path().join("vars")), ..StackOptions::default() };
        let error = Values::read(&options, Program::Drover).unwrap_err().to_string();
        assert!(error.contains("vars:2: expected NAME=VALUE"), "{error}");
    }
}
