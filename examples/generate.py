#!/usr/bin/env python3
"""Makes the test data of every example problem.

    python3 examples/generate.py

Small tests are committed; large ones (`large-*`) are made here. Everything follows from fixed seeds, so each run
gives the same bytes, and a run that finds all of them does nothing. The answers come from the reference code in this
file, which shares nothing with the submissions.
"""

import bisect
import hashlib
import heapq
import json
import math
import os
import random
import re
import string
import sys
from collections import Counter, defaultdict, deque
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAMP = HERE / ".generated"


# --- sum ------------------------------------------------------------------------------------------------------------

def sum_answer(text):
    return f"{sum(map(int, text.split()[1:]))}\n"


def sum_tests(rng):
    def numbers(values):
        return f"{len(values)}\n" + "".join(f"{value}\n" for value in values)

    def many(count, low, high):
        return numbers([rng.randint(low, high) for _ in range(count)])

    yield "sample/1", numbers([1, 2, 3])
    yield "sample/2", numbers([-5])
    yield "secret/01-none", "0\n"
    yield "secret/02-zero", numbers([0])
    yield "secret/03-two", numbers([10**9, -(10**9)])
    yield "secret/04-beyond-32-bits", numbers([10**9] * 10)
    yield "secret/05-negative", numbers([-(10**9)] * 10)
    yield "secret/06-small", many(50, -9, 9)
    yield "secret/07-mixed", many(100, -(10**9), 10**9)
    yield "secret/08-one-line", "5\n1 2 3 4 5"
    yield "secret/large-1", many(200_000, -(10**9), 10**9)
    yield "secret/large-2", numbers([10**9] * 100_000)
    yield "secret/large-3", many(500_000, -(10**9), 10**9)


# --- word-frequency -------------------------------------------------------------------------------------------------

def words_answer(text):
    first, _, rest = text.partition("\n")
    counts = Counter(re.findall("[a-z]+", rest.lower()))
    ranked = sorted((-count, word) for word, count in counts.items())
    return "".join(f"{word} {-count}\n" for count, word in ranked[: int(first)])


def words_tests(rng):
    def word(longest):
        return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, longest)))

    def prose(count, vocabulary):
        weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
        words = rng.choices(vocabulary, weights, k=count)
        parts = []
        for i, chosen in enumerate(words):
            style = rng.random()
            chosen = chosen.upper() if style < 0.05 else chosen.title() if style < 0.2 else chosen
            parts.append(chosen + rng.choice([" ", " ", " ", " ", ", ", ". ", " - ", "'s "]))
            if i % 12 == 11:
                parts.append("\n")
        return "".join(parts) + "\n"

    def vocabulary(size, longest):
        return mixed(rng, {word(longest) for _ in range(size)})

    yield "sample/1", "3\nThe cat and the dog.\nThe dog's bowl, and the CAT!\n"
    yield "sample/2", "10\none fish two fish\n"
    yield "secret/01-no-words", "5\n1234 5678 ...\n"
    yield "secret/02-one-word", "1\nx\n"
    yield "secret/03-all-tied", "4\nd c b a\n"
    yield "secret/04-tied-at-the-end", "2\nb b a a c c\n"
    yield "secret/05-case", "3\nABC abc AbC aBc x X y\n"
    yield "secret/06-joined", "9\nit's a well-known e-mail: a1b2c3, x_y z\n"
    yield "secret/07-no-last-newline", "2\nlast word last"
    yield "secret/08-blank-lines", "3\n\n\na\n\nb b\n\n"
    yield "secret/09-prose", "10\n" + prose(200, vocabulary(60, 7))
    yield "secret/10-prefixes", "5\na aa aaa aaaa aa aaa aaa b ba\n"
    yield "secret/large-1", "1000\n" + prose(60_000, vocabulary(3000, 9))
    yield "secret/large-2", "100000\n" + prose(120_000, vocabulary(60_000, 12))
    yield "secret/large-3", "10\n" + prose(300_000, vocabulary(500, 6))


# --- shortest-path --------------------------------------------------------------------------------------------------

