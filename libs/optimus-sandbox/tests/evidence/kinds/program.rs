//! Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Write},
    process::exit,
    sync::Barrier,
    thread,
    time::Duration,
};

const MIB: usize = 1 << 20;

fn write_file(path: &str, bytes: usize) {
    let mut file = File::create(path).unwrap();
    let data = vec![0; 1 << 16];
    for _ in 0..bytes / data.len() {
        file.write_all(&data).unwrap();
    }
}

/// No compiler knows what becomes of it.
#[inline(never)]
fn kept<T>(made: &T) {
    // SAFETY: a reference is a valid pointer to a pointer's worth of its own bits.
    unsafe { std::ptr::read_volatile(&(made as *const T)) };
}

fn deeper(depth: usize) -> u64 {
    let mut frame = [0_u8; 1024];
    frame[depth % 1024] = 1;
    kept(&frame);
    if depth == 0 { 1 } else { deeper(depth - 1) + u64::from(frame[depth % 1024]) }
}

fn main() {
    let mut kind = String::new();
    io::stdin().read_line(&mut kind).unwrap();
    let (kind, hold) = kind.trim().split_once(' ').unwrap();
    // What a kind has made stays until the end.
    let (mut bytes, mut tree, mut hashes) = (Vec::new(), BTreeMap::new(), HashMap::new());
    match kind {
        "nothing" => {}
        "hello" => println!("hello"),
        "array" => bytes = vec![7_u8; 20 * MIB],
        "map" => tree.extend((0..100_000).map(|i| (i * 7 % 100_003, i))),
        "hashes" => hashes.extend((0..100_000).map(|i| (i, i.to_string()))),
        "threads" => {
            let all_there = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let part = vec![1_u8; 2 * MIB];
                        kept(&part);
                        all_there.wait();
                        drop(part);
                    });
                }
            });
        }
        "file" => write_file("/dev/shm/file", 8 * MIB),
        "recursion" => assert!(deeper(4000) > 0),
        "output" => {
            let mut out = io::stdout().lock();
            for _ in 0..8 * MIB / 64 {
                writeln!(out, "{}", "1".repeat(63)).unwrap();
            }
        }
        "input" => {
            bytes.reserve_exact(8 * MIB);
            io::stdin().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), 8 * MIB);
        }
        "fill" => {
            write_file("/tmp/fill", 48 * MIB);
            write_file("/dev/shm/fill", 48 * MIB);
        }
        _ => exit(95),
    }
    thread::sleep(Duration::from_millis(hold.parse().unwrap()));
    kept(&(bytes, tree, hashes));
}
