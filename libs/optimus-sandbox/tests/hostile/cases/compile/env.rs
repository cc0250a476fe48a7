mod hostile;

/// What the compiler knew and the program is not to know.
const KNOWN: [Option<&str>; 6] = [
    option_env!("OPTIMUS_HOSTILE_CANARY"),
    option_env!("OPTIMUS_API_KEY"),
    option_env!("DOCKER_HOST"),
    option_env!("REDIS_URL"),
    option_env!("HOSTNAME"),
    option_env!("CARGO_MANIFEST_DIR"),
];

fn main() {
    hostile::main();
    match KNOWN.iter().flatten().next() {
        Some(known) => println!("{known}"),
        None => println!("withstood"),
    }
}
