//! From a command to a running guest: everything between `fork` and `exec`.
//!
//! The order of the steps is part of the sandbox, and written down in [`Step`].

use std::{
    convert::Infallible,
    ffi::{CString, NulError, OsStr},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    ptr,
};

use optimus_common::{language::BOX_DIR, limits::Limits, protocol::CommandSpec};
use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::{
        Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit, setsid, umask,
    },
    thread::set_no_new_privs,
};
use seccompiler::BpfProgram;

use crate::{
    error::CellError,
    guest::{GuestId, become_guest},
};

/// What a guest finds in its environment where its command says nothing else.
const DEFAULT_ENV: [(&str, &str); 3] = [("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];

/// Where programs are looked for if not even the agent has a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a launch went.
#[derive(Debug)]
pub(crate) enum Launched {
    /// The program runs under this process id.
    Running(i32),
    /// The command names nothing that can be executed. Its own fault.
    NotStarted { pid: Option<i32>, error: String },
    /// The box has as many processes as it may.
    Crowded,
}

/// The guest's three descriptors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stdio<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
}

/// The steps after `fork`, in their order.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Step {
    /// Only standard input, output and error are left.
    Descriptors,
    /// A session of its own: no terminal, no process group shared with the agent.
    Session,
    /// First to die when the box runs out of memory.
    OomScore,
    Limits,
    WorkingDirectory,
    /// Nothing blocked, nothing ignored: Rust ignores SIGPIPE, and that would outlive `exec`.
    Signals,
    /// Supplementary groups, GID, UID and capabilities, for good.
    Identity,
    /// Dies with the agent. After the change of UID, which clears it.
    ParentDeath,
    NoNewPrivileges,
    /// Last: the steps before need the calls that it refuses. The larger filter is inherited from the agent.
    Filter,
    Exec,
}

impl Step {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Descriptors, "arrange file descriptors"),
        (Self::Session, "start a session"),
        (Self::OomScore, "offer the process to the OOM killer"),
        (Self::Limits, "set resource limits"),
        (Self::WorkingDirectory, "enter the work directory"),
        (Self::Signals, "reset signals"),
        (Self::Identity, "change to the guest's UID"),
        (Self::ParentDeath, "tie the process to the agent"),
        (Self::NoNewPrivileges, "forbid new privileges"),
        (Self::Filter, "install the system call filter"),
        (Self::Exec, "execute the program"),
    ];
}

/// Everything the child needs, made before `fork`: it must not allocate.
struct Prepared<'a> {
    program: CString,
    /// Null-terminated arrays of pointers into the strings beside them.
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    rlimits: Vec<(Resource, Rlimit)>,
    guest: GuestId,
    filter: &'a BpfProgram,
}

pub(crate) fn launch(
    command: &CommandSpec,
    guest: GuestId,
    filter: &BpfProgram,
    stdio: Stdio<'_>,
) -> Result<Launched, CellError> {
    let not_started = |error: String| Ok(Launched::NotStarted { pid: None, error });
    let env = environment(command);
    let Some(name) = command.argv.first() else {
        return not_started("the command is empty".to_owned());
    };
    let program = match find_program(name, &env) {
        Ok(program) => program,
        Err(error) => return not_started(error),
    };
    let (Ok(program), Ok(argv), Ok(env)) = (
        CString::new(program),
        c_strings(command.argv.iter().map(String::as_bytes)),
        c_strings(
            env.iter()
                .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()),
        ),
    ) else {
        return not_started("the command contains a NUL byte".to_owned());
    };
    let prepared = Prepared {
        program,
        argv: pointers(&argv),
        envp: pointers(&env),
        rlimits: rlimits(&command.limits),
        guest,
        filter,
    };
    let (report, report_writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(CellError::system("make a pipe for the launch"))?;

    // SAFETY: the agent has one thread, and the child calls nothing that allocates or locks.
    match unsafe { libc::fork() } {
        -1 => {
            let source = io::Error::last_os_error();
            match source.raw_os_error() {
                Some(libc::EAGAIN) => Ok(Launched::Crowded),
                _ => Err(CellError::System {
                    operation: "fork",
                    source,
                }),
            }
        }
        0 => {
            let Err((step, errno)) = run_child(&prepared, stdio, &report_writer);
            let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
            // The write can fail only if the agent is gone, and then so is this process.
            let _ = rustix::io::write(&report_writer, &[step as u8, a, b, c, d]);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(127) }
        }
        pid => {
            drop(report_writer);
            outcome(pid, name, &report)
        }
    }
}

/// Waits until the child has executed its program, which closes the pipe, or has failed.
fn outcome(pid: i32, name: &str, report: &OwnedFd) -> Result<Launched, CellError> {
    let mut message = [0; 5];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(report, &mut message))
        .map_err(CellError::system("learn how a launch went"))?;
    if read == 0 {
        return Ok(Launched::Running(pid));
    }
    let [step, errno @ ..] = message;
    let source = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
    let (step, text) = Step::ALL[usize::from(step).min(Step::ALL.len() - 1)];
    // The kernel being out of something is nothing the program has done.
    let ours = matches!(
        source.raw_os_error(),
        Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE)
    );
    match step {
        Step::Exec if !ours => Ok(Launched::NotStarted {
            pid: Some(pid),
            error: format!("cannot execute {name}: {source}"),
        }),
        _ => Err(CellError::Setup { step: text, source }),
    }
}

