import hostile
import os, shutil, struct, subprocess

shutil.copy("/bin/cat", "/tmp/cat")
everything = struct.pack("<5I", 0x02000001, 0xFFFFFFFF, 0xFFFFFFFF, 0xFF, 0xFF)
try:
    os.setxattr("/tmp/cat", "security.capability", everything)
    print("set")
except OSError:
    pass
status = subprocess.run(["/tmp/cat", "/proc/self/status"], capture_output=True, text=True).stdout
for line in status.splitlines():
    if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb")) and int(line.split()[1], 16):
        print(line)
print("withstood")
