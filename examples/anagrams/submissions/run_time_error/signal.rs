//! Dies by SIGABRT: recurses until the stack is full.

fn depth(n: u64) -> u64 {
    let page = std::hint::black_box([n; 512]);
    if n == u64::MAX {
        0
    } else {
        1 + depth(n + 1) + page[n as usize % 512] % 2
    }
}

fn main() {
    println!("{}", depth(0));
}
