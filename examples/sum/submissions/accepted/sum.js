const numbers = require("fs").readFileSync(0, "latin1").trim().split(/\s+/);

// At most 500,000 * 10^9: whole numbers are exact up to 2^53.
let sum = 0;
for (let i = 1; i < numbers.length; i++) {
  sum += Number(numbers[i]);
}
console.log(String(sum));
