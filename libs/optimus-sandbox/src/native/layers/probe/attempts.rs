//! The attempts themselves. Each runs as a guest, in a cell of its own.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    net::{TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::MetadataExt,
            net::{SocketAddr, UnixStream},
        },
    },
    ptr,
};

use optimus_cell::BoxResources;
use optimus_common::box_layout::{AGENT_DIR, BOX_DIR, SHM_DIR, TMP_DIR};
use rustix::{
    fs::StatVfsMountFlags,
    io::Errno,
    process::{getuid, test_kill_process},
    thread::no_new_privs,
};

use super::outcome::ProbeOutcome;

/// More than the box of this probe may have, and less than any machine lacks.
const MEMORY_BYTES: usize = 256 << 20;
/// More than the box of this probe may have.
const PROCESSES: usize = 200;

/// What a box may write to. `/proc` has files of each process' own; the agent's folder is covered by a closed one.
const WRITABLE: [&str; 5] = [BOX_DIR, TMP_DIR, SHM_DIR, "/proc", AGENT_DIR];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

#[expect(clippy::unnecessary_wraps, reason = "it is what an attempt returns")]
fn held(detail: impl Into<String>) -> io::Result<ProbeOutcome> {
    Ok(ProbeOutcome::Held(detail.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is what an attempt returns")]
fn broken(reason: impl Into<String>) -> io::Result<ProbeOutcome> {
    Ok(ProbeOutcome::Broken(reason.into()))
}

fn parameter<'a>(parameters: &[&'a str], index: usize) -> io::Result<&'a str> {
    parameters
        .get(index)
        .copied()
        .ok_or_else(|| io::Error::other("a parameter is missing"))
}

/// The field of a line `name: value`.
fn status(name: &str) -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .ok_or_else(|| io::Error::other(format!("the kernel does not tell {name}")))
}

pub(super) fn users(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let host = parameter(parameters, 0)?;
    let own = fs::read_link("/proc/self/ns/user")?;
    if own.to_string_lossy() == host {
        return broken("it is in the host's user namespace");
    }
    let map = fs::read_to_string("/proc/self/uid_map")?;
    let root = map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace();
        (numbers.next()? == "0").then(|| numbers.next()).flatten()
    });
    match root {
        Some(outside) => held(format!("the box's root is UID {outside} outside")),
        None => broken("the box has no root of its own"),
    }
}

pub(super) fn uids() -> io::Result<ProbeOutcome> {
    let own = getuid().as_raw();
    let of_agent = fs::metadata("/proc/1")?.uid();
    if own == 0 || own == of_agent {
        return broken("the program has the agent's UID");
    }
    // SAFETY: changes nothing but this process' own credentials.
    if unsafe { libc::setuid(0) } == 0 {
        return broken("the program became root");
    }
    held(format!("it runs as UID {own} and cannot become root"))
}

pub(super) fn root(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let secret = parameter(parameters, 0)?;
    if File::open(secret).is_ok() {
        return broken(format!("it read {secret} of the host"));
    }
    let mut folders = vec!["/", "/etc", "/usr", "/optimus", "/run", AGENT_DIR, "/dev", "/var"];
    folders.retain(|folder| fs::metadata(folder).is_ok());
    for folder in &folders {
        if File::create(format!("{folder}/probe")).is_ok() {
            return broken(format!("it wrote to {folder}"));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(4);
        let (place, options) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let named = |name: &str| options.split(',').any(|option| option == name);
        if !named("ro") && !WRITABLE.contains(&place) {
            return broken(format!("{place} is not mounted read-only"));
        }
        if !named("nosuid") {
            return broken(format!("{place} may have setuid programs"));
        }
    }
    held(format!(
        "a file of the host cannot be read, {} cannot be written to",
        folders.join(" ")
    ))
}

/// Locks a file for as long as this process lives.
pub(super) fn hold_lock(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let path = parameter(parameters, 0)?;
    let file = File::open(path)?;
    file.try_lock()?;
    std::mem::forget(file);
    held(format!("it has locked {path}"))
}

/// A file that another box has locked while this runs.
pub(super) fn lock_of_another_box(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let path = parameter(parameters, 0)?;
    match File::open(path)?.try_lock() {
        Ok(()) => held(format!("a lock that another box holds on {path} is not seen")),
        Err(TryLockError::WouldBlock) => broken(format!("a lock on {path} is seen by every box")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(super) fn devices() -> io::Result<ProbeOutcome> {
    for entry in fs::read_dir("/dev")? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() || entry.file_type()?.is_symlink() {
            continue;
        }
        if !DEVICES.iter().any(|known| name == *known) {
            return broken(format!("it has a device {}", name.display()));
        }
    }
    OpenOptions::new().write(true).open("/dev/null")?;
    match File::open("/dev/null")?.try_lock() {
        Ok(()) => held(format!(
            "there are {} and no others, no lock on them is shared",
            DEVICES.join(" ")
        )),
        Err(TryLockError::WouldBlock) => broken("a lock on /dev/null is seen by every box"),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(super) fn processes(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let worker: i32 = parameter(parameters, 0)?.parse().map_err(io::Error::other)?;
    let mut seen = 0;
    for entry in fs::read_dir("/proc")? {
        seen += usize::from(entry?.file_name().to_string_lossy().parse::<u32>().is_ok());
    }
    // The cell's first process and this one.
    if seen > 2 {
        return broken(format!("it sees {seen} processes"));
    }
    let worker = rustix::process::Pid::from_raw(worker);
    if worker.is_some_and(|worker| test_kill_process(worker) != Err(Errno::SRCH)) {
        return broken("it can signal the worker");
    }
    held("it sees its own processes only, and cannot signal the worker")
}

pub(super) fn network(parameters: &[&str]) -> io::Result<ProbeOutcome> {
    let (address, abstract_name) = (parameter(parameters, 0)?, parameter(parameters, 1)?);
    if TcpStream::connect(address).is_ok() {
        return broken("it connected to a service on the host's loopback");
    }
    if UnixStream::connect_addr(&SocketAddr::from_abstract_name(abstract_name)?).is_ok() {
        return broken("it connected to an abstract socket of the host");
    }
    let interfaces = fs::read_to_string("/proc/net/dev")?;
    let mut names = interfaces
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()));
    if let Some(name) = names.find(|name| *name != "lo") {
        return broken(format!("it has the interface {name}"));
    }
    let own = TcpListener::bind("127.0.0.1:0")?;
    TcpStream::connect(own.local_addr()?)?;
    held("it cannot reach services of the host, and has a loopback of its own")
}

pub(super) fn ipc() -> io::Result<ProbeOutcome> {
    // One line is the heading. The host has a segment while this runs.
    let segments = fs::read_to_string("/proc/sysvipc/shm")?.lines().count();
    if segments > 1 {
        return broken("it sees shared memory of the host");
    }
    held("shared memory of the host is not there")
}

pub(super) fn host_name() -> io::Result<ProbeOutcome> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name != "box" {
        return broken(format!("the host's name {name} is seen"));
    }
    match rustix::system::sethostname(b"probe") {
        Ok(()) => broken("it changed the box's name"),
        Err(_) => held("the host's name is not seen, and the box's cannot be changed"),
    }
}

pub(super) fn memory() -> io::Result<ProbeOutcome> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping that nothing uses.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), MEMORY_BYTES, access, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // Not reached, if the limit holds.
    broken(format!("it got {} MiB", MEMORY_BYTES >> 20))
}

