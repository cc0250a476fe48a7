mod hostile;

fn main() {
    hostile::main();
    for _ in 0..1000 {
        std::thread::spawn(|| std::thread::park());
    }
    println!("a thousand threads");
}
