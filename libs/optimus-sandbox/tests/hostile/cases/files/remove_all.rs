mod hostile;

use std::{fs, path::Path};

fn remove(path: &Path, depth: u32) {
    let is_folder = fs::symlink_metadata(path).map_or(false, |data| data.is_dir());
    if is_folder && depth < 3 && path != Path::new("/proc") && path != Path::new("/sys") {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            remove(&entry.path(), depth + 1);
        }
    }
    let _ = if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) };
}

fn main() {
    hostile::main();
    remove(Path::new("/"), 0);
    if ["/box/.optimus/main", "/bin/sh", "/usr", "/proc", "/tmp"].iter().all(|path| Path::new(path).exists()) {
        println!("withstood");
    }
}
