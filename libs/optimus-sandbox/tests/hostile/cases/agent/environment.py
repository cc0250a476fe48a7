import hostile
import os

# Nothing of the agent's or the worker's is handed down, and nothing lies where a program starts.
expected = {"PATH", "HOME", "SHELL", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_", "TZ", "TERM"}
through = sorted(set(os.environ) - expected)
with open("/proc/self/environ", "rb") as file:
    through += [line.decode() for line in file.read().split(b"\0") if line.startswith((b"OPTIMUS", b"DOCKER", b"RUST", b"CARGO", b"HOSTNAME"))]
with open("/proc/self/auxv", "rb") as file:
    auxv = file.read()
if os.getcwd() != "/box":
    through.append(os.getcwd())
print(*through or ["withstood"], sep="\n")
