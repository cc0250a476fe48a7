//! Which port a connection goes out from, for programs that do not say.
//!
//! Left alone, the kernel looks for a free one from where its last search for the same destination has ended. Where that is
//! stands in a table that is the whole host's, so that a program sees by its own port how many connections others have made,
//! and can leave a number there for a later one. So a small program of ours that the kernel runs before each connection
//! draws a port at random, from all that the kernel would take, and binds the socket to it: there is nothing to search for then.
//!
//! It belongs to a control group of version 2 and holds for whatever is in it or below, also beside the controllers of version 1.
//! It takes root of the host, and Linux 5.8.

mod program;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

use self::program::Family;
use crate::process::last_errno;

/// `BPF_PROG_LOAD`, `BPF_PROG_ATTACH`, `BPF_PROG_TYPE_CGROUP_SOCK_ADDR` and `BPF_F_ALLOW_MULTI`.
const LOAD: libc::c_int = 5;
const ATTACH: libc::c_int = 8;
const OF_ADDRESSES: u32 = 18;
const BESIDE_OTHERS: u32 = 2;

/// What the kernel runs before a connection.
#[derive(Debug)]
pub struct SourcePorts {
    programs: [(Family, OwnedFd); 2],
}

/// The part of `union bpf_attr` that loads a program.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    hook: u32,
}

/// The part of it that attaches one.
#[repr(C)]
struct Attach {
    group: u32,
    program: u32,
    hook: u32,
    flags: u32,
}

impl SourcePorts {
    /// Fails where this process may not, or the kernel cannot.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        // So few come all at once.
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        let (low, high) = bytes.split_at(8);
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let key = [word(low), word(high)];
        let load = |family| Ok::<_, io::Error>((family, load(family, key)?));
        Ok(Self {
            programs: [load(Family::V4)?, load(Family::V6)?],
        })
    }

    /// Has it done in this group of version 2 for as long as the group is there.
    pub fn attach(&self, group: impl AsFd) -> io::Result<()> {
        let group = group.as_fd().as_raw_fd().unsigned_abs();
        for (family, program) in &self.programs {
            let attributes = Attach {
                group,
                program: program.as_raw_fd().unsigned_abs(),
                hook: family.attach_type(),
                flags: BESIDE_OTHERS,
            };
            bpf(ATTACH, &attributes)?;
        }
        Ok(())
    }
}

