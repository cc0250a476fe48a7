//! A disk that is soon full, for real: a small file system in memory. Mounting it needs root.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

const MIB: usize = 1 << 20;

/// Unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Of so many MiB, in this folder, which is made where there is none.
    pub fn mount(folder: &Path, mib: usize) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "small"])
            .arg(folder)
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "a small file system is mounted here, which needs root"
        );
        Self(folder.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes every byte that is left, until the file is removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [MIB, 4096, 1] {
            let block = vec![0; size];
            let error = loop {
                if let Err(error) = file.write_all(&block) {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()) || thread::panicking(),
            "umount failed"
        );
    }
}
