mod hostile;

fn main() {
    hostile::main();
    println!("withstood");
    std::process::exit(1);
}
