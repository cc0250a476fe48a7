use std::{
    collections::HashMap,
    io::{self, BufWriter, Read, Write},
};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut groups: HashMap<Vec<u8>, Vec<&str>> = HashMap::new();
    for word in input.split_ascii_whitespace().skip(1) {
        let mut letters = word.as_bytes().to_vec();
        letters.sort_unstable();
        groups.entry(letters).or_default().push(word);
    }

    let mut output = BufWriter::new(io::stdout().lock());
    for group in groups.values_mut().filter(|group| group.len() > 1) {
        group.sort_unstable();
        writeln!(output, "{}", group.join(" "))?;
    }
    output.flush()
}
