import re
import sys
from collections import Counter

limit = int(sys.stdin.readline())
counts = Counter()
for line in sys.stdin:
    counts.update(re.findall("[a-z]+", line.lower()))

ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
sys.stdout.writelines(f"{word} {count}\n" for word, count in ranked[:limit])
