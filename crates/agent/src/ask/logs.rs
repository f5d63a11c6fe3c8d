//! A container's log, line by line: each frame is one line, its first byte says which stream it is of.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;

use super::Asked;

/// A line longer than this is sent in pieces, bytes.
const LONGEST_LINE: usize = 1 << 20;

/// Pieces of lines, by stream, until each line is whole.
#[derive(Default)]
struct Lines {
    pieces: [BytesMut; 3],
}

impl Asked {
    pub(super) async fn logs(
        &self,
        container: &str,
        options: LogsOptionsBuilder,
        tail: Option<u32>,
        since: Option<i64>,
    ) -> Result<(), String> {
        let tail = tail.map_or("all".to_owned(), |lines| lines.to_string());
        // Docker takes no later moment than this; nothing was said so late.
        let since = since.map_or(0, |since| i32::try_from(since.max(0)).unwrap_or(i32::MAX));
        let options = options.stdout(true).stderr(true).tail(&tail).since(since).build();
        let mut outputs = self.engine.client().logs(container, Some(options));
        let mut lines = Lines::default();
        while let Some(output) = outputs.next().await {
            let output = output.map_err(|error| format!("can't read its log: {error}"))?;
            for frame in lines.add(&output) {
                if !self.sender.stream(self.number, frame).await {
                    return Ok(());
                }
            }
        }
        for frame in lines.rest() {
            self.sender.stream(self.number, frame).await;
        }
        Ok(())
    }
}

impl Lines {
    /// Add what came; the lines that are whole now.
    fn add(&mut self, output: &LogOutput) -> Vec<Bytes> {
        let (stream, mut data): (u8, &[u8]) = match output {
            LogOutput::Console { message } => (0, message),
            LogOutput::StdIn { message } | LogOutput::StdOut { message } => (1, message),
            LogOutput::StdErr { message } => (2, message),
        };
        let held = &mut self.pieces[usize::from(stream)];
        let mut whole = Vec::new();
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            held.put_slice(&data[..end]);
            whole.push(frame(stream, held));
            data = &data[end + 1..];
        }
        held.put_slice(data);
        if held.len() > LONGEST_LINE {
            whole.push(frame(stream, held));
        }
        whole
    }

    /// What came without a line's end.
    fn rest(&mut self) -> Vec<Bytes> {
        let streams = (0u8..).zip(&mut self.pieces).filter(|(_, held)| !held.is_empty());
        streams.map(|(stream, held)| frame(stream, held)).collect()
    }
}

fn frame(stream: u8, held: &mut BytesMut) -> Bytes {
    let line = held.split();
    let line = line.strip_suffix(b"\r").filter(|_| stream == 0).unwrap_or(&line);
    let mut frame = BytesMut::with_capacity(line.len() + 1);
    frame.put_u8(stream);
    frame.put_slice(line);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_by_stream() {
        let mut lines = Lines::default();
        let out = |text: &'static str| LogOutput::StdOut { message: text.into() };
        let err = |text: &'static str| LogOutput::StdErr { message: text.into() };
        assert_eq!(lines.add(&out("one\ntw")), ["\u{1}one"]);
        assert_eq!(lines.add(&err("bad\n")), ["\u{2}bad"]);
        assert_eq!(lines.add(&out("o\n\n")), ["\u{1}two", "\u{1}"]);
        assert_eq!(lines.add(&out("end")), [""; 0]);
        assert_eq!(lines.rest(), ["\u{1}end"]);
        let tty = LogOutput::Console { message: "x\r\n".into() };
        assert_eq!(lines.add(&tty), ["\0x"]);
    }
}
