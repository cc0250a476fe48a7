use std::io::{self, Read};

fn main() {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).expect("the input is text");
    let numbers: Vec<i64> = input
        .split_ascii_whitespace()
        .skip(1)
        .map(|number| number.parse().expect("the input is numbers"))
        .collect();
    let points: Vec<_> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();

    let mut doubled_area = 0;
    let mut perimeter = 0.0;
    for (i, &(next_x, next_y)) in points.iter().enumerate() {
        let (x, y) = points[(i + points.len() - 1) % points.len()];
        doubled_area += x * next_y - next_x * y;
        perimeter += ((next_x - x) as f64).hypot((next_y - y) as f64);
    }
    println!("{} {perimeter}", doubled_area.abs() as f64 / 2.0);
}
