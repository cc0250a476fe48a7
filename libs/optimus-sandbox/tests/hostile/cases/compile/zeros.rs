mod hostile;

static STOLEN: &[u8] = include_bytes!("/dev/zero");

fn main() {
    hostile::main();
    println!("{}", STOLEN.len());
}
