//! Secrets that a container reads as files. By name: `secretName`, or where there is none whatever stands in `secretId`,
//! which who takes it in turns into a name (`resource::secret`).

use drover_core::{ContainerSpec, SecretFile, is_file_name};
use serde_json::{Map, Value};

use super::put;
use crate::body::Body;
use crate::{ApiError, Code};

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    let mut files: Vec<SecretFile> = Vec::new();
    for given in from.bodies("secrets")? {
        let file = file(&given)?;
        let name = file.file_name();
        if !file.file.is_empty() && !is_file_name(name) {
            let why = format!("`{name}` is no file name: the file is made in /run/secrets");
            return Err(given.refuse(Code::InvalidFormat, "name", &why));
        }
        if files.iter().any(|other| other.file_name() == name) {
            let why = format!("two secrets go into the file `{name}`");
            return Err(given.refuse(Code::NotUnique, "name", &why));
        }
        files.push(file);
    }
    spec.secrets = files;
    Ok(())
}

fn file(given: &Body<'_>) -> Result<SecretFile, ApiError> {
    let secret = match given.word("secretName")? {
        Some(name) => name,
        None => given.word("secretId")?.ok_or_else(|| given.lacks("secretId"))?,
    };
    let file = given.word("name")?.filter(|name| *name != secret).unwrap_or_default();
    Ok(SecretFile {
        secret,
        file,
        uid: given.number("uid")?,
        gid: given.number("gid")?,
        mode: mode(given)?,
    })
}

/// A text is octal, as everybody writes modes; JSON has no octal numbers, so a number is what it is.
fn mode(given: &Body<'_>) -> Result<Option<u32>, ApiError> {
    let read = match given.get("mode") {
        None => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => {
            let text = text.trim();
            u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok()
        }
        Some(Value::Number(number)) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        Some(_) => None,
    };
    read.filter(|mode| *mode <= 0o7777).map(Some).ok_or_else(|| {
        given.refuse(Code::InvalidFormat, "mode", "write it as chmod takes it, like \"0400\"")
    })
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    let files = spec.secrets.iter().map(|held| {
        let mut file = Map::new();
        file.insert("type".to_owned(), "secretReference".into());
        file.insert("secretName".to_owned(), held.secret.as_str().into());
        file.insert("name".to_owned(), held.file_name().into());
        // Texts, as Rancher's typed clients have them.
        put(&mut file, "uid", held.uid.map(|uid| uid.to_string()));
        put(&mut file, "gid", held.gid.map(|gid| gid.to_string()));
        put(&mut file, "mode", held.mode.map(|mode| format!("{mode:04o}")));
        Value::Object(file)
    });
    let files: Vec<Value> = files.collect();
    put(out, "secrets", Some(files).filter(|files| !files.is_empty()));
}
