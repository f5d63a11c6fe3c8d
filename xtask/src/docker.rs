//! A Docker engine as tests see it: behind the product's back, by its own API. Images are made from one static
//! executable; there is no registry to pull from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::http::{Answer, HttpError, Place, Request};

/// An engine, by its socket.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

/// A container that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Docker's id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// The image it was made from, as named then.
    pub image: String,
    /// Docker's `State`: `created`, `running`, `exited`, …
    pub state: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Why an engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It did not answer.
    #[error("the engine at {} did not answer", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// It refused.
    #[error("the engine at {} answered {status} to {what}: {said}", socket.display())]
    Refused {
        /// Its socket.
        socket: PathBuf,
        /// What was asked.
        what: String,
        /// Its status code.
        status: u16,
        /// Its words.
        said: String,
    },
    /// The file for an image can't be read.
    #[error("could not read {} to make an image of it", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Engine {
    /// The engine that listens there.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Make an image that holds nothing but one static executable, as `/name`. `changes` are Dockerfile lines, such as
    /// `CMD ["/name"]`.
    pub fn import(&self, program: &Path, image: &str, changes: &[&str]) -> Result<(), EngineError> {
        let tar = image_of(program)
            .map_err(|source| EngineError::Program { path: program.to_owned(), source })?;
        self.import_archive(&tar, image, changes)
    }

    /// The same of whatever a tar archive holds.
    pub fn import_archive(
        &self,
        tar: &[u8],
        image: &str,
        changes: &[&str],
    ) -> Result<(), EngineError> {
        let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let mut path = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}");
        for change in changes {
            path.push_str("&changes=");
            path.push_str(&percent_encoded(change));
        }
        let answer = self.ask("POST", &path, "application/x-tar", tar)?;
        // Docker says 200 first and what went wrong afterwards.
        let went_wrong = answer.text().contains("\"error\"");
        if went_wrong { Err(self.refused("import", &answer)) } else { Ok(()) }
    }

    /// All containers, stopped ones included, by name.
    pub fn containers(&self) -> Result<Vec<Container>, EngineError> {
        let answer = self.ask("GET", "/containers/json?all=1", "", &[])?;
        let list = answer.json();
        let mut found: Vec<_> =
            list.as_array().into_iter().flatten().filter_map(container).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Everything about a container.
    pub fn inspect(&self, container: &str) -> Result<Value, EngineError> {
        Ok(self.ask("GET", &format!("/containers/{container}/json"), "", &[])?.json())
    }

    /// Kill a container's first process, as a crash would.
    pub fn kill(&self, container: &str) -> Result<(), EngineError> {
        self.ask("POST", &format!("/containers/{container}/kill"), "", &[]).map(drop)
    }

    /// Create a container; its id. `body` is Docker's own.
    pub fn create(&self, name: &str, body: &Value) -> Result<String, EngineError> {
        let path = format!("/containers/create?name={name}");
        let answer = self.ask("POST", &path, "application/json", body.to_string().as_bytes())?;
        Ok(answer.json()["Id"].as_str().unwrap_or_default().to_owned())
    }

    /// Start a container.
    pub fn start(&self, container: &str) -> Result<(), EngineError> {
        self.ask("POST", &format!("/containers/{container}/start"), "", &[]).map(drop)
    }

    /// Remove a container, running or not, with its anonymous volumes. One that somebody else has just removed is gone, too.
    pub fn remove(&self, container: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{container}?force=1&v=1");
        match self.ask("DELETE", &path, "", &[]) {
            Err(EngineError::Refused { status: 404, .. }) => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Remove every volume that no container uses.
    pub fn remove_volumes(&self) -> Result<(), EngineError> {
        let list = self.ask("GET", "/volumes", "", &[])?.json();
        for volume in list["Volumes"].as_array().into_iter().flatten() {
            let name = volume["Name"].as_str().unwrap_or_default();
            self.ask("DELETE", &format!("/volumes/{name}"), "", &[])?;
        }
        Ok(())
    }

    /// Push an image to the registry in its name, which asks for no login.
    pub fn push(&self, repository: &str, tag: &str) -> Result<(), EngineError> {
        let path = format!("/images/{repository}/push?tag={tag}");
        let mut request = Request::new("POST", &path);
        // An empty login, in base64.
        request.headers.push("X-Registry-Auth: e30=".to_owned());
        let answer = self.send(&request)?;
        // Docker says 200 first and what went wrong afterwards.
        if answer.text().contains("\"error\"") {
            Err(self.refused("push", &answer))
        } else {
            Ok(())
        }
    }

    /// Remove images that have no tag and that no container uses, as `docker image prune -f` does; with `all`, whatever
    /// no container uses, as `docker image prune -a -f` does.
    pub fn prune_images(&self, all: bool) -> Result<(), EngineError> {
        let filters = percent_encoded(&format!("{{\"dangling\":[\"{}\"]}}", !all));
        self.ask("POST", &format!("/images/prune?filters={filters}"), "", &[]).map(drop)
    }

    /// Any request; an answer that is not a success is an error.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<Answer, EngineError> {
        let mut request = Request::new(method, path);
        request.body = body;
        if !kind.is_empty() {
            request.headers.push(format!("Content-Type: {kind}"));
        }
        self.send(&request)
    }

    fn send(&self, request: &Request<'_>) -> Result<Answer, EngineError> {
        let what = format!("{} {}", request.method, request.path);
        let place = Place::Unix(self.socket.clone());
        let answer = (request.send(&place))
            .map_err(|source| EngineError::Silent { socket: self.socket.clone(), source })?;
        // 304: it was so already.
        if answer.is_success() || answer.status == 304 {
            return Ok(answer);
        }
        Err(self.refused(&what, &answer))
    }

    fn refused(&self, what: &str, answer: &Answer) -> EngineError {
        EngineError::Refused {
            socket: self.socket.clone(),
            what: what.to_owned(),
            status: answer.status,
            said: answer.text().trim().to_owned(),
        }
    }
}

/// A tar stream with the executable alone in it.
fn image_of(program: &Path) -> std::io::Result<Vec<u8>> {
    let name = program.file_name().unwrap_or_default();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_path_with_name(program, name)?;
    tar.into_inner()
}

fn container(value: &Value) -> Option<Container> {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let name = value["Names"][0].as_str()?.trim_start_matches('/').to_owned();
    let labels = serde_json::from_value(value["Labels"].clone()).unwrap_or_default();
    Some(Container { id: text("Id"), name, image: text("Image"), state: text("State"), labels })
}

/// A text as it may stand in a query.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_blanks_and_brackets() {
        assert_eq!(percent_encoded("CMD [\"/a\"]"), "CMD%20%5B%22%2Fa%22%5D");
    }
}