/// The environment is the command's own, and these defaults; never the agent's, but for the image's `PATH`.
fn environment(command: &CommandSpec) -> Vec<(String, String)> {
    let mut env: Vec<_> = command
        .env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    for (name, value) in DEFAULT_ENV.into_iter().chain([("PATH", path.as_str())]) {
        if !command.env.contains_key(name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    }
    env
}

/// What to execute: the name itself where it has a slash, else the first executable file of that name in `PATH`.
fn find_program(name: &str, env: &[(String, String)]) -> Result<String, String> {
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    let path = env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or("", |(_, value)| value);
    std::env::split_paths(OsStr::new(path))
        .map(|folder| Path::new(BOX_DIR).join(folder).join(name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
        })
        .and_then(|file| file.to_str().map(str::to_owned))
        .ok_or_else(|| format!("there is no program {name:?} in PATH"))
}

fn c_strings<B: Into<Vec<u8>>>(strings: impl Iterator<Item = B>) -> Result<Vec<CString>, NulError> {
    strings.map(CString::new).collect()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Limits of each process. Processes are not among them: the kernel counts those per UID across all boxes, so the box's
/// cgroup limits them. CPU time is only a backstop here, since the agent's own limit is of the whole tree.
fn rlimits(limits: &Limits) -> Vec<(Resource, Rlimit)> {
    let cpu_seconds = limits.cpu_time.as_secs().saturating_add(2);
    let wanted = [
        (Resource::Core, 0),
        (Resource::Cpu, cpu_seconds),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files.into()),
        (Resource::Stack, limits.memory_bytes),
        // No POSIX message queues: they would outlive the run.
        (Resource::Msgqueue, 0),
    ];
    let limited = wanted.map(|(resource, most)| {
        let inherited = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let most = Some(most.min(inherited));
        (
            resource,
            Rlimit {
                current: most,
                maximum: most,
            },
        )
    });
    limited.into()
}

fn run_child(
    prepared: &Prepared<'_>,
    stdio: Stdio<'_>,
    report: &OwnedFd,
) -> Result<Infallible, (Step, Errno)> {
    let at = |step: Step| move |errno: Errno| (step, errno);
    arrange_descriptors(stdio, report).map_err(at(Step::Descriptors))?;
    setsid().map_err(at(Step::Session))?;
    offer_to_oom_killer().map_err(at(Step::OomScore))?;
    for (resource, limit) in &prepared.rlimits {
        setrlimit(*resource, *limit).map_err(at(Step::Limits))?;
    }
    rustix::process::chdir(BOX_DIR).map_err(at(Step::WorkingDirectory))?;
    umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    reset_signals().map_err(at(Step::Signals))?;
    become_guest(prepared.guest).map_err(at(Step::Identity))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(Step::ParentDeath))?;
    set_no_new_privs(true).map_err(at(Step::NoNewPrivileges))?;
    if seccompiler::apply_filter(prepared.filter).is_err() {
        return Err((Step::Filter, last_errno()));
    }
    // SAFETY: the program is a C string, and both arrays are null-terminated arrays of C strings that live on.
    unsafe {
        libc::execve(
            prepared.program.as_ptr(),
            prepared.argv.as_ptr(),
            prepared.envp.as_ptr(),
        )
    };
    Err((Step::Exec, last_errno()))
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Leaves 0, 1, 2 and the report, which closes on `exec`. All sources are above 2: the agent's own three are open.
fn arrange_descriptors(stdio: Stdio<'_>, report: &OwnedFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(stdio.stdin)?;
    rustix::stdio::dup2_stdout(stdio.stdout)?;
    rustix::stdio::dup2_stderr(stdio.stderr)?;
    let report = report.as_raw_fd().unsigned_abs();
    for (first, last) in [(3, report - 1), (report + 1, libc::c_uint::MAX)] {
        // SAFETY: nothing in this process uses the descriptors that are closed here again.
        if first <= last && unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == -1 {
            return Err(last_errno());
        }
    }
    Ok(())
}

fn offer_to_oom_killer() -> rustix::io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let file = open(
        c"/proc/self/oom_score_adj",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::io::write(&file, b"1000").map(drop)
}

fn reset_signals() -> rustix::io::Result<()> {
    // The kernel's own structure and call: libc's function would leave out the two signals it uses itself.
    let default = [0_u64; 4];
    let no_signals = [0_u64; 1];
    let size = size_of_val(&no_signals);
    let none = ptr::null_mut::<u64>();
    for signal in 1..=64 {
        // SAFETY: zeroes are a valid action, "the default", of the size the kernel reads. It refuses SIGKILL and
        // SIGSTOP, whose action is always the default.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size) };
    }
    // SAFETY: the set is as large as told.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            no_signals.as_ptr(),
            none,
            size,
        )
    };
    if outcome == -1 { Err(last_errno()) } else { Ok(()) }
}
