mod hostile;

use std::process::Command;

fn main() {
    hostile::main();
    Command::new("setsid")
        .args(["--fork", "sh", "-c", "while :; do :; done"])
        .spawn()
        .unwrap()
        .wait()
        .unwrap();
    loop {
        std::thread::park();
    }
}
