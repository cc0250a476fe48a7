import sys
from math import hypot

numbers = list(map(int, sys.stdin.buffer.read().split()))
points = list(zip(numbers[1::2], numbers[2::2]))

doubled_area = 0
perimeter = 0.0
last_x, last_y = points[-1]
for x, y in points:
    doubled_area += last_x * y - x * last_y
    perimeter += hypot(x - last_x, y - last_y)
    last_x, last_y = x, y

print(abs(doubled_area) / 2, perimeter)
