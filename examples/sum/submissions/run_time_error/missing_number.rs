//! Reads beyond the last number, and panics.

use std::io::{self, Read};

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).unwrap();
    let mut numbers = input.split_ascii_whitespace().map(|number| number.parse::<i64>().unwrap());
    let count = numbers.next().unwrap();
    let sum: i64 = (0..=count).map(|_| numbers.next().unwrap()).sum();
    println!("{sum}");
}
