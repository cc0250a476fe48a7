//! Comes along with every hostile program in Rust: reads what is asked for and does all but the attack.
#![allow(dead_code)]

use std::{fs, io::Read, os::unix::fs::MetadataExt, process::exit};

fn spoiled(what: &str) -> ! {
    println!("spoiled: {what}");
    exit(0)
}

/// Returns only for an attack: which of its job this is, from 1 on.
pub fn main() -> u32 {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && matches!(std::io::stdin().lock().read(&mut byte), Ok(1)) {
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    match words[0] {
        "answer" => exit(0),
        "honest" => {
            let me = fs::metadata("/proc/self/").unwrap().uid();
            for place in ["/box", "/tmp", "/dev/shm"] {
                for entry in fs::read_dir(place).unwrap() {
                    let path = entry.unwrap().path();
                    if fs::symlink_metadata(&path).map_or(false, |data| data.uid() == me) {
                        spoiled(&format!("there is already {}", path.display()));
                    }
                }
                let file = format!("{place}/honest");
                if fs::write(&file, vec![0; 1 << 20]).is_err() {
                    spoiled(&format!("no room in {place}"));
                }
                fs::remove_file(&file).unwrap();
            }
            println!("honest {}", words[1]);
            exit(0)
        }
        _ => words[1].parse().unwrap(),
    }
}
