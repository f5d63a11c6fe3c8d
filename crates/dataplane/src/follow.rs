//! Following the config file: seeing that it was replaced, and reading it.
//!
//! It is looked at, not watched: that works the same on every file system and mount, and costs next to
//! nothing. What the file says is its process's business: any type that can be read from JSON.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A file and what was last seen of it.
pub(crate) struct Follower<C> {
    path: PathBuf,
    looks: Interval,
    looked: u64,
    seen: Option<Stamp>,
    read: Option<Result<String, String>>,
    config: PhantomData<fn() -> C>,
}

/// What is new.
#[derive(Debug, PartialEq)]
pub(crate) enum News<C> {
    /// Another config; `hash` is the SHA-256 of the file, hex.
    Config { hash: String, config: C },
    /// A file that can't be used, and why.
    Bad(String),
}

/// What differs when a file was replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    written: Option<SystemTime>,
}

const LOOK: Duration = Duration::from_millis(25);

/// Every so many looks the file is read whatever its stamp: two replacements within one tick of the file
/// system's clock can leave the same stamp.
const LOOKS_PER_READ: u64 = 40;

impl<C: DeserializeOwned> Follower<C> {
    pub(crate) fn new(path: PathBuf) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path, looks, looked: 0, seen: None, read: None, config: PhantomData }
    }

    /// Wait for another content. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> News<C> {
        loop {
            self.looks.tick().await;
            if let Some(news) = self.look() {
                return news;
            }
        }
    }

    /// Not asynchronous: a look at a file takes microseconds, and handing it to another thread more.
    fn look(&mut self) -> Option<News<C>> {
        let stamp = stamp(&self.path);
        self.looked += 1;
        if stamp == self.seen && self.looked % LOOKS_PER_READ != 1 {
            return None;
        }
        self.seen = stamp;
        let path = self.path.display();
        let content = std::fs::read(&self.path)
            .map_err(|error| format!("the config {path} can't be read: {error}"));
        let hash = content.as_ref().map(|bytes| hex(bytes)).map_err(Clone::clone);
        if self.read.as_ref() == Some(&hash) {
            return None;
        }
        self.read = Some(hash.clone());
        let config = content.and_then(|bytes| {
            serde_json::from_slice(&bytes)
                .map_err(|error| format!("the config {path} makes no sense: {error}"))
        });
        Some(match (hash, config) {
            (Ok(hash), Ok(config)) => News::Config { hash, config },
            (Err(problem), _) | (_, Err(problem)) => News::Bad(problem),
        })
    }
}

fn stamp(path: &std::path::Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: file.ino(), length: file.len(), written: file.modified().ok() })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use drover_core::BalancerConfig;

    use super::*;

    #[test]
    fn news_comes_once_for_each_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let mut follower = Follower::new(path.clone());
        let replace = |content: &str| {
            let new = dir.path().join("new");
            std::fs::write(&new, content).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        let mut look = || {
            // Through a whole period, so that the reading look is among them.
            let news: Vec<_> = (0..LOOKS_PER_READ).filter_map(|_| follower.look()).collect();
            assert!(news.len() <= 1, "{news:?}");
            news.into_iter().next()
        };
        let empty = BalancerConfig::default();
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let good = || Some(News::Config { hash: hash.to_owned(), config: empty.clone() });
        let bad = |news: Option<News<BalancerConfig>>, word: &str| match news {
            Some(News::Bad(problem)) => assert!(problem.contains(word), "{problem}"),
            other => panic!("{other:?}"),
        };
        bad(look(), "can't be read");
        assert_eq!(look(), None);
        replace("{}");
        assert_eq!(look(), good());
        replace("{}");
        assert_eq!(look(), None, "the same content is no news");
        replace("{nonsense");
        bad(look(), "makes no sense: key must be a string at line 1 column 2");
        replace("{}");
        assert_eq!(look(), good(), "back again is news");
        std::fs::remove_file(&path).unwrap();
        bad(look(), "can't be read");
    }
}
