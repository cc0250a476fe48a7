fn main() {
    let mut ways = vec![1];
    let first = &ways[0];
    ways.push(*first + 1);
    println!("{first}");
}
