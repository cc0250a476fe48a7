import hostile
import sys

while True:
    sys.stderr.write("more\n" * 1000)
