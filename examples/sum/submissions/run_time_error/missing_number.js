// Reads beyond the last number, and ends in an exception.
const numbers = require("fs").readFileSync(0, "latin1").trim().split(/\s+/);

let sum = 0n;
for (let i = 0; i <= Number(numbers[0]); i++) {
  sum += BigInt(numbers[1 + i]);
}
console.log(String(sum));
