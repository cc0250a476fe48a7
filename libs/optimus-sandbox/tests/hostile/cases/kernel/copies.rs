mod hostile;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread,
};

const SOURCE: &str = "/tmp/source";

fn main() {
    hostile::main();
    let data = "copied ".repeat(40_000).into_bytes();
    fs::write(SOURCE, &data).unwrap();
    let mut through = Vec::new();
    let mut same = |way: &str, got: io::Result<Vec<u8>>| {
        if !matches!(&got, Ok(got) if *got == data) {
            through.push(format!("{way}: {:?}", got.map(|got| got.len())));
        }
    };
    same("fs::copy", fs::copy(SOURCE, "/tmp/copied").and_then(|_| fs::read("/tmp/copied")));
    same("to another file system", fs::copy(SOURCE, "/dev/shm/copied").and_then(|_| fs::read("/dev/shm/copied")));
    same("file to file", file_to_file());
    same("file to Unix socket", file_to_unix());
    same("file to TCP socket", file_to_tcp());
    same("file to pipe to file", through_a_child());
    if through.is_empty() {
        println!("withstood");
    } else {
        println!("{through:?}");
    }
}

fn file_to_file() -> io::Result<Vec<u8>> {
    io::copy(&mut File::open(SOURCE)?, &mut File::create("/tmp/io")?)?;
    fs::read("/tmp/io")
}

fn file_to_unix() -> io::Result<Vec<u8>> {
    let (mut from, to) = UnixStream::pair()?;
    let sender = thread::spawn(move || io::copy(&mut File::open(SOURCE)?, &mut &to));
    let mut got = Vec::new();
    from.read_to_end(&mut got)?;
    sender.join().unwrap()?;
    Ok(got)
}

fn file_to_tcp() -> io::Result<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut to = TcpStream::connect(listener.local_addr()?)?;
    let (mut from, _) = listener.accept()?;
    let sender = thread::spawn(move || io::copy(&mut File::open(SOURCE)?, &mut to));
    // And from a socket to a file.
    io::copy(&mut from, &mut File::create("/tmp/received")?)?;
    sender.join().unwrap()?;
    fs::read("/tmp/received")
}

fn through_a_child() -> io::Result<Vec<u8>> {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut into, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let sender = thread::spawn(move || {
        io::copy(&mut File::open(SOURCE)?, &mut into)?;
        into.flush()
    });
    io::copy(&mut out, &mut File::create("/tmp/child")?)?;
    sender.join().unwrap()?;
    child.wait()?;
    fs::read("/tmp/child")
}
