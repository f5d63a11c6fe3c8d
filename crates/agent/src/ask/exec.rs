//! A command in a container, its input and output carried as they come. An empty frame ends the input.

use std::convert::Infallible;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::ResizeExecOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::{Asked, Size, Taken};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

impl Asked {
    pub(super) async fn exec(
        &self,
        container: &str,
        command: Vec<String>,
        (tty, stdin): (bool, bool),
        taken: Taken,
    ) -> Result<(), String> {
        let Taken { input, size } = taken;
        let input = stdin.then_some(input);
        let failed = |error| format!("can't run the command: {error}");
        let client = self.engine.client();
        let options = CreateExecOptions {
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let made = client.create_exec(container, options).await.map_err(failed)?;
        let options = StartExecOptions { detach: false, tty, ..StartExecOptions::default() };
        let started = client.start_exec(&made.id, Some(options)).await.map_err(failed)?;
        let StartExecResults::Attached { mut output, input: writer } = started else {
            return Ok(());
        };
        let carried = tokio::select! {
            carried = self.carry(&mut output, writer, input) => carried,
            never = self.fit(&made.id, size), if tty => match never {},
        };
        if !carried.map_err(failed)? {
            return Ok(());
        }
        let ended = client.inspect_exec(&made.id).await.map_err(failed)?;
        match ended.exit_code {
            Some(0) | None => Ok(()),
            Some(code) => Err(format!("the command exited with code {code}")),
        }
    }

    /// Give the command's terminal whatever size the asker's has. One that can't be given is a matter of looks only.
    async fn fit(&self, exec: &str, mut size: watch::Receiver<Size>) -> Infallible {
        loop {
            if size.changed().await.is_err() {
                return std::future::pending().await;
            }
            let (width, height) = *size.borrow_and_update();
            let options =
                ResizeExecOptionsBuilder::new().w(i32::from(width)).h(i32::from(height)).build();
            let _ = self.engine.client().resize_exec(exec, options).await;
        }
    }

    /// Carry input and output until the output ends; false if the asker is gone before.
    async fn carry(
        &self,
        output: &mut Output,
        writer: Input,
        input: Option<mpsc::Receiver<Bytes>>,
    ) -> Result<bool, Error> {
        let feed = feed(writer, input);
        tokio::pin!(feed);
        let mut feeding = true;
        loop {
            tokio::select! {
                () = &mut feed, if feeding => feeding = false,
                came = output.next() => match came {
                    None => return Ok(true),
                    Some(came) => {
                        if !self.sender.stream(self.number, bytes(came?)).await {
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }
}

/// Carry input until it ends; then the command sees the end of it. Without input the writer is kept, for closing it
/// would close the connection.
async fn feed(mut writer: Input, input: Option<mpsc::Receiver<Bytes>>) {
    let Some(mut input) = input else { return std::future::pending().await };
    while let Some(data) = input.recv().await {
        if data.is_empty()
            || writer.write_all(&data).await.is_err()
            || writer.flush().await.is_err()
        {
            break;
        }
    }
    // The command may be over already.
    let _ = writer.shutdown().await;
}

fn bytes(output: LogOutput) -> Bytes {
    match output {
        LogOutput::StdErr { message }
        | LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => message,
    }
}
