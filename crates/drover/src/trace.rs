//! Logging: to stderr, for people on a terminal, compact elsewhere, JSON where asked for.
//!
//! `RUST_LOG` says how much, in the usual form (`info,drover_server=debug`).

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people, in colour on a terminal.
    Human,
    /// One short line each.
    Compact,
    /// One JSON object each.
    Json,
}

/// How much is logged unless `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Warnings: a command says what it does by other means.
    Quiet,
    /// What happens.
    Normal,
    /// Every request.
    Loud,
}

/// Begin to log.
pub(crate) fn begin(format: Option<LogFormat>, level: Level) {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Compact });
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.filter()));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    // A logger that is there already (there is none) would only mean that these lines go there.
    let _ = match format {
        LogFormat::Human => logger.try_init(),
        LogFormat::Compact => logger.compact().try_init(),
        LogFormat::Json => logger.json().try_init(),
    };
}

impl Level {
    fn filter(self) -> &'static str {
        match self {
            Self::Quiet => "warn",
            // WireGuard's core complains of every host that is away, every few seconds; the status file says it once.
            Self::Normal => "info,boringtun=off",
            Self::Loud => "info,drover_cli=debug",
        }
    }
}
