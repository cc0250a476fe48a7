//! Forgets to end its loop.

fn main() {
    let line = "0.0 ".repeat(256);
    loop {
        println!("{line}");
    }
}
