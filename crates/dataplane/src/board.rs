//! What a process says of itself, and the file it says it in: written at once, whole, by rename, so that no reader ever
//! sees half of it.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The newest status.
pub(crate) struct Board<S> {
    said: S,
    /// The file does not say it yet.
    is_new: bool,
    path: PathBuf,
}

impl<S: Serialize + Default + PartialEq> Board<S> {
    /// An empty one: what an earlier process said is no longer true.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { said: S::default(), is_new: true, path }
    }

    /// Say something else.
    pub(crate) async fn say(&mut self, said: S) {
        self.is_new |= said != self.said;
        self.said = said;
        self.write().await;
    }

    /// What it says.
    pub(crate) fn said(&self) -> &S {
        &self.said
    }

    /// Whether the file is behind.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_new
    }

    /// Bring the file up to date.
    pub(crate) async fn write(&mut self) {
        if !self.is_new {
            return;
        }
        match replace(&self.path, &self.said).await {
            Ok(()) => self.is_new = false,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the status could not be written; trying on");
            }
        }
    }
}

async fn replace(path: &Path, said: &impl Serialize) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    tokio::fs::write(&new, serde_json::to_vec(said)?).await?;
    tokio::fs::rename(&new, path).await
}
