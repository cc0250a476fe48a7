//! Takes no CPU time, and no end.

fn main() {
    std::thread::sleep(std::time::Duration::from_secs(600));
}
