//! Where boxes are built: a mount namespace that shows nothing but what they are built of.
//!
//! A box begins with a copy of the spawner's mount namespace. So the spawner's own holds a small tmpfs and, in it, what
//! the roots are made of; copying it is quick, and a box in the making cannot reach the rest of the host. The host as it
//! was is kept in a second namespace, in which paths are looked up when a root is loaded.
//!
//! ```text
//! /proc            the host's
//! /empty           beside each folder of the host, since an overlay without a writable part takes two
//! /new             where a box builds its root
//! /devices         null, zero, full, random, urandom, bound from the host's /dev; empty where boxes make their own
//! /roots/N         of root N: its skeleton, and what it shows of the host by numbers
//! ```

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use optimus_common::{LanguageName, weaken};
use optimus_linux::process::unshare;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, chmod, makedev, mknodat, open},
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_bind,
        mount_bind_recursive, mount_change, move_mount, unmount,
    },
    process::pivot_root,
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use super::{
    base_rootfs,
    copy::{Copier, CopyTarget, Reader},
    failure::Failure,
    folders::folder_at,
    host_mounts,
};
use crate::native::{
    roots::{HostPath, HostRoot, Root},
    wire::{Copied, LoadRoot, RootId, Support},
};

/// The options of the tmpfs that boxes are built in. It holds small files only.
const ROOTFS_OPTIONS: &CStr = c"mode=0755,size=64m";
/// The options of the tmpfs of copies: as the kernel bounds it by default, in half of the memory, but with room for the links of
/// many roots. The first that this kernel takes.
///
/// - `huge`: programs are mapped by large pages, as they are from the file systems of disks. By small ones alone the start
///   of an interpreter takes a tenth more time on the CPU. A kernel may be built without.
/// - `noswap`: nothing of it is to be swapped out, which Linux 6.4 and later promise to root.
const COPIES_OPTIONS: [&CStr; 4] = [
    c"mode=0755,nr_inodes=4000000,huge=within_size,noswap",
    c"mode=0755,nr_inodes=4000000,noswap",
    c"mode=0755,nr_inodes=4000000,huge=within_size",
    c"mode=0755,nr_inodes=4000000",
];
const STORE: &str = "/roots/store";
/// What of the host is shown as it is, where a test has taken the copies away.
const UNCOPIED: &str = "/usr";
/// A folder that exists everywhere, over which this file system is mounted first.
const MOUNT_POINT: &str = "/tmp";

/// Name, major and minor number, as `Documentation/admin-guide/devices.txt` of the kernel has them.
const DEVICES: [(&str, u32, u32); 5] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
];

#[derive(Debug)]
pub(super) struct RootfsBuilder {
    /// The host's file systems.
    host: OwnedFd,
    /// This process' own view.
    own: OwnedFd,
    devices: Devices,
    reader: Reader,
    templates: HashMap<RootId, RootfsTemplate>,
}

/// Where the device nodes in boxes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Devices {
    /// Nodes of our own.
    Made,
    /// The host's own nodes, which all boxes then share. A user namespace may make none.
    Bound,
}

/// What may be done with a part of the host.
#[derive(Debug, Clone, Copy)]
enum HostAccess {
    ReadOnly,
    /// A device is written to all the same.
    Device,
    Writable,
}

/// What a box mounts, in order, to build one root.
#[derive(Debug)]
pub(super) struct RootfsTemplate {
    /// Where the layers of the root's own overlay are, a `skeleton` over a `tree`.
    pub(super) parts: PathBuf,
    pub(super) folders: Vec<OverlayFolder>,
    /// The language's folder that is to be written to, and where it appears.
    pub(super) writable: Option<(CString, CString)>,
    pub(super) devices: Devices,
    /// The folder of the host that is writable in the box. It is the guest's as long as the box is there.
    pub(super) writable_dir: Option<PathBuf>,
    /// `PATH` of the guests.
    pub(super) path: Option<String>,
}

/// A read-only overlay of one folder.
#[derive(Debug)]
pub(super) struct OverlayFolder {
    pub(super) layers: CString,
    /// Relative to the new root.
    pub(super) target: CString,
}

impl RootfsTemplate {
    /// The mount option that names the layers of the root's overlay.
    pub(super) fn layers(&self) -> io::Result<CString> {
        let parts = self.parts.display();
        Ok(CString::new(format!("lowerdir={parts}/skeleton:{parts}/tree"))?)
    }

    /// Whether its parts are all that its root shows.
    pub(super) fn is_whole(&self) -> bool {
        self.folders.is_empty() && self.writable.is_none()
    }
}

impl Devices {
    /// Makes what a box has in `/dev`: the nodes, and what shells and libraries expect beside them.
    pub(super) fn make(self, folder: &Path) -> io::Result<()> {
        for device in DEVICES {
            match self {
                Self::Made => make_device(folder, device)?,
                Self::Bound => {
                    let node = folder.join(device.0);
                    fs::write(&node, "")?;
                    mount_bind(Path::new("/devices").join(device.0), node)?;
                }
            }
        }
        base_rootfs::device_links(folder)
    }
}

