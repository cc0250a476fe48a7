use std::io::{self, BufWriter, Read, Write};

fn is_balanced(line: &str) -> bool {
    let mut awaited = Vec::new();
    for bracket in line.bytes() {
        match bracket {
            b'(' => awaited.push(b')'),
            b'[' => awaited.push(b']'),
            b'{' => awaited.push(b'}'),
            _ => {
                if awaited.pop() != Some(bracket) {
                    return false;
                }
            }
        }
    }
    awaited.is_empty()
}

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut output = BufWriter::new(io::stdout().lock());
    for line in input.split_ascii_whitespace().skip(1) {
        writeln!(output, "{}", if is_balanced(line) { "Yes" } else { "No" })?;
    }
    output.flush()
}
