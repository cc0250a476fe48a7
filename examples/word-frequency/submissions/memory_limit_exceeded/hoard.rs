//! Keeps much more than it needs: up to 1 GiB.

fn main() {
    let mut hoard = Vec::new();
    for number in 0..64 {
        hoard.push(std::hint::black_box(vec![number | 1_u8; 16 << 20]));
    }
    println!("{}", hoard.len());
}
