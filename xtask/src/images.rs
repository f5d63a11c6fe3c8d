//! The images that demo, tests and benchmark run, made on each engine from one static executable: a small web service
//! that says which version it is, a stand-in for a database, and a sleeper.

use std::path::{Path, PathBuf};

use crate::checkout::{self, BuildError};
use crate::docker::{Engine, EngineError};

/// Milliseconds a version of the web service takes from its start until it serves.
const BOOT_MS: u32 = 500;

/// Build the executable; where it is.
pub fn build_program() -> Result<PathBuf, BuildError> {
    checkout::build("--workspace --example testapp")
}

/// `demo/web:<version>`: serves the version's name on port 80, with a HEALTHCHECK.
pub fn import_web(engine: &Engine, program: &Path, version: &str) -> Result<(), EngineError> {
    let name = name_of(program);
    let command = format!(
        r#"CMD ["/{name}","serve","--port","80","--text","{version}","--boot-ms","{BOOT_MS}"]"#
    );
    let health =
        format!(r#"HEALTHCHECK --interval=1s --timeout=2s --retries=3 CMD ["/{name}","health"]"#);
    let image = format!("demo/web:{version}");
    engine.import(program, &image, &[&command, &health, "EXPOSE 80"])
}

/// Versions that no upgrade can arrive at: `demo/web:sick`, whose health check never passes, and `demo/web:elsewhere`,
/// which is well, on another port.
pub fn import_bad_webs(engine: &Engine, program: &Path) -> Result<(), EngineError> {
    let name = name_of(program);
    for (version, serves, checks) in [("sick", 80, 81), ("elsewhere", 8080, 8080)] {
        let command =
            format!(r#"CMD ["/{name}","serve","--port","{serves}","--text","{version}"]"#);
        let health = format!(
            r#"HEALTHCHECK --interval=1s --timeout=2s --retries=3 CMD ["/{name}","health","--port","{checks}"]"#
        );
        engine.import(program, &format!("demo/web:{version}"), &[&command, &health])?;
    }
    Ok(())
}

/// `demo/database:1`: keeps a volume at `/data` and does nothing with it.
pub fn import_database(engine: &Engine, program: &Path) -> Result<(), EngineError> {
    let command = format!(r#"CMD ["/{}","sleep"]"#, name_of(program));
    engine.import(program, "demo/database:1", &[&command, "VOLUME /data"])
}

/// `demo/sleep:1`: does nothing, well.
pub fn import_sleeper(engine: &Engine, program: &Path) -> Result<(), EngineError> {
    import_sleeper_as(engine, program, "demo/sleep:1")
}

/// The same under another name.
pub fn import_sleeper_as(engine: &Engine, program: &Path, image: &str) -> Result<(), EngineError> {
    let command = format!(r#"CMD ["/{}","sleep"]"#, name_of(program));
    engine.import(program, image, &[&command])
}

/// All of them.
pub fn import_all(engine: &Engine, program: &Path) -> Result<(), EngineError> {
    import_web(engine, program, "v1")?;
    import_web(engine, program, "v2")?;
    import_database(engine, program)?;
    import_sleeper(engine, program)
}

fn name_of(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
