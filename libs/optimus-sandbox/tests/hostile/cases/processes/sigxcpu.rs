mod hostile;

fn main() {
    hostile::main();
    let me = std::process::id().to_string();
    std::process::Command::new("sh").args(["-c", "kill -XCPU $0", &me]).status().unwrap();
    println!("it lives");
}
