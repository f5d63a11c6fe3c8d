//! What the machine is, from /proc and the engine.

use drover_core::HostFacts;

/// The machine's name.
pub(crate) fn hostname() -> String {
    read("/proc/sys/kernel/hostname").trim().to_owned()
}

/// The machine, with the engine's version where it is known and the problem where it isn't. How it is joined to others
/// is not known here.
pub(crate) fn facts(docker_version: &str, problem: &str) -> HostFacts {
    HostFacts {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        docker_version: docker_version.to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        os: os(&read("/etc/os-release")),
        cpus: cpus(&read("/proc/cpuinfo")),
        memory: memory(&read("/proc/meminfo")),
        problem: problem.to_owned(),
        ..HostFacts::default()
    }
}

/// What can't be read is left out: no fact is worth failing for.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn os(text: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.unwrap_or("Linux").trim_matches('"').to_owned()
}

fn cpus(text: &str) -> u32 {
    let counted = text.lines().filter(|line| line.starts_with("processor")).count();
    u32::try_from(counted).unwrap_or(u32::MAX)
}

fn memory(text: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read() {
        assert_eq!(os("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"), "Debian GNU/Linux 12");
        assert_eq!(os(""), "Linux");
        assert_eq!(cpus("processor\t: 0\nmodel\t: x\nprocessor\t: 1\n"), 2);
        assert_eq!(memory("MemFree: 1 kB\nMemTotal:       2048 kB\n"), 2 << 20);
        assert_eq!(memory(""), 0);
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = facts("20.10", "");
        assert!(facts.cpus > 0 && facts.memory > 0 && !facts.kernel.is_empty());
        assert!(!hostname().is_empty());
    }
}
