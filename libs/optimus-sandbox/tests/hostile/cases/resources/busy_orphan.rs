mod hostile;

use std::{os::unix::process::CommandExt, process::Command};

fn main() {
    hostile::main();
    Command::new("setsid")
        .args(["--fork", "sh", "-c", "while :; do :; done"])
        .process_group(0)
        .spawn()
        .unwrap()
        .wait()
        .unwrap();
    loop {
        std::thread::park();
    }
}
