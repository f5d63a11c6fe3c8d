//! The texts a stack is made of: read from requests, and understood.
//!
//! They are checked when they come in, so that a mistake is the answer to whoever sent it and not something to be found on the
//! stack afterwards; whoever makes services of them later understands them by the same function.

use std::collections::BTreeMap;

use drover_compose::template::{Given, is_template, render};
use drover_compose::{Diagnostic, Input, Severity, StackSpec, catalog_entry};
use drover_core::{Stack, Texts, World};

use crate::body::Body;
use crate::error::{ApiError, Code};

/// What the files are called in messages, and among templates.
const DOCKER: [&str; 3] = ["docker-compose.yml", "docker-compose.yml.tpl", "compose.yml"];
const RANCHER: [&str; 2] = ["rancher-compose.yml", "rancher-compose.yml.tpl"];

/// What a request says a stack is made of.
pub(crate) fn read(body: Body<'_>) -> Result<Texts, ApiError> {
    let text = |name: &str| body.text(name).map(|text| text.filter(|text| !text.trim().is_empty()));
    Ok(Texts {
        docker_compose: text("dockerCompose")?,
        rancher_compose: text("rancherCompose")?,
        environment: body.map("environment")?.unwrap_or_default(),
        answers: body.map("answers")?.unwrap_or_default(),
        templates: body.map("templates")?.unwrap_or_default(),
        external_id: body.text("externalId")?,
    })
}

/// The same for an upgrade. Whoever sends files sends all that goes with them: what is left out is not there any more.
/// Without files those there are get other values.
pub(crate) fn read_next(held: &Stack, body: Body<'_>) -> Result<Texts, ApiError> {
    let mut next = read(body)?;
    let before = held.texts();
    if !has_files(&next) {
        next.docker_compose = before.docker_compose;
        next.rancher_compose = before.rancher_compose;
        next.templates = before.templates;
        if !body.names("environment") {
            next.environment = before.environment;
        }
        if !body.names("answers") {
            next.answers = before.answers;
        }
    }
    next.external_id = next.external_id.or(before.external_id);
    Ok(next)
}

/// Whether there are files at all.
pub(crate) fn has_files(texts: &Texts) -> bool {
    docker(texts).is_some() || rancher(texts).is_some() || !texts.templates.is_empty()
}

/// What `exportconfig` gives back: the files as they were given.
pub(crate) fn given(stack: &Stack) -> Option<(String, String)> {
    let texts = stack.texts();
    let docker = docker(&texts)?.1.to_owned();
    Some((docker, rancher(&texts).map(|(_, text)| text.to_owned()).unwrap_or_default()))
}

/// The services that a stack's texts ask for; or everything that is wrong with them, each with file and line.
///
/// # Errors
///
/// There is no compose file, or something in it makes no sense.
pub fn stack_spec(world: &World, stack: &Stack) -> Result<StackSpec, ApiError> {
    let texts = stack.texts();
    let Some(docker) = docker(&texts) else {
        return Err(ApiError::missing("dockerCompose"));
    };
    let rancher = rancher(&texts);
    let given = given_to_templates(world, stack, &texts);
    let filled = |(name, text): (&str, &str)| fill(name, text, &given);
    let input = Input {
        docker_compose: vec![filled(docker)?],
        rancher_compose: rancher.map(filled).transpose()?,
        variables: &|name| given.values.get(name).cloned(),
        read: &|path| other(&texts.templates, path),
        project: &stack.name,
    };
    let is_filled_in =
        [Some(docker), rancher].into_iter().flatten().any(|(_, text)| is_template(text));
    match drover_compose::parse(&input) {
        Ok(parsed) => Ok(parsed.stack),
        Err(said) => Err(mistakes(&said, is_filled_in)),
    }
}

/// What variables and templates in the texts can name. A question that nobody answered is answered by its default.
fn given_to_templates(world: &World, stack: &Stack, texts: &Texts) -> Given {
    let entry =
        |texts: &Texts| rancher(texts).map(|(_, text)| catalog_entry(text)).unwrap_or_default();
    let now = entry(texts);
    let defaults = now.questions.into_iter().filter(|question| !question.variable.is_empty());
    let mut values: BTreeMap<String, String> =
        defaults.map(|question| (question.variable, question.default)).collect();
    values.extend(texts.answers.clone());
    values.extend(texts.environment.clone());
    let environment = world.projects.get(&stack.project).map(|project| project.name.clone());
    Given {
        values,
        stack: stack.name.clone(),
        version: now.version,
        previous_version: stack.previous.as_deref().map(entry).unwrap_or_default().version,
        environment: environment.unwrap_or_default(),
    }
}

/// A file with its templates filled in.
fn fill(name: &str, text: &str, given: &Given) -> Result<(String, String), ApiError> {
    match render(text, given) {
        Ok(text) => Ok((name.to_owned(), text)),
        Err(bad) => {
            let why = format!("{name}:{}:{}: {bad}", bad.line, bad.column);
            Err(ApiError::on(Code::InvalidFormat, field(RANCHER.contains(&name)), why))
        }
    }
}

/// A file that another one names.
fn other(templates: &BTreeMap<String, String>, path: &str) -> Result<String, String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    templates.get(path).cloned().ok_or_else(|| {
        format!("a stack that is made through the API has no files but its texts: put {path} among its `templates`")
    })
}

/// The docker-compose file, and what it is called.
fn docker(texts: &Texts) -> Option<(&str, &str)> {
    file(texts.docker_compose.as_deref(), &texts.templates, &DOCKER)
}

/// The rancher-compose file, and what it is called.
fn rancher(texts: &Texts) -> Option<(&str, &str)> {
    file(texts.rancher_compose.as_deref(), &texts.templates, &RANCHER)
}

fn file<'a>(
    given: Option<&'a str>,
    templates: &'a BTreeMap<String, String>,
    names: &[&'static str],
) -> Option<(&'a str, &'a str)> {
    if let (Some(text), Some(name)) = (given, names.first()) {
        return Some((name, text));
    }
    names.iter().find_map(|name| Some((*name, templates.get(*name)?.as_str())))
}

/// The mistakes alone; what else was said is not why the files can't be used.
fn mistakes(said: &[Diagnostic], is_filled_in: bool) -> ApiError {
    let errors = said.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let mut errors: Vec<String> = errors.map(ToString::to_string).collect();
    let is_rancher = |error: &String| RANCHER.iter().any(|name| error.starts_with(name));
    let field = field(errors.iter().all(is_rancher));
    if is_filled_in {
        errors.push("(lines count in the text after its templates were filled in)".to_owned());
    }
    ApiError::on(Code::InvalidFormat, field, errors.join("\n"))
}

/// The member of a request that a mistake is in.
fn field(is_rancher: bool) -> &'static str {
    if is_rancher { "rancherCompose" } else { "dockerCompose" }
}
