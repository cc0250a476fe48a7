mod hostile;

use std::fs;

fn main() {
    hostile::main();
    if fs::read_dir("@SECRET_DIR@").is_ok() {
        println!("listed");
    }
    if fs::write("@SECRET_DIR@/mine", "x").is_ok() || fs::write("@SECRET_FILE@", "x").is_ok() {
        println!("written");
    }
    if fs::metadata("@SECRET_FILE@").is_ok() || fs::metadata("@HOST_SOCKET@").is_ok() {
        println!("it is there");
    }
    println!("withstood");
}
