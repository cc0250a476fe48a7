use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, BufWriter, Read, Write},
};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut numbers = input
        .split_ascii_whitespace()
        .map(|number| number.parse::<usize>().expect("the input is numbers"));
    let mut next = || numbers.next().expect("the input is complete");

    let places = next();
    let mut roads = vec![Vec::new(); places + 1];
    for _ in 0..next() {
        let (start, end, length) = (next(), next(), next());
        roads[start].push((end, length));
    }

    let mut distances = vec![None; places + 1];
    let mut heap = BinaryHeap::from([Reverse((0, 1))]);
    while let Some(Reverse((distance, place))) = heap.pop() {
        if distances[place].is_some() {
            continue;
        }
        distances[place] = Some(distance);
        for &(end, length) in &roads[place] {
            if distances[end].is_none() {
                heap.push(Reverse((distance + length, end)));
            }
        }
    }

    let mut output = BufWriter::new(io::stdout().lock());
    for distance in &distances[1..] {
        match distance {
            Some(distance) => writeln!(output, "{distance}")?,
            None => writeln!(output, "-1")?,
        }
    }
    output.flush()
}
