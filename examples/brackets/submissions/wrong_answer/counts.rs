//! Counts the brackets of each kind, whatever their order.

use std::io::{self, Read};

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).expect("the input is text");
    for line in input.split_ascii_whitespace().skip(1) {
        let count = |bracket| line.bytes().filter(|&b| b == bracket).count();
        let balanced = [(b'(', b')'), (b'[', b']'), (b'{', b'}')]
            .into_iter()
            .all(|(open, close)| count(open) == count(close));
        println!("{}", if balanced { "Yes" } else { "No" });
    }
}
