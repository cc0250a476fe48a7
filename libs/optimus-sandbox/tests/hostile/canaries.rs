//! Secrets that no program may come to know, and doors of the host that none may reach.

use std::{
    env, fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
            process::CommandExt,
        },
    },
    process::{self, Command},
};

use tempfile::TempDir;
use uuid::Uuid;

/// Holds what all secrets of this run begin with. Itself one: of the worker's environment.
const VARIABLE: &str = "OPTIMUS_HOSTILE_CANARY";

const SECRET_FILE: &str = "secret";

/// Starts this program again with a secret in its environment, unless it has one.
pub(crate) fn enter_environment() {
    if env::var_os(VARIABLE).is_none() {
        let secret = format!("canary-{}-", Uuid::now_v7().simple());
        let error = Command::new("/proc/self/exe")
            .args(env::args_os().skip(1))
            .env(VARIABLE, secret)
            .exec();
        panic!("cannot start again: {error}");
    }
}

/// Everything that is put in a hostile program's way on the host.
pub(crate) struct Canaries {
    /// What every secret begins with, so that it is found wherever it comes from.
    prefix: String,
    folder: TempDir,
    doors: Doors,
}

/// Sockets of the host that nobody has business with.
struct Doors {
    tcp: [Option<TcpListener>; 2],
    udp: [Option<UdpSocket>; 2],
    path: UnixListener,
    abstract_name: String,
    hidden: UnixListener,
}

impl Canaries {
    pub(crate) fn place() -> Self {
        let prefix = env::var(VARIABLE).expect("set at the start");
        let folder = tempfile::Builder::new()
            .prefix("optimus-hostile-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        // Open to every user, so that nothing but the box stands between a program and it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let file = folder.path().join(SECRET_FILE);
        fs::write(&file, format!("{prefix}file\n")).expect("the folder is there");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("it is ours");
        let doors = Doors::open(&folder).expect("sockets can be made");
        Self {
            prefix,
            folder,
            doors,
        }
    }

    /// A new secret.
    pub(crate) fn secret(&self, of: &str) -> String {
        format!("{}{of}-{}", self.prefix, Uuid::now_v7().simple())
    }

    /// Puts names of the host's things into a program.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        text.replace("@SECRET_FILE@", &format!("{folder}/{SECRET_FILE}"))
            .replace("@SECRET_DIR@", &folder)
            .replace("@WORKER_PID@", &process::id().to_string())
            .replace("@HOST_PORT@", &self.doors.port().to_string())
            .replace("@HOST_SOCKET@", &format!("{folder}/socket"))
            .replace("@HOST_ABSTRACT@", &self.doors.abstract_name)
    }

    /// The first secret in what a program has written.
    pub(crate) fn leaked(&self, written: &[u8]) -> Option<String> {
        let at = written
            .windows(self.prefix.len())
            .position(|window| window == self.prefix.as_bytes())?;
        let end = written.len().min(at + self.prefix.len() + 60);
        Some(String::from_utf8_lossy(&written[at + self.prefix.len()..end]).into_owned())
    }

    /// Whether everything on the host is as it was, and nobody has knocked.
    pub(crate) fn untouched(&self) -> Result<(), String> {
        let text = fs::read_to_string(self.folder.path().join(SECRET_FILE));
        if text.ok() != Some(format!("{}file\n", self.prefix)) {
            return Err("the secret file of the host has changed".to_owned());
        }
        let entries = fs::read_dir(self.folder.path()).map_or(0, Iterator::count);
        if entries != 2 {
            return Err(format!("{entries} files instead of 2 beside the host's secret"));
        }
        self.doors.untouched()
    }
}

impl Doors {
    fn open(folder: &TempDir) -> io::Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = first.local_addr()?.port();
        // A host may have no IPv6; the other protocol's same port may be another's.
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
        let udp = [
            UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok(),
            UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).ok(),
        ];
        let abstract_name = format!("optimus-hostile-{}", process::id());
        let path = folder.path().join("socket");
        let doors = Self {
            tcp: [Some(first), second],
            udp,
            hidden: UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?,
            path: UnixListener::bind(&path)?,
            abstract_name,
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        for listener in doors.tcp.iter().flatten() {
            listener.set_nonblocking(true)?;
        }
        for socket in doors.udp.iter().flatten() {
            socket.set_nonblocking(true)?;
        }
        doors.path.set_nonblocking(true)?;
        doors.hidden.set_nonblocking(true)?;
        Ok(doors)
    }

    fn port(&self) -> u16 {
        let address = self.tcp[0].as_ref().map(TcpListener::local_addr);
        address.and_then(Result::ok).map_or(0, |address| address.port())
    }

    fn untouched(&self) -> Result<(), String> {
        let mut buffer = [0; 64];
        let tcp = self.tcp.iter().flatten().map(|door| door.accept().map(drop));
        let udp = self
            .udp
            .iter()
            .flatten()
            .map(|door| door.recv(&mut buffer).map(drop));
        let unix = [&self.path, &self.hidden]
            .into_iter()
            .map(|door| door.accept().map(drop));
        let knocks: Vec<_> = tcp
            .map(|knock| ("a TCP port", knock))
            .chain(udp.map(|knock| ("a UDP port", knock)))
            .chain(unix.map(|knock| ("a Unix socket", knock)))
            .collect();
        match knocks
            .iter()
            .find(|(_, knock)| !matches!(knock, Err(error) if error.kind() == ErrorKind::WouldBlock))
        {
            Some((door, _)) => Err(format!("somebody has reached {door} of the host")),
            None => Ok(()),
        }
    }
}
