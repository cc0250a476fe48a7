mod hostile;

use std::{fs, thread, time::Duration};

fn main() {
    hostile::main();
    for _ in 0..20 {
        for place in ["/box", "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue"] {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name == "mine" || name == "child" || name == "main.sh" {
                    println!("found {}", entry.path().display());
                }
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    println!("withstood");
}
