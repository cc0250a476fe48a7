//! Dies by SIGABRT: recurses in a thread until its stack is full.

fn depth(n: usize) -> usize {
    let page = vec![n; 2];
    if n == usize::MAX {
        0
    } else {
        1 + depth(n + 1) + page[n % 2]
    }
}

fn main() {
    let result = std::thread::spawn(|| depth(0)).join();
    println!("{result:?}");
}
