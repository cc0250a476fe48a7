use std::io::{self, Read};

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).expect("the input is text");
    let sum: i64 = input
        .split_ascii_whitespace()
        .skip(1)
        .map(|number| number.parse::<i64>().expect("the input is numbers"))
        .sum();
    println!("{sum}");
}