def path_answer(text):
    values = list(map(int, text.split()))
    count, edges = values[0], values[1]
    reach = defaultdict(list)
    for i in range(edges):
        start, end, length = values[2 + 3 * i : 5 + 3 * i]
        reach[start].append((end, length))
    distance = {}
    heap = [(0, 1)]
    while heap:
        so_far, place = heapq.heappop(heap)
        if place not in distance:
            distance[place] = so_far
            for end, length in reach[place]:
                heapq.heappush(heap, (so_far + length, end))
    return "".join(f"{distance.get(place, -1)}\n" for place in range(1, count + 1))


def path_tests(rng):
    def graph(count, edges):
        lines = [f"{start} {end} {length}\n" for start, end, length in edges]
        return f"{count} {len(lines)}\n" + "".join(lines)

    def some(count, edges, longest):
        place = lambda: rng.randint(1, count)
        return graph(count, [(place(), place(), rng.randint(1, longest)) for _ in range(edges)])

    def chain(count, extra, longest):
        """A path through all places, its edges last one first, so that going through the list again and again is slow."""
        edges = [(i, i + 1, 1) for i in range(count - 1, 0, -1)]
        for _ in range(extra):
            start = rng.randint(1, count - 1)
            end = min(count, start + rng.randint(2, 50))
            edges.append((start, end, rng.randint(end - start, longest)))
        return graph(count, edges)

    yield "sample/1", graph(4, [(1, 2, 5), (1, 3, 1), (3, 2, 2), (2, 4, 10)])
    yield "sample/2", graph(3, [(2, 1, 1), (1, 3, 7)])
    yield "secret/01-alone", graph(1, [])
    yield "secret/02-loop", graph(2, [(1, 1, 5), (1, 2, 3)])
    yield "secret/03-parallel", graph(2, [(1, 2, 9), (1, 2, 4), (1, 2, 6)])
    yield "secret/04-detour", graph(4, [(1, 4, 100), (1, 2, 1), (2, 3, 1), (3, 4, 1)])
    yield "secret/05-cycle", graph(5, [(1, 2, 1), (2, 3, 1), (3, 1, 1), (3, 4, 1), (5, 1, 1)])
    yield "secret/06-unreachable", graph(50, [(i, i + 1, i) for i in range(2, 50)])
    yield "secret/07-small", some(20, 40, 10)
    yield "secret/08-small", some(50, 120, 10**9)
    yield "secret/09-chain", chain(60, 40, 1000)
    yield "secret/large-1", some(50_000, 100_000, 1000)
    yield "secret/large-2", chain(60_000, 40_000, 10**9)
    yield "secret/large-3", graph(100_000, [(i, i + 1, 10**9) for i in range(99_999, 0, -1)])
    yield "secret/large-4", some(1000, 100_000, 10**9)


# --- polygon --------------------------------------------------------------------------------------------------------

def polygon_answer(text):
    values = list(map(int, text.split()))
    points = list(zip(values[1::2], values[2::2]))
    doubled = 0
    sides = []
    for (x, y), (next_x, next_y) in zip(points, points[1:] + points[:1]):
        doubled += x * next_y - next_x * y
        sides.append(math.hypot(next_x - x, next_y - y))
    doubled = abs(doubled)
    return f"{doubled // 2}.{5 * (doubled % 2)} {math.fsum(sides):.9f}\n"


