import sys

CLOSING = {"(": ")", "[": "]", "{": "}"}


def is_balanced(line):
    awaited = []
    for bracket in line:
        if bracket in CLOSING:
            awaited.append(CLOSING[bracket])
        elif not awaited or awaited.pop() != bracket:
            return False
    return not awaited


for line in sys.stdin.read().split()[1:]:
    print("Yes" if is_balanced(line) else "No")
