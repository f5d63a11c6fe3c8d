//! The server's disk is full: what can't be stored is refused in words, what was stored stays, and when there is room again
//! the same server goes on.

use std::path::{Path, PathBuf};

use xtask::cluster::Cluster;
use xtask::command::run;

use super::stage::{Stage, drover};

/// A disk of a few megabytes; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        run(&format!("mount --no-mtab -t tmpfs -o size=8m tmpfs {}", at.display())).unwrap();
        Self(at)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leave not a byte.
    fn fill(&self) {
        let zero = std::fs::File::open("/dev/zero").unwrap();
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        let full = std::io::copy(&mut { zero }, &mut filler).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(&format!("umount --lazy {}", self.0.display())).unwrap();
    }
}

#[test]
fn a_full_disk_refuses_in_words_and_loses_nothing() {
    let mut disk = None;
    let stage = Stage::set_with(|bed| {
        let small = SmallDisk::mount(bed.folder.join("small-disk"));
        let data: &Path = &small.0.join("server");
        let cluster = Cluster::start_on(bed, &drover(), data).unwrap();
        disk = Some(small);
        cluster
    });
    let (Some(stage), Some(disk)) = (stage, disk) else { return };
    stage.web("v1", 2);
    stage.ok("up -d");
    let before = stage.lives();

    disk.fill();
    let refused = stage.drover("scale web=5 --timeout 20");
    assert!(matches!(refused.status, Some(1 | 3)), "{}", refused.text);
    assert!(refused.text.contains("full"), "{}", refused.text);
    assert_eq!(stage.lives(), before);

    std::fs::remove_file(disk.filler()).unwrap();
    stage.ok("scale web=3");
    assert_eq!(stage.running("web").len(), 3);
    drop(stage);
}