def polygon_tests(rng):
    def polygon(points):
        return f"{len(points)}\n" + "".join(f"{x} {y}\n" for x, y in points)

    def star(count, radius):
        """Points around the origin by their angle: never crosses itself."""
        angles = sorted(rng.random() for _ in range(count))
        points = []
        for angle in angles:
            distance = radius * rng.uniform(0.5, 1)
            points.append((round(distance * math.cos(math.tau * angle)), round(distance * math.sin(math.tau * angle))))
        return points

    def zigzag(count, height):
        """A comb: long teeth, up and down again."""
        top = [(x, height if x % 2 else 1) for x in range(count)]
        return [(count - 1, 0), *reversed(top), (0, 0)]

    yield "sample/1", polygon([(0, 0), (4, 0), (4, 3)])
    yield "sample/2", polygon([(0, 0), (0, 1), (1, 1), (1, 0)])
    yield "secret/01-clockwise", polygon([(4, 3), (4, 0), (0, 0)])
    yield "secret/02-negative", polygon([(-5, -5), (-1, -5), (-3, -1)])
    yield "secret/03-half", polygon([(0, 0), (1, 0), (0, 1)])
    yield "secret/04-concave", polygon([(0, 0), (10, 0), (10, 10), (5, 1), (0, 10)])
    yield "secret/05-largest", polygon([(-(10**6), -(10**6)), (10**6, -(10**6)), (10**6, 10**6), (-(10**6), 10**6)])
    yield "secret/06-thin", polygon([(-(10**6), 0), (10**6, 1), (10**6, 2)])
    yield "secret/07-star", polygon(star(12, 1000))
    yield "secret/08-star", polygon(star(100, 10**6))
    yield "secret/09-comb", polygon(zigzag(20, 1000))
    yield "secret/large-1", polygon(star(50_000, 10**6))
    yield "secret/large-2", polygon(zigzag(100_000, 10**6))
    yield "secret/large-3", polygon(list(reversed(star(100_000, 10**6))))


# --- anagrams -------------------------------------------------------------------------------------------------------

def anagrams_answer(text):
    groups = defaultdict(list)
    for word in text.split()[1:]:
        bisect.insort(groups[bytes(sorted(word.encode()))], word)
    return "".join(" ".join(group) + "\n" for _, group in sorted(groups.items()) if len(group) > 1)


def anagrams_tests(rng):
    def words(items):
        return f"{len(items)}\n" + "".join(f"{item}\n" for item in items)

    def distinct(count, letters, longest):
        found = set()
        while len(found) < count:
            found.add("".join(rng.choices(letters, k=rng.randint(1, longest))))
        return mixed(rng, found)

    def shuffled(roots, copies):
        found = set()
        for root in roots:
            for _ in range(copies):
                found.add("".join(rng.sample(root, len(root))))
        return mixed(rng, found)

    yield "sample/1", words(["listen", "apple", "silent", "evil", "vile", "enlist", "live"])
    yield "sample/2", words(["one", "two", "three"])
    yield "secret/01-none", "0\n"
    yield "secret/02-one", words(["a"])
    yield "secret/03-pair", words(["ba", "ab"])
    yield "secret/04-same-letters-other-counts", words(["aab", "abb", "bba", "baa", "ab"])
    yield "secret/05-one-group", words(["abc", "acb", "bac", "bca", "cab", "cba"])
    yield "secret/06-lengths", words(["a", "aa", "aaa", "aaaa"])
    yield "secret/07-small", words(distinct(60, "abc", 4))
    yield "secret/08-small", words(distinct(100, "abcd", 5))
    yield "secret/09-groups", words(shuffled(["orange", "lemon", "melon", "grape"], 6))
    yield "secret/large-1", words(distinct(20_000, "abcdef", 8))
    yield "secret/large-2", words(shuffled(distinct(30_000, string.ascii_lowercase, 12), 3))
    yield "secret/large-3", words(distinct(80_000, string.ascii_lowercase, 20))


# --- coins ----------------------------------------------------------------------------------------------------------

def coins_answer(text):
    amount, _, *coins = map(int, text.split())
    # The coefficients of a product of geometric series: each coin multiplies by 1 / (1 - x^coin).
    ways = [1] + [0] * amount
    for coin in coins:
        for residue in range(min(coin, amount + 1)):
            total = 0
            for i in range(residue, amount + 1, coin):
                total = (total + ways[i]) % 1_000_000_007
                ways[i] = total
    return f"{ways[amount]}\n"


def coins_tests(rng):
    def coins(amount, values):
        return f"{amount} {len(values)}\n{' '.join(map(str, values))}\n"

    yield "sample/1", coins(5, [1, 2, 5])
    yield "sample/2", coins(3, [2])
    yield "secret/01-nothing", coins(0, [7])
    yield "secret/02-one-coin", coins(9, [3])
    yield "secret/03-too-large", coins(4, [5, 6])
    yield "secret/04-unsorted", coins(12, [5, 1, 3])
    yield "secret/05-euro", coins(200, [1, 2, 5, 10, 20, 50, 100, 200])
    yield "secret/06-impossible", coins(999, [2, 4, 6, 8])
    yield "secret/07-modulo", coins(1000, list(range(1, 21)))
    yield "secret/08-some", coins(500, sorted(rng.sample(range(1, 100), 10)))
    yield "secret/09-primes", coins(1000, [2, 3, 5, 7, 11, 13])
    yield "secret/large-1", coins(100_000, list(range(1, 51)))
    yield "secret/large-2", coins(100_000, rng.sample(range(1, 1000), 50))
    yield "secret/large-3", coins(99_999, rng.sample(range(1, 100_000), 50))


