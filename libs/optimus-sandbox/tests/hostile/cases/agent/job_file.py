import hostile
import os

# Where the agent's phases tell each other what the job is.
through = []
for path in ("/run/optimus", "/run/optimus/job.json", "/run/optimus/.", "/proc/1/root/run/optimus/job.json"):
    for attempt in (lambda: os.listdir(path), lambda: open(path).read(), lambda: open(path, "w").write("{}"), lambda: os.unlink(path), lambda: os.chmod(path, 0o777)):
        try:
            through.append(f"{path}: {attempt()}")
        except OSError:
            pass
print(*through or ["withstood"], sep="\n")
