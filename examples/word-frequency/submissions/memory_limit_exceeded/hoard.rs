//! Keeps much more than it needs: up to 1 GiB.

fn main() {
    let mut hoard = Vec::new();
    for number in 0..64_u8 {
        hoard.push(vec![b'a' + number % 26; 16 << 20]);
    }
    let last: u64 = hoard.iter().map(|block| u64::from(block[block.len() - 1])).sum();
    println!("{} {last}", hoard.len());
}
