//! A command as it is executed: everything the new process needs, made before it exists.

use std::{
    ffi::{CString, NulError, OsStr},
    os::unix::fs::MetadataExt,
    path::Path,
    ptr,
};

use optimus_common::{
    box_layout::{BOX_DIR, TMP_DIR},
    limits::{CORE_LIMIT, Limits},
};
use optimus_protocol::CommandSpec;
use rustix::process::{Resource, Rlimit, getrlimit};

use crate::{
    guest::{HOME, SHELL},
    guest_id::GuestId,
};

/// What a guest finds in its environment where its command says nothing else; beside its name and `PATH`.
const DEFAULT_ENV: [(&str, &str); 5] = [
    ("HOME", HOME),
    ("LANG", "C.UTF-8"),
    ("PWD", BOX_DIR),
    ("SHELL", SHELL),
    ("TMPDIR", TMP_DIR),
];

/// Where programs are looked for if not even the agent has a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program with its arguments, environment and limits. What runs it need not allocate.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) program: CString,
    argv: CStrings,
    envp: CStrings,
    pub(crate) rlimits: Vec<(Resource, Rlimit)>,
}

/// Null-terminated pointers into the strings beside them.
#[derive(Debug)]
struct CStrings {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl CStrings {
    fn new<B: Into<Vec<u8>>>(strings: impl Iterator<Item = B>) -> Result<Self, NulError> {
        let strings: Vec<_> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([ptr::null()])
            .collect();
        Ok(Self {
            pointers,
            _strings: strings,
        })
    }
}

impl Command {
    /// `Err` says why the command names nothing that could be executed.
    pub(crate) fn new(spec: &CommandSpec, guest: GuestId) -> Result<Self, String> {
        let env = environment(spec, guest);
        let name = spec.argv.first().ok_or("the command is empty")?;
        let program = find_program(name, &env)?;
        let env = env
            .iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let strings = || {
            Ok::<_, NulError>((
                CString::new(program)?,
                CStrings::new(spec.argv.iter().map(String::as_bytes))?,
                CStrings::new(env)?,
            ))
        };
        let (program, argv, envp) = strings().map_err(|_| "the command contains a NUL byte".to_owned())?;
        Ok(Self {
            program,
            argv,
            envp,
            rlimits: rlimits(&spec.limits),
        })
    }

    /// Returns only if it fails. Allocates nothing.
    pub(crate) fn execute(&self) {
        // SAFETY: the program is a C string, and both arrays are null-terminated arrays of C strings that live on.
        unsafe {
            libc::execve(
                self.program.as_ptr(),
                self.argv.pointers.as_ptr(),
                self.envp.pointers.as_ptr(),
            )
        };
    }
}

/// The environment is the command's own, and these defaults; never the agent's, but for the box's `PATH`.
fn environment(command: &CommandSpec, guest: GuestId) -> Vec<(String, String)> {
    let mut env: Vec<_> = command
        .env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let own = [("LOGNAME", guest.name()), ("USER", guest.name()), ("PATH", &path)];
    for (name, value) in DEFAULT_ENV.into_iter().chain(own) {
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

/// Limits of each process. CPU time is only a backstop here, since the agent's own limit is of the whole tree.
/// Processes are not among them: the kernel counts those per UID, and a cgroup does it better.
fn rlimits(limits: &Limits) -> Vec<(Resource, Rlimit)> {
    // Counted in whole clock ticks, and so up to a quarter too much on a busy machine.
    let cpu_seconds = limits.cpu_time.as_secs().saturating_mul(2).saturating_add(2);
    let wanted = [
        (Resource::Core, CORE_LIMIT),
        (Resource::Cpu, cpu_seconds),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files.into()),
        (Resource::Stack, limits.memory_bytes),
        // No POSIX message queues: they would outlive the run.
        (Resource::Msgqueue, 0),
    ];
    wanted
        .map(|(resource, most)| (resource, at_most(resource, most)))
        .into()
}

/// A limit that cannot be raised again, nor be above the one this process has.
pub(crate) fn at_most(resource: Resource, most: u64) -> Rlimit {
    let inherited = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let most = Some(most.min(inherited));
    Rlimit {
        current: most,
        maximum: most,
    }
}
