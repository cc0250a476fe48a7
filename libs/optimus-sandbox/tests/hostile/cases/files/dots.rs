mod hostile;

use std::{env, fs};

fn main() {
    hostile::main();
    let up = "../".repeat(60);
    for start in ["/", "/box", "/tmp", "/dev/shm", "/proc/self/cwd", "/usr"] {
        env::set_current_dir(start).unwrap();
        for path in [format!("{up}@SECRET_FILE@"), format!("{up}proc/1/root/@SECRET_FILE@")] {
            if let Ok(text) = fs::read_to_string(&path) {
                println!("{path}: {text}");
            }
        }
    }
    println!("withstood");
}