pub(super) fn fork() -> io::Result<ProbeOutcome> {
    for count in 0..PROCESSES {
        // SAFETY: this process has one thread; the child only waits to be killed.
        match unsafe { libc::fork() } {
            -1 => {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    Some(libc::EAGAIN) => held(format!("a fork bomb was stopped after {count} processes")),
                    _ => Err(error),
                };
            }
            0 => loop {
                // SAFETY: only waits.
                unsafe { libc::pause() };
            },
            _ => {}
        }
    }
    broken(format!("it made {PROCESSES} processes"))
}

/// The kernel's counter tells whether it is held back. Ends with its box.
pub(super) fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

pub(super) fn capabilities() -> io::Result<ProbeOutcome> {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let bits = status(set)?;
        if !bits.trim_start_matches('0').is_empty() {
            return broken(format!("{set} is {bits}"));
        }
    }
    let bounding = u64::from_str_radix(&status("CapBnd")?, 16).map_err(io::Error::other)?;
    if bounding & !BoxResources::CAPABILITIES.bits() != 0 {
        return broken(format!("the agent has more than it needs: {bounding:x}"));
    }
    let target = c"/tmp".as_ptr();
    // SAFETY: asks the kernel for a change that it must refuse; all strings are C strings.
    let mounted = unsafe { libc::mount(c"none".as_ptr(), target, c"tmpfs".as_ptr(), 0, ptr::null()) };
    // SAFETY: as above.
    let rooted = unsafe { libc::chroot(target) };
    if mounted == 0 || rooted == 0 {
        return broken("it changed what is mounted");
    }
    held("it has none, and can neither mount nor change its root")
}

pub(super) fn privileges() -> io::Result<ProbeOutcome> {
    if !no_new_privs()? {
        return broken("a setuid program would give it the rights of its owner");
    }
    let mounted = rustix::fs::statvfs("/")?;
    if !mounted.f_flag.contains(StatVfsMountFlags::NOSUID) {
        return broken("its root may have setuid programs");
    }
    held("setuid bits and file capabilities are ignored")
}

pub(super) fn system_calls() -> ProbeOutcome {
    let refused = |number: libc::c_long, arguments: [libc::c_long; 4]| {
        let [a, b, c, d] = arguments;
        // SAFETY: the arguments are numbers and null pointers, which do no harm where the call is let through.
        let outcome = unsafe { libc::syscall(number, a, b, c, d, 0, 0) };
        outcome == -1
            && matches!(
                io::Error::last_os_error().raw_os_error(),
                Some(libc::ENOSYS | libc::EPERM)
            )
    };
    let attempts = [
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, -1, -1]),
        (
            "unshare",
            libc::SYS_unshare,
            [libc::CLONE_NEWUSER.into(), 0, 0, 0],
        ),
    ];
    let names: Vec<_> = attempts.iter().map(|(name, ..)| *name).collect();
    let through = attempts
        .iter()
        .find(|(_, number, arguments)| !refused(*number, *arguments));
    if let Some((name, ..)) = through {
        return ProbeOutcome::Broken(format!("{name} was not refused"));
    }
    match status("Seccomp").as_deref() {
        Ok("2") => ProbeOutcome::Held(format!("refused: {}", names.join(" "))),
        _ => ProbeOutcome::Broken("it has no filter".to_owned()),
    }
}

/// A process may write its own name by the mode bits, and the mount is not read-only.
pub(super) fn landlock() -> io::Result<ProbeOutcome> {
    let file = "/proc/self/comm";
    if fs::metadata(file)?.mode() & 0o200 == 0 {
        return Err(io::Error::other("there is nothing to try it on"));
    }
    match fs::write(file, "probe") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            held("a file of its own that lies elsewhere cannot be written to")
        }
        Ok(()) => broken(format!("it wrote to {file}")),
        Err(error) => Err(error),
    }
}
