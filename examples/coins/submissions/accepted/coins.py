MODULUS = 1_000_000_007

amount, _ = map(int, input().split())
ways = [1] + [0] * amount
for coin in map(int, input().split()):
    for i in range(coin, amount + 1):
        ways[i] = (ways[i] + ways[i - coin]) % MODULUS
print(ways[amount])
