import sys
from collections import defaultdict

groups = defaultdict(list)
for word in sys.stdin.read().split()[1:]:
    groups["".join(sorted(word))].append(word)

for group in groups.values():
    if len(group) > 1:
        print(*sorted(group))
