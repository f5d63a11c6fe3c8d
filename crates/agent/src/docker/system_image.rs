//! The image of Drover's own processes: this very executable, static, in an image that is empty otherwise. No
//! registry is needed, and processes are of the agent's version.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio_util::io::ReaderStream;

use super::{Engine, Trouble};

/// The running program, even if its file was replaced since.
const EXECUTABLE: &str = "/proc/self/exe";
const REPOSITORY: &str = "drover/system";
/// Its hash: the running program stays the same for as long as it runs.
static TAG: OnceCell<String> = OnceCell::const_new();

impl Engine {
    /// Name of the image, after making it if the host doesn't have it.
    pub(crate) async fn system_image(&self) -> Result<String, Trouble> {
        let name = self.system_image.get_or_try_init(|| make(self)).await?.clone();
        // It may have been pruned since.
        if !self.has_image(&name).await? {
            make(self).await?;
        }
        Ok(name)
    }
}

async fn make(engine: &Engine) -> Result<String, Trouble> {
    let failed = |error: std::io::Error| Trouble::Refused {
        what: format!("can't read the program at {EXECUTABLE} to make the system image of it"),
        reason: error.to_string(),
    };
    let hashed = || async {
        let hash = tokio::task::spawn_blocking(|| hash(Path::new(EXECUTABLE))).await;
        hash.map_err(std::io::Error::other)?
    };
    let tag = TAG.get_or_try_init(hashed).await.map_err(failed)?;
    let name = format!("{REPOSITORY}:{tag}");
    if engine.has_image(&name).await? {
        return Ok(name);
    }
    let archive = archive().await.map_err(failed)?;
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(REPOSITORY).tag(tag).build();
    let body = bollard::body_try_stream(archive);
    let client = engine.patient(super::WORK);
    let made = client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>();
    let made = super::in_time(super::WORK, made).await;
    made.map_err(|error| Trouble::refused(format!("can't make the image {name}"), &error))?;
    Ok(name)
}

/// The first 12 digits of the file's SHA-256.
fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// A tar archive of `/drover` alone, read from disk as it is sent.
async fn archive() -> std::io::Result<impl futures_util::Stream<Item = std::io::Result<Bytes>>> {
    let file = tokio::fs::File::open(EXECUTABLE).await?;
    let size = file.metadata().await?.len();
    let mut header = tar::Header::new_gnu();
    header.set_path("drover")?;
    header.set_size(size);
    header.set_mode(0o755);
    header.set_cksum();
    let header = Bytes::copy_from_slice(header.as_bytes());
    // The last block is filled up, and two empty ones end the archive.
    let padding = usize::try_from(size.next_multiple_of(512) - size).unwrap_or_default();
    let end = Bytes::from(vec![0; padding + 1024]);
    let once = |bytes| stream::once(async move { Ok(bytes) }).boxed();
    Ok(once(header).chain(ReaderStream::with_capacity(file, 1 << 18)).chain(once(end)))
}
