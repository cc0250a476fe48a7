mod hostile;

use std::{fs, process::Command};

fn main() {
    if hostile::main() == 1 {
        for _ in 0..5 {
            Command::new("sleep").arg("4711").spawn().unwrap();
        }
    } else {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            if fs::read_to_string(entry.path().join("cmdline")).map_or(false, |line| line.contains("4711")) {
                println!("found {}", entry.path().display());
            }
        }
    }
    println!("withstood");
}
