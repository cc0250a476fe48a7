"""Takes the count for one of the numbers, and ends in an exception where the last one is missing."""

import sys

numbers = [int(number) for number in sys.stdin.read().split()]
print(sum(numbers[i + 1] for i in range(len(numbers))))
