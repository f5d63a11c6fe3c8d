//! What any bytes at all may do to the parts that read what others wrote. Each target takes one input and panics where a rule
//! is broken; who makes the inputs is not its concern: a fuzzer guided by coverage (`cargo xtask fuzz`), or the seeds, which
//! every test run feeds once.

pub mod api;
pub mod compose;
pub mod frames;
pub mod query;
pub mod stage;
pub mod upload;

/// A target: how it is called, and what takes its inputs.
pub struct Target {
    /// Its name, and that of the folder of its seeds.
    pub name: &'static str,
    /// Takes one input.
    pub feed: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "api", feed: api::feed },
    Target { name: "compose", feed: compose::feed },
    Target { name: "frames", feed: frames::feed },
    Target { name: "query", feed: query::feed },
    Target { name: "upload", feed: upload::feed },
];

/// The one of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Parts of an input are parted by lines of `=====`.
pub(crate) const PARTED: &str = "\n=====\n";
