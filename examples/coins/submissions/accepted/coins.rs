use std::io::{self, Read};

const MODULUS: u32 = 1_000_000_007;

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).expect("the input is text");
    let mut numbers = input
        .split_ascii_whitespace()
        .map(|number| number.parse::<usize>().expect("the input is numbers"));
    let amount = numbers.next().expect("the amount is given");

    let mut ways = vec![0; amount + 1];
    ways[0] = 1;
    for coin in numbers.skip(1) {
        for i in coin..=amount {
            ways[i] = (ways[i] + ways[i - coin]) % MODULUS;
        }
    }
    println!("{}", ways[amount]);
}