impl RootfsBuilder {
    /// Turns this process' view of the file system into one that has nothing but what boxes are built of.
    pub(super) fn build(reader: Reader) -> Result<Self, Failure> {
        unshare(UnshareFlags::NEWNS).map_err(Failure::at("make a mount namespace"))?;
        // Mounts that the host removes vanish here, too, so that nothing is kept busy.
        mount_change(
            "/",
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )
        .map_err(Failure::at("cut the mount namespace off"))?;
        let host = namespace()?;
        unshare(UnshareFlags::NEWNS).map_err(Failure::at("make a mount namespace"))?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(Failure::at("cut the mount namespace off"))?;
        mount("rootfs", MOUNT_POINT, "tmpfs", MountFlags::NOSUID, ROOTFS_OPTIONS)
            .map_err(Failure::at("mount a tmpfs"))?;
        for folder in ["proc", "empty", "new", "devices", "roots"] {
            folder_at(&Path::new(MOUNT_POINT).join(folder))?;
        }
        let devices = find_devices(&Path::new(MOUNT_POINT).join("devices"))?;
        mount_bind_recursive("/proc", Path::new(MOUNT_POINT).join("proc"))
            .map_err(Failure::at("bind /proc"))?;
        leave_for(MOUNT_POINT).map_err(Failure::at("enter the rootfs"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
        let [best, others @ ..] = COPIES_OPTIONS;
        let mount = |options| mount("roots", "/roots", "tmpfs", flags, options);
        others
            .into_iter()
            .fold(mount(best), |mounted, options| {
                mounted.or_else(|_| mount(options))
            })
            .map_err(Failure::at("mount a tmpfs"))?;
        folder_at(Path::new(STORE))?;
        Ok(Self {
            host,
            own: namespace()?,
            devices,
            reader,
            templates: HashMap::new(),
        })
    }

    pub(super) fn devices(&self) -> Devices {
        self.devices
    }

    pub(super) fn template(&self, root: RootId) -> Result<&RootfsTemplate, Failure> {
        self.templates
            .get(&root)
            .ok_or_else(|| Failure::new("this root was never loaded"))
    }

    /// Copies what a root shows. Takes long, and changes what this process sees: to be called in one of its own.
    pub(super) fn copy(&self, request: &LoadRoot) -> Result<Copied, Failure> {
        let base = base(request.root);
        let (skeleton, tree) = (base.join("skeleton"), base.join("tree"));
        match &request.from {
            Root::Image { .. } => base_rootfs::of_image(&skeleton)?,
            Root::Host(HostRoot { toolchain, .. }) => {
                base_rootfs::of_host(&skeleton, &request.language, toolchain)?;
            }
        }
        folder_at(&tree)?;
        let open = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            open(path, flags, Mode::empty())
                .map_err(Failure::at(format_args!("open {} of the rootfs", path.display())))
        };
        let target = CopyTarget {
            store: open(Path::new(STORE))?,
            tree: open(&tree)?,
        };
        let copier = Copier::new(target, self.reader, request.most_bytes);
        self.on_the_host(|| match &request.from {
            Root::Image { folder, .. } => copier.image(folder),
            Root::Host(host) => {
                let support = match request.support {
                    Support::ReadOnly => host.support.clone().map(|prepared| HostPath {
                        host: prepared,
                        inside: own_folder(&request.language),
                    }),
                    Support::Writable => None,
                };
                copier.host(host, support.as_ref())
            }
        })?
    }

    /// Begins with boxes of a root that was copied.
    pub(super) fn open_root(&mut self, request: &LoadRoot) -> Result<(), Failure> {
        let base = base(request.root);
        let mut template = RootfsTemplate {
            parts: base.clone(),
            folders: Vec::new(),
            writable: None,
            writable_dir: None,
            devices: self.devices,
            path: None,
        };
        if weaken::is_off("roots-in-memory") {
            let uncopied = base.join("uncopied");
            self.place(Path::new(UNCOPIED), &uncopied, HostAccess::ReadOnly)?;
            template.folders.push(OverlayFolder {
                layers: layers(&[Path::new("/empty"), &uncopied])?,
                target: relative(Path::new(UNCOPIED))?,
            });
        }
        if let Root::Host(HostRoot { path, support, .. }) = &request.from {
            template.path = Some(path.clone());
            if let (Some(prepared), Support::Writable) = (support, request.support) {
                let staged = base.join("support");
                self.place(prepared, &staged, HostAccess::Writable)?;
                let target = relative(&own_folder(&request.language))?;
                template.writable = Some((c_string(&staged)?, target));
                template.writable_dir = Some(prepared.clone());
            }
        }
        self.templates.insert(request.root, template);
        Ok(())
    }

    /// Makes no box of this root any more. What it has is removed by [`clear`].
    pub(super) fn close_root(&mut self, root: RootId) {
        self.templates.remove(&root);
        // Attached to folders that are about to be removed, where anything is.
        for mounted in ["support", "uncopied"] {
            unmount(base(root).join(mounted), UnmountFlags::DETACH).ok();
        }
    }

    /// Gives a folder of the host, and what is in it, to this user.
    pub(super) fn chown_dir(&self, folder: &Path, uid: u32) -> Result<(), Failure> {
        self.on_the_host(|| host_mounts::chown_tree(folder, uid))?
            .map_err(Failure::at(format_args!(
                "change the owner of {}",
                folder.display()
            )))
    }

    /// Shows a folder of the host at a place where boxes are built.
    fn place(&self, folder: &Path, at: &Path, access: HostAccess) -> Result<(), Failure> {
        folder_at(at)?;
        let tree = self
            .on_the_host(|| host_mounts::open(folder))?
            .map_err(Failure::at(format_args!("open {}", folder.display())))?;
        attach(&tree, at, access)
    }

    /// Does something where the host's paths mean what they mean there.
    fn on_the_host<T>(&self, work: impl FnOnce() -> T) -> Result<T, Failure> {
        enter(&self.host)?;
        let result = work();
        enter(&self.own)?;
        Ok(result)
    }
}

/// Removes what was copied for a root, and every copy that no other root shows. No root may be copied meanwhile.
pub(super) fn clear(root: RootId) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let clear = || -> io::Result<()> {
        match fs::remove_dir_all(base(root)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        for copy in fs::read_dir(STORE)? {
            let copy = copy?;
            if copy.metadata()?.nlink() == 1 {
                fs::remove_file(copy.path())?;
            }
        }
        Ok(())
    };
    clear().map_err(Failure::at("clear the rootfs"))
}

fn base(root: RootId) -> PathBuf {
    PathBuf::from(format!("/roots/{}", root.0))
}

/// Where a language finds what was prepared for it.
fn own_folder(language: &LanguageName) -> PathBuf {
    Path::new("/optimus").join(language.as_str())
}

fn namespace() -> Result<OwnedFd, Failure> {
    open(
        "/proc/self/ns/mnt",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(Failure::at("open this process' mount namespace"))
}

fn enter(namespace: &OwnedFd) -> Result<(), Failure> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
        .map_err(Failure::at("change the mount namespace"))
}

/// Makes this mount the root, and lets go of what was above it.
pub(super) fn leave_for(mount_point: impl rustix::path::Arg) -> rustix::io::Result<()> {
    rustix::process::chdir(mount_point)?;
    // The old root ends up on top of the new one, and is taken off there.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

/// Whether nodes can be made, and, where they cannot, the host's own.
fn find_devices(folder: &Path) -> Result<Devices, Failure> {
    if !weaken::is_off("private-devices") {
        match make_device(folder, DEVICES[0]) {
            Ok(()) => return Ok(Devices::Made),
            Err(rustix::io::Errno::PERM) => {}
            Err(errno) => return Err(Failure::at("make a device node")(errno)),
        }
    }
    for (name, ..) in DEVICES {
        let node = folder.join(name);
        fs::write(&node, "").map_err(Failure::at("write to the rootfs"))?;
        let device = Path::new("/dev").join(name);
        let tree =
            host_mounts::open(&device).map_err(Failure::at(format_args!("open {}", device.display())))?;
        attach(&tree, &node, HostAccess::Device)?;
    }
    Ok(Devices::Bound)
}

fn make_device(folder: &Path, (name, major, minor): (&str, u32, u32)) -> rustix::io::Result<()> {
    let node = folder.join(name);
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(major, minor))?;
    // Without what the umask takes off.
    chmod(&node, mode)
}

/// Attaches a tree that belongs to no namespace yet.
fn attach(tree: &OwnedFd, at: &Path, access: HostAccess) -> Result<(), Failure> {
    let attributes = match access {
        HostAccess::ReadOnly => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_RDONLY,
        HostAccess::Device => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC | libc::MOUNT_ATTR_RDONLY,
        HostAccess::Writable => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    };
    restrict(tree, attributes)
        .and_then(|()| {
            Ok(move_mount(
                tree,
                "",
                CWD,
                at,
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
            )?)
        })
        .map_err(Failure::at(format_args!(
            "show a part of the host at {}",
            at.display()
        )))
}

/// Sets attributes of a tree and of all mounts in it. Needs Linux 5.12.
fn restrict(tree: &OwnedFd, attributes: u64) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is empty and the structure as large as told.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const change,
            size_of_val(&change),
        )
    };
    if outcome == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The overlay's option for these folders, the uppermost first. Their names need no escapes.
fn layers(folders: &[&Path]) -> Result<CString, Failure> {
    let names: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
    c_string(Path::new(&format!("lowerdir={}", names.join(":"))))
}

/// A place in a box as a path from its root on.
fn relative(inside: &Path) -> Result<CString, Failure> {
    c_string(inside.strip_prefix("/").unwrap_or(inside))
}

fn c_string(path: &Path) -> Result<CString, Failure> {
    CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Failure::new(format!("{} contains a NUL byte", path.display())))
}