fn load(family: Family, key: [u64; 2]) -> rustix::io::Result<OwnedFd> {
    let instructions = program::build(family, key);
    let mut attributes = Load {
        kind: OF_ADDRESSES,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        hook: family.attach_type(),
        ..Load::default()
    };
    attributes.name[..12].copy_from_slice(b"source_ports");
    let descriptor = bpf(LOAD, &attributes)?;
    // SAFETY: the descriptor is new and owned.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> rustix::io::Result<i32> {
    // SAFETY: the kernel reads as many bytes as it is told, and what they point to is alive and as long as they say.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    i32::try_from(outcome)
        .ok()
        .filter(|outcome| *outcome >= 0)
        .ok_or_else(last_errno)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        env,
        fs::{self, File},
        io::{Read, Write},
        net::{SocketAddr, TcpListener, TcpStream},
        os::unix::process::CommandExt,
        path::PathBuf,
        process::Command,
    };

    use rustix::{
        net::{
            AddressFamily, SocketType, socket,
            sockopt::{set_socket_reuseaddr, set_socket_reuseport, socket_reuseaddr, socket_reuseport},
        },
        thread::{UnshareFlags, unshare_unsafe},
    };

    use super::*;
    use optimus_testkit::passed_over;

    use crate::network::arrange_network;

    /// Says to this program, started anew in a group of its own, what to connect to.
    const ADDRESS: &str = "OPTIMUS_TEST_CONNECT_TO";

    const CONNECTIONS: usize = 300;

    /// Where version 2 is mounted.
    fn unified() -> PathBuf {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let place = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            let place = fields.nth(1)?;
            (fields.next()? == "cgroup2").then_some(place)
        });
        place.expect("no version 2 is mounted").into()
    }

    /// Makes as many connections, one after the other, keeps them all, and tells the ports of their ends. They are of sockets
    /// that would share a port with others.
    fn connect(address: SocketAddr) -> Vec<u16> {
        let server = TcpListener::bind(address).unwrap();
        let address = server.local_addr().unwrap();
        let mut kept = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..CONNECTIONS {
            let socket = socket(family(address), SocketType::STREAM, None).unwrap();
            set_socket_reuseaddr(&socket, true).unwrap();
            set_socket_reuseport(&socket, true).unwrap();
            rustix::net::connect(&socket, &address).unwrap();
            assert!(socket_reuseaddr(&socket).unwrap() && socket_reuseport(&socket).unwrap());
            let mut client = TcpStream::from(socket);
            let (mut accepted, from) = server.accept().unwrap();
            assert_eq!(client.local_addr().unwrap().port(), from.port());
            client.write_all(b"x").unwrap();
            accepted.read_exact(&mut [0]).unwrap();
            ports.push(from.port());
            kept.push((client, accepted));
        }
        ports
    }

    /// Who has said where a connection goes out from is obeyed.
    fn connect_from(address: SocketAddr) {
        let server = TcpListener::bind(address).unwrap();
        let socket = socket(family(address), SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::new(address.ip(), 54_321)).unwrap();
        rustix::net::connect(&socket, &server.local_addr().unwrap()).unwrap();
        assert_eq!(server.accept().unwrap().1.port(), 54_321);
    }

    fn family(address: SocketAddr) -> AddressFamily {
        if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        }
    }

    /// Pairs of which the second port is little more than the first one, as where a search goes on.
    fn in_order(ports: &[u16]) -> usize {
        let steps = ports.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        steps.filter(|step| (1..=16).contains(step)).count()
    }

    #[test]
    fn ports_of_connections_are_drawn_at_random() {
        if let Ok(address) = env::var(ADDRESS) {
            // SAFETY: no descriptor or memory is unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            arrange_network().unwrap();
            let address = address.parse().unwrap();
            connect_from(address);
            let ports = connect(address);
            let different: BTreeSet<_> = ports.iter().collect();
            assert_eq!(different.len(), CONNECTIONS, "a port is there twice");
            assert!(ports.iter().all(|port| (32_768..61_000).contains(port)));
            println!("in order: {}", in_order(&ports));
            return;
        }
        let programs = match SourcePorts::new() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return passed_over::because("only root loads programs into the kernel");
            }
            loaded => loaded.unwrap(),
        };
        let group = unified().join(format!("optimus-test-{}", std::process::id()));
        let in_order_of = |address: &str| {
            fs::create_dir(&group).unwrap();
            let output = |attached: bool| {
                if attached {
                    programs.attach(File::open(&group).unwrap()).unwrap();
                }
                let mut processes = File::options()
                    .write(true)
                    .open(group.join("cgroup.procs"))
                    .unwrap();
                let mut again = Command::new("/proc/self/exe");
                again.args([
                    "--exact",
                    "--nocapture",
                    "source_ports::tests::ports_of_connections_are_drawn_at_random",
                ]);
                again.env(ADDRESS, address);
                // SAFETY: writes to a file.
                unsafe { again.pre_exec(move || processes.write_all(b"0")) };
                let output = again.output().unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                assert!(
                    output.status.success(),
                    "{said}{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                let counted = said.split("in order: ").nth(1).unwrap();
                counted.lines().next().unwrap().parse::<usize>().unwrap()
            };
            let outcome = [false, true].map(output);
            fs::remove_dir(&group).unwrap();
            outcome
        };
        for address in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let [before, with] = in_order_of(address);
            // At random, 20 of 300 are in order once in 10^30 times.
            assert!(
                before > CONNECTIONS / 2,
                "{address}: nothing would be noticed: {before}"
            );
            assert!(with < 20, "{address}: {with}");
        }
    }
}
