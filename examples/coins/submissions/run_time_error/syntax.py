amount, _ = map(int, input().split()
ways = [1] + [0] * amount
print(ways[amount])
