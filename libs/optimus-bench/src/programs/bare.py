# Times the bare start, run and end of the interpreter, once for each line read.
import subprocess, sys, time

with open("/tmp/hello.py", "w") as program:
    program.write(sys.argv[1])
for _ in sys.stdin:
    began = time.monotonic()
    done = subprocess.run(["python3", "-B", "-s", "/tmp/hello.py"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    took = time.monotonic() - began
    print(took if done.stdout == b"hello\n" else "failed", flush=True)
