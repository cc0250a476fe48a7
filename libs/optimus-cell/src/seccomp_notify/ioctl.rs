//! Requests of the listener of a filter, of `linux/seccomp.h`.

/// `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND`: of `!`, with the sizes of what they read and write.
pub(super) const RECEIVE: libc::Ioctl = request::<libc::seccomp_notif>(0);
pub(super) const SEND: libc::Ioctl = request::<libc::seccomp_notif_resp>(1);

const fn request<T>(number: libc::Ioctl) -> libc::Ioctl {
    const READ_AND_WRITE: libc::Ioctl = 3 << 30;
    READ_AND_WRITE | (size_of::<T>() as libc::Ioctl) << 16 | (b'!' as libc::Ioctl) << 8 | number
}

/// `SECCOMP_IOCTL_NOTIF_ADDFD`, which only writes.
pub(super) const ADD: libc::Ioctl = request::<libc::seccomp_notif_addfd>(3) & !(2 << 30);

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`
pub(super) const GO_ON: u32 = 1;
