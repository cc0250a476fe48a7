//! What of the host probes look for and must not find.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::TcpListener,
    os::{linux::net::SocketAddrExt, unix::net},
    process,
};

use super::super::probe::Probe;

/// Something of which all boxes see the same copy, and that everybody may open.
const SHARED_FILES: [&str; 3] = ["/usr/bin/env", "/usr/bin/sh", "/usr/lib/os-release"];

/// What probes are told of the host, and must not find.
pub(super) struct Decoys {
    secret: tempfile::NamedTempFile,
    service: TcpListener,
    abstract_name: String,
    _abstract_service: net::UnixListener,
    shared_file: &'static str,
    _locked_device: File,
    _memory: SharedMemory,
    user_namespace: String,
}

impl Decoys {
    pub(super) fn place() -> io::Result<Self> {
        let mut secret = tempfile::NamedTempFile::new()?;
        secret.write_all(b"secret of the host\n")?;
        let abstract_name = format!("optimus-probe-{}", uuid::Uuid::now_v7().simple());
        let address = net::SocketAddr::from_abstract_name(&abstract_name)?;
        let shared_file = SHARED_FILES
            .into_iter()
            .find(|path| fs::symlink_metadata(path).is_ok_and(|data| data.is_file()))
            .ok_or_else(|| io::Error::other("none of the usual programs is in /usr"))?;
        let device = File::open("/dev/null")?;
        // Another worker may hold it at the same time, to the same end.
        device.try_lock().ok();
        Ok(Self {
            secret,
            service: TcpListener::bind("127.0.0.1:0")?,
            _abstract_service: net::UnixListener::bind_addr(&address)?,
            abstract_name,
            shared_file,
            _locked_device: device,
            _memory: SharedMemory::new()?,
            user_namespace: fs::read_link("/proc/self/ns/user")?
                .to_string_lossy()
                .into_owned(),
        })
    }

    /// What this probe is told.
    pub(super) fn parameters(&self, probe: Probe) -> io::Result<Vec<String>> {
        Ok(match probe {
            Probe::Users => vec![self.user_namespace.clone()],
            Probe::Root => vec![self.secret.path().display().to_string()],
            Probe::Hold | Probe::Files => vec![self.shared_file.to_owned()],
            Probe::Processes => vec![process::id().to_string()],
            Probe::Network => vec![self.service.local_addr()?.to_string(), self.abstract_name.clone()],
            _ => Vec::new(),
        })
    }
}

/// A segment of System V shared memory, for as long as this lives.
struct SharedMemory(libc::c_int);

impl SharedMemory {
    fn new() -> io::Result<Self> {
        // SAFETY: makes a segment of a page that nothing attaches.
        match unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600) } {
            -1 => Err(io::Error::last_os_error()),
            id => Ok(Self(id)),
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the segment is ours, and nothing attaches it.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
