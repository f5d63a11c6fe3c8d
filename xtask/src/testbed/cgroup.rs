//! Who gets how much of the processors when all want them: the control groups of a bed. As on a machine of its own, a
//! host's engine with all its threads counts as much as one container does, and so do the other programs on it; each
//! host counts as much as a process beside the bed, such as who sends requests. Else a dozen threads of three engines
//! would each weigh as much as all containers of the bed together.

use std::fs;
use std::path::{Path, PathBuf};

use super::layout::Layout;

/// What runs on a host beside containers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The engine and what it starts to make containers.
    Engine,
    /// Agents, and what else is started there.
    Programs,
}

impl Part {
    const ALL: [Self; 2] = [Self::Engine, Self::Programs];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Programs => "programs",
        }
    }
}

/// Where the kernel shares the processors out, and how weights are told there.
struct Hierarchy {
    root: PathBuf,
    weight: &'static str,
    /// The weight of a process, and of a group of which nothing is said.
    usual: u32,
    /// Groups must be told to share processors out below them.
    unified: bool,
}

impl Hierarchy {
    /// None, if this machine has nothing of the kind: then every thread counts as one.
    fn of_machine() -> Option<Self> {
        let root = PathBuf::from("/sys/fs/cgroup");
        if root.join("cgroup.controllers").exists() {
            return Some(Self { root, weight: "cpu.weight", usual: 100, unified: true });
        }
        let root = root.join("cpu");
        root.is_dir().then_some(Self { root, weight: "cpu.shares", usual: 1024, unified: false })
    }
}

/// Make a host's groups. What can't be made is done without: it is fairness, not function.
pub(super) fn make(layout: Layout, host: u8, hosts: u8) {
    let Some(hierarchy) = Hierarchy::of_machine() else { return };
    let (bed, of_host) =
        (hierarchy.root.join(layout.cgroup()), hierarchy.root.join(layout.host_cgroup(host)));
    for part in Part::ALL {
        let _ = fs::create_dir_all(of_host.join(part.name()));
    }
    if hierarchy.unified {
        for group in [&hierarchy.root, &bed, &of_host] {
            let _ = fs::write(group.join("cgroup.subtree_control"), "+cpu");
        }
    }
    let weight = hierarchy.usual * u32::from(hosts);
    let _ = fs::write(bed.join(hierarchy.weight), weight.to_string());
}

/// What a shell says to become one of a part's processes, with all it starts from then on.
pub(super) fn join(layout: Layout, host: u8, part: Part) -> String {
    let Some(hierarchy) = Hierarchy::of_machine() else { return String::new() };
    let group = hierarchy.root.join(layout.host_cgroup(host)).join(part.name());
    // 0 is whoever writes: in a namespace of its own a shell does not know its number outside.
    format!("echo 0 2>/dev/null >{} || :;", group.join("cgroup.procs").display())
}

/// Processes in a host's groups: also one that began to become the host's and has not come into its network yet.
pub(super) fn members(layout: Layout, host: u8) -> Vec<i32> {
    let Some(hierarchy) = Hierarchy::of_machine() else { return Vec::new() };
    let of_host = hierarchy.root.join(layout.host_cgroup(host));
    let parts = Part::ALL.into_iter().map(|part| of_host.join(part.name()).join("cgroup.procs"));
    let listed = parts.filter_map(|part| fs::read_to_string(part).ok());
    listed
        .flat_map(|list| list.lines().filter_map(|l| l.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Remove a group with all below it from every hierarchy; whether it is gone.
pub(super) fn remove(cgroup: &str) -> bool {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
    hierarchies.chain([root.to_owned()]).all(|hierarchy| remove_folders(&hierarchy.join(cgroup)))
}

/// Remove a folder tree that holds only folders, as cgroups do; whether it is gone.
fn remove_folders(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        remove_folders(&entry.path());
    }
    let _ = fs::remove_dir(folder);
    !folder.exists()
}
