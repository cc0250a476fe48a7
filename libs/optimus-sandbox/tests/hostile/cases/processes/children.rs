mod hostile;

use std::process::{Command, Stdio};

fn main() {
    hostile::main();
    let mut last = Stdio::null();
    for _ in 0..10 {
        let mut child = Command::new("setsid")
            .arg("cat")
            .stdin(last)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        last = child.stdout.take().unwrap().into();
    }
    Command::new("setsid").args(["sleep", "1000"]).stdin(last).spawn().unwrap();
    println!("withstood");
}
