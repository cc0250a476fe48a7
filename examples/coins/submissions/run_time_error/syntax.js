const [amount] = require("fs").readFileSync(0, "latin1").split(/\s+/).map(Number;
console.log(amount);
