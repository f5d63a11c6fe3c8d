//! A question to whoever sits at the terminal.

use std::io::{BufRead as _, Write as _};

use crate::failure::Failure;

/// Whether they say yes. Asked on stderr, for stdout may be read by a program; on another thread, so that Ctrl-C ends the
/// command at a question too.
pub(crate) async fn confirmed(question: &str) -> Result<bool, Failure> {
    let question = format!("{question} [y/N] ");
    let asked = tokio::task::spawn_blocking(move || answer(&question)).await;
    let answer = asked.map_err(|gone| Failure::Output(gone.into()))?.map_err(Failure::Output)?;
    Ok(is_yes(&answer))
}

fn answer(question: &str) -> std::io::Result<String> {
    let mut to = std::io::stderr().lock();
    to.write_all(question.as_bytes())?;
    to.flush()?;
    // Whoever waits for the answer must not keep others from saying something.
    drop(to);
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer)
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_yes() {
        for (answer, want) in
            [("y\n", true), ("Yes\n", true), ("", false), ("\n", false), ("no\n", false)]
        {
            assert_eq!(is_yes(answer), want, "{answer:?}");
        }
    }
}
