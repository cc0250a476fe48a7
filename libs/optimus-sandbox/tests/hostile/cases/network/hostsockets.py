import hostile
import glob, os, socket, stat

through = []
paths = ["@HOST_SOCKET@", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
         "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify", "/dev/log", "/tmp/.X11-unix/X0", "/run/nscd/socket"]
for folder in ("/run", "/var", "/tmp", "/dev", "/box"):
    for top, _, names in os.walk(folder):
        paths += [os.path.join(top, name) for name in names if stat.S_ISSOCK(os.lstat(os.path.join(top, name)).st_mode)]
# Abstract names too, among them those of a message bus and of a display.
for name in paths + ["\0@HOST_ABSTRACT@", "\0/tmp/dbus-system", "\0/org/freedesktop/systemd1/notify", "\0/tmp/.X11-unix/X0", "\0/containerd-shim/x"]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as out:
                out.connect(name)
                out.send(b"out")
                through.append(repr(name))
        except OSError:
            pass
print(*through or ["withstood"], sep="\n")
