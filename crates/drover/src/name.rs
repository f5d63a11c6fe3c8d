//! The name the program was called by, and how it says what went wrong under Rancher's.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use drover_cli::Program;

/// Which program the first word of the command line names.
pub(crate) fn program(first: Option<&OsString>) -> Program {
    let file = first.and_then(|word| Path::new(word).file_name());
    if file.is_some_and(|file| file == "rancher-compose") {
        Program::RancherCompose
    } else {
        Program::Drover
    }
}

/// One line, whatever it says: scripts look for it in logs.
pub(crate) fn fatal(sentence: &str, after: Duration) -> String {
    format!("FATA[{:04}] {}", after.as_secs(), sentence.replace('\n', "; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (word, want) in [
            ("rancher-compose", Program::RancherCompose),
            ("/usr/local/bin/rancher-compose", Program::RancherCompose),
            ("./rancher-compose", Program::RancherCompose),
            ("drover", Program::Drover),
            ("/opt/rancher-compose/drover", Program::Drover),
            ("", Program::Drover),
        ] {
            assert_eq!(program(Some(&word.into())), want, "{word}");
        }
        assert_eq!(program(None), Program::Drover);
    }

    #[test]
    fn a_fatal_line_is_one_line() {
        let line = fatal("a.yml:1:2: bad\na.yml:3:4: worse", Duration::from_millis(3900));
        assert_eq!(line, "FATA[0003] a.yml:1:2: bad; a.yml:3:4: worse");
    }
}
