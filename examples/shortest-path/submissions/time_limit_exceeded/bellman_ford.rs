//! Goes through all roads until nothing gets shorter: right, but up to 10^10 steps.

use std::io::{self, Read};

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).expect("the input is text");
    let numbers: Vec<usize> = input
        .split_ascii_whitespace()
        .map(|number| number.parse().expect("the input is numbers"))
        .collect();
    let roads: Vec<_> = numbers[2..].chunks_exact(3).map(|road| (road[0], road[1], road[2])).collect();

    let mut distances = vec![None; numbers[0] + 1];
    distances[1] = Some(0);
    let mut changed = true;
    while changed {
        changed = false;
        for &(start, end, length) in &roads {
            if let Some(distance) = distances[start].map(|distance| distance + length) {
                if distances[end].map_or(true, |so_far| distance < so_far) {
                    distances[end] = Some(distance);
                    changed = true;
                }
            }
        }
    }

    let mut output = String::new();
    for distance in &distances[1..] {
        output += &distance.map_or("-1".to_owned(), |distance| distance.to_string());
        output.push('\n');
    }
    print!("{output}");
}
