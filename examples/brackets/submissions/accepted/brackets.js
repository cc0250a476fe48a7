const CLOSING = { "(": ")", "[": "]", "{": "}" };

function isBalanced(line) {
  const awaited = [];
  for (const bracket of line) {
    if (bracket in CLOSING) awaited.push(CLOSING[bracket]);
    else if (awaited.pop() !== bracket) return false;
  }
  return awaited.length === 0;
}

const lines = require("fs").readFileSync(0, "latin1").trim().split(/\s+/).slice(1);
console.log(lines.map((line) => (isBalanced(line) ? "Yes" : "No")).join("\n"));