# --- brackets -------------------------------------------------------------------------------------------------------

def brackets_answer(text):
    pairs = {")": "(", "]": "[", "}": "{"}
    answers = []
    for line in text.split()[1:]:
        stack = deque()
        for bracket in line:
            if bracket not in pairs:
                stack.append(bracket)
            elif not stack or stack.pop() != pairs[bracket]:
                stack = ["never closed"]
                break
        answers.append("No\n" if stack else "Yes\n")
    return "".join(answers)


def brackets_tests(rng):
    def lines(items):
        return f"{len(items)}\n" + "".join(f"{item}\n" for item in items)

    def balanced(length):
        closing = {"(": ")", "[": "]", "{": "}"}
        stack, parts = [], []
        while len(parts) + len(stack) < length:
            if stack and rng.random() < 0.45:
                parts.append(closing[stack.pop()])
            else:
                stack.append(rng.choice("([{"))
                parts.append(stack[-1])
        parts.extend(closing[bracket] for bracket in reversed(stack))
        return "".join(parts)

    def broken(length):
        line = list(balanced(length))
        line[rng.randrange(len(line))] = rng.choice("()[]{}")
        return "".join(line)

    def several(count, length):
        return [rng.choice([balanced, broken])(rng.randint(1, length)) for _ in range(count)]

    yield "sample/1", lines(["()[]", "([)]", "{[()]}"])
    yield "sample/2", lines(["(", ")"])
    yield "secret/01-crossed", lines(["([)]"])
    yield "secret/02-closes-first", lines([")("])
    yield "secret/03-kinds", lines(["(]", "[}", "{)", "()", "[]", "{}"])
    yield "secret/04-open", lines(["((((", "(((("])
    yield "secret/05-one", lines(["}"])
    yield "secret/06-nested", lines(["(" * 100 + ")" * 100, "[" * 100 + "]" * 99])
    yield "secret/07-small", lines(several(20, 10))
    yield "secret/08-small", lines(several(30, 30))
    yield "secret/09-long", lines(several(5, 200))
    yield "secret/large-1", lines(several(20_000, 60))
    yield "secret/large-2", lines([balanced(500_000), broken(500_000)])
    yield "secret/large-3", lines(["(" * 1_000_000 + ")" * 1_000_000])


PROBLEMS = {
    "anagrams": (anagrams_tests, anagrams_answer),
    "brackets": (brackets_tests, brackets_answer),
    "coins": (coins_tests, coins_answer),
    "polygon": (polygon_tests, polygon_answer),
    "shortest-path": (path_tests, path_answer),
    "sum": (sum_tests, sum_answer),
    "word-frequency": (words_tests, words_answer),
}


def mixed(rng, items):
    """A random order that follows from the seed alone; that of a set does not."""
    items = sorted(items)
    rng.shuffle(items)
    return items


def write(path, text):
    """Never leaves half a file behind, also where two of us run at once."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(text.encode())
    part.replace(path)


def is_complete(generator):
    try:
        stamp = json.loads(STAMP.read_text())
        return stamp["generator"] == generator and all(
            (HERE / name).stat().st_size == size for name, size in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def main():
    generator = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if is_complete(generator):
        return
    files = {}
    for problem, (tests, answer) in PROBLEMS.items():
        total = 0
        for name, text in tests(random.Random(problem)):
            for suffix, content in ((".in", text), (".ans", answer(text))):
                path = HERE / problem / "data" / (name + suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, content)
                files[str(path.relative_to(HERE))] = len(content.encode())
            total += 1
        print(f"{problem}: {total} tests", file=sys.stderr)
    write(STAMP, json.dumps({"generator": generator, "files": files}, indent=1))


if __name__ == "__main__":
    main()
