mod hostile;

extern "C" {
    fn close(descriptor: i32) -> i32;
}

/// Everything is said, and nobody can be heard any more; it goes on for a while.
fn main() {
    hostile::main();
    println!("withstood");
    for descriptor in 0..3 {
        unsafe { close(descriptor) };
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
}
