#!/usr/bin/env python3
"""Runs the programs of tests that cargo has compiled, each in its package's folder, as `cargo test` does.

    cargo test --workspace --no-run --message-format=json-render-diagnostics >target/tests.json
    scripts/suites.py target/tests.json beside   several at once: most tests wait for something most of their time
    scripts/suites.py target/tests.json alone    one after another: those that measure, or look at the whole machine
    scripts/suites.py target/tests.json quick    of the first, those that need nothing but the compiler
    scripts/suites.py target/tests.json PACKAGE TEST [ARGUMENT...]   this one

Every suite runs, whatever became of the others, and all of its output is printed. What a suite needs of a machine is in its
package's Cargo.toml, in `package.metadata.suites`; one that is not named there needs nothing.
OPTIMUS_TIMES names a file that gets a line for each. The exit code is 1 where one has failed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

# With the machine to themselves, in this order, with their arguments.
ALONE = {
    # Boxes of all languages, one after another.
    ("optimus-sandbox", "toolchains"): [],
    # They count what boxes leave behind.
    ("optimus-sandbox", "native"): [],
    ("optimus-sandbox", "worker_death"): [],
    # Measures CPU time, memory and waiting.
    ("optimus-sandbox", "evidence"): [],
    # Looks at all processes, mounts and groups, and at the kernel's memory.
    ("optimus-sandbox", "hostile"): [],
    # They count what a whole system leaves behind. The soaks come last of all, when it is known how much time is left.
    ("optimus-worker", "end_to_end"): [],
    ("optimus-worker", "chaos"): ["--skip", "soak::"],
}
# Of the others, what takes longest begins first, so that nothing long is left for the end.
LONG = "serve cells no-group one-uid agent sqlite redis grade api grade_class images docker".split()
# Each computes for less than half of its time.
AT_ONCE = 2 * (os.cpu_count() or 2)
# Far longer than any of these takes, on a busy machine too: what hangs is told, with all that it has said. One that is alone
# prints while it runs, and whoever reads that can tell.
PATIENCE_SECONDS = 1200


class Suite:
    def __init__(self, artifact):
        self.arguments = []
        target = artifact["target"]
        self.folder = os.path.dirname(artifact["manifest_path"])
        self.package = os.path.basename(self.folder)
        self.test = target["name"] if "test" in target["kind"] else "/".join(target["kind"])
        self.program = artifact["executable"]
        self.log = tempfile.TemporaryFile()

    def __str__(self):
        return f"{self.package} {self.test}"

    def tell(self):
        """All that it has said so far."""
        print(f"     Running {self} ({self.program})", flush=True)
        self.log.seek(0)
        sys.stdout.buffer.write(self.log.read())
        sys.stdout.buffer.flush()


class Run:
    def __init__(self):
        self.lock = threading.Lock()
        self.running = {}
        self.failed = []

    def run(self, suite, output):
        began = time.monotonic()
        child = subprocess.Popen(
            [suite.program, *suite.arguments],
            cwd=suite.folder,
            env={**os.environ, "CARGO_MANIFEST_DIR": suite.folder},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        with self.lock:
            self.running[suite] = child
        killer = threading.Timer(PATIENCE_SECONDS, child.kill)
        if output is not None:
            killer.start()
        _, status, used = os.wait4(child.pid, 0)
        killer.cancel()
        code = child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        with self.lock:
            del self.running[suite]
            if code != 0:
                self.failed.append(f"{suite}: exit code {code} after {seconds:.0f} s")
            record(f"{seconds:6.0f} s    {suite} ({used.ru_utime + used.ru_stime:.0f} s of CPU)")
            if output is not None:
                suite.tell()

    def one_by_one(self, suites):
        for suite in suites:
            print(f"     Running {suite} ({suite.program})", flush=True)
            self.run(suite, None)

    def several(self, suites):
        waiting = sorted(suites, key=lambda suite: LONG.index(suite.test) if suite.test in LONG else len(LONG))

        def carry():
            while True:
                with self.lock:
                    if not waiting:
                        return
                    suite = waiting.pop(0)
                self.run(suite, suite.log)

        carriers = [threading.Thread(target=carry, daemon=True) for _ in range(AT_ONCE)]
        for carrier in carriers:
            carrier.start()
        for carrier in carriers:
            carrier.join()

    def stopped(self, *_):
        for suite, child in list(self.running.items()):
            child.kill()
            suite.tell()
        os._exit(143)


def record(line):
    if "OPTIMUS_TIMES" in os.environ:
        with open(os.environ["OPTIMUS_TIMES"], "a", encoding="utf-8") as times:
            print(line, file=times)


def compiled(path):
    with open(path, encoding="utf-8") as messages:
        for artifact in map(json.loads, messages):
            if artifact["reason"] == "compiler-artifact" and artifact["profile"]["test"] and artifact["executable"]:
                yield Suite(artifact)


def needs():
    """What suites need of a machine, by their package and name."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {
        (package["name"], test): needed
        for package in told["packages"]
        for test, needed in ((package["metadata"] or {}).get("suites") or {}).items()
    }


def main():
    messages, *which = sys.argv[1:]
    suites = {(suite.package, suite.test): suite for suite in compiled(messages)}
    needed = needs()
    unknown = [" ".join(key) for key in [*needed, *ALONE] if key not in suites]
    # Of one suite nothing else need be compiled.
    if unknown and len(which) == 1:
        sys.exit(f"there are no such suites: {', '.join(unknown)}")
    run = Run()
    signal.signal(signal.SIGTERM, run.stopped)
    if which == ["beside"]:
        run.several(suite for key, suite in suites.items() if key not in ALONE)
    elif which == ["quick"]:
        run.several(suite for key, suite in suites.items() if key not in needed)
        for (package, test), of_it in sorted(needed.items()):
            record(f"left out: {package} {test}, which needs {' and '.join(of_it)}")
    elif which == ["alone"]:
        for key, arguments in ALONE.items():
            suites[key].arguments = arguments
        run.one_by_one(suites[key] for key in ALONE)
    else:
        package, test, *arguments = which
        suites[package, test].arguments = arguments
        run.one_by_one([suites[package, test]])
    for failed in run.failed:
        print(f"FAILED: {failed}", file=sys.stderr)
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
