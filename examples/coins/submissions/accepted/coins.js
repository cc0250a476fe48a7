const MODULUS = 1_000_000_007;

const [amount, , ...coins] = require("fs").readFileSync(0, "latin1").trim().split(/\s+/).map(Number);
const ways = new Int32Array(amount + 1);
ways[0] = 1;
for (const coin of coins) {
  for (let i = coin; i <= amount; i++) {
    ways[i] = (ways[i] + ways[i - coin]) % MODULUS;
  }
}
console.log(String(ways[amount]));
