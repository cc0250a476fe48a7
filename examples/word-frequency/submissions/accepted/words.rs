use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{self, BufWriter, Read, Write},
};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    input.make_ascii_lowercase();
    let (limit, text) = input.split_once('\n').expect("there are two parts");
    let limit = limit.trim().parse().expect("the first line is a number");

    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in text.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_unstable_by_key(|&(word, count)| (Reverse(count), word));

    let mut output = BufWriter::new(io::stdout().lock());
    for (word, count) in ranked.into_iter().take(limit) {
        writeln!(output, "{word} {count}")?;
    }
    output.flush()
}
