//! A command in a container, of which two never run at once: one that takes too long has failed, and the next begins when
//! it has ended. Docker has no call that ends it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::docker::Engine;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at one that runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The one that was begun and not seen to end. It outlives whoever began it.
#[derive(Clone, Debug, Default)]
pub(super) struct Left(Arc<Mutex<Option<String>>>);

/// What a look at one tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    runs: bool,
    code: Option<i64>,
}

/// What is asked of Docker.
pub(super) trait Execs: Sync {
    /// Make one, without starting it: its id.
    fn make(
        &self,
        container: &str,
        command: &[String],
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// Start it, and read what it says to the end, which it may outlive.
    fn attend(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// How it is; nothing if Docker knows it no more.
    fn look(&self, id: &str) -> impl Future<Output = Result<Option<Seen>, Error>> + Send;
}

/// Run a command in a container; it must end with 0. What goes wrong is kept and shown: of the command only the program is
/// named, for what stands behind it may be secret.
pub(super) async fn run(
    docker: &impl Execs,
    container: &str,
    command: &[String],
    left: &Left,
) -> Result<(), String> {
    let program = command.first().map_or("", String::as_str);
    let running = async {
        if let Some(id) = left.get() {
            ended(docker, &id).await?;
            left.set(None);
        }
        let id = docker.make(container, command).await?;
        left.set(Some(id.clone()));
        docker.attend(&id).await?;
        let code = ended(docker, &id).await?;
        left.set(None);
        Ok::<_, Error>(code)
    };
    match timeout(PATIENCE, running).await {
        Ok(Ok(Some(0))) => Ok(()),
        Ok(Ok(Some(code))) => Err(format!("`{program}` ended with {code}")),
        Ok(Ok(None)) => Err(format!("`{program}` ended, and Docker does not say how")),
        Ok(Err(error)) => Err(format!("`{program}` can't be run: {error}")),
        Err(_) => Err(format!("`{program}` took longer than {} s", PATIENCE.as_secs())),
    }
}

/// Wait for its end; how it ended, if that is known.
async fn ended(docker: &impl Execs, id: &str) -> Result<Option<i64>, Error> {
    loop {
        match docker.look(id).await? {
            Some(Seen { runs: true, .. }) => sleep(LOOK_EVERY).await,
            seen => return Ok(seen.and_then(|seen| seen.code)),
        }
    }
}

impl Left {
    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, id: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

impl Execs for Engine {
    async fn make(&self, container: &str, command: &[String]) -> Result<String, Error> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        Ok(self.client().create_exec(container, options).await?.id)
    }

    async fn attend(&self, id: &str) -> Result<(), Error> {
        let started = self.client().start_exec(id, None::<StartExecOptions>).await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(piece) = output.next().await {
                piece?;
            }
        }
        Ok(())
    }

    async fn look(&self, id: &str) -> Result<Option<Seen>, Error> {
        match self.client().inspect_exec(id).await {
            Ok(seen) => Ok(Some(Seen { runs: seen.running == Some(true), code: seen.exit_code })),
            // Gone with its container, or with the engine that ran it.
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;

    /// A command that closes its output at once, and runs on until a moment.
    struct Docker {
        began: Instant,
        runs_for: Duration,
        code: Option<i64>,
        made: AtomicUsize,
    }

    impl Docker {
        fn new(seconds: u64, code: Option<i64>) -> Self {
            let runs_for = Duration::from_secs(seconds);
            Self { began: Instant::now(), runs_for, code, made: AtomicUsize::new(0) }
        }
    }

    impl Execs for Docker {
        async fn make(&self, _: &str, _: &[String]) -> Result<String, Error> {
            self.made.fetch_add(1, Ordering::Relaxed);
            Ok("e1".into())
        }

        async fn attend(&self, _: &str) -> Result<(), Error> {
            Ok(())
        }

        async fn look(&self, _: &str) -> Result<Option<Seen>, Error> {
            let runs = self.began.elapsed() < self.runs_for;
            Ok(Some(Seen { runs, code: self.code.filter(|_| !runs) }))
        }
    }

    async fn run_on(docker: &Docker, left: &Left) -> String {
        let command = ["bin/ok".to_owned(), "--password=secret".to_owned()];
        run(docker, "c1", &command, left).await.err().unwrap_or_else(|| "passed".into())
    }

    #[tokio::test(start_paused = true)]
    async fn how_it_ends_counts_not_when_it_falls_silent() {
        for (code, want) in [
            (Some(0), "passed"),
            (Some(1), "`bin/ok` ended with 1"),
            (None, "`bin/ok` ended, and Docker does not say how"),
        ] {
            let left = Left::default();
            assert_eq!(run_on(&Docker::new(3, code), &left).await, want);
            assert_eq!(left.get(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_waits_for_one_that_does_not_end() {
        let (docker, left) = (Docker::new(25, Some(0)), Left::default());
        let made = || docker.made.load(Ordering::Relaxed);
        for _ in 0..2 {
            assert_eq!(run_on(&docker, &left).await, "`bin/ok` took longer than 10 s");
            assert_eq!(made(), 1);
        }
        assert_eq!(run_on(&docker, &left).await, "passed");
        assert_eq!(made(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_knows_of_the_one_that_was_left() {
        let (docker, left) = (Docker::new(5, Some(0)), Left::default());
        let dropped = timeout(Duration::from_secs(1), run_on(&docker, &left)).await;
        assert!(dropped.is_err() && left.get().is_some());
        assert_eq!(run_on(&docker, &left).await, "passed");
        assert_eq!(docker.made.load(Ordering::Relaxed), 2);
    }
}
