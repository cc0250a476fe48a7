"""Leaves equally frequent words in the order of their first occurrence."""

import re
import sys
from collections import Counter

limit = int(sys.stdin.readline())
counts = Counter(re.findall("[a-z]+", sys.stdin.read().lower()))
for word, count in counts.most_common(limit):
    print(word, count)
