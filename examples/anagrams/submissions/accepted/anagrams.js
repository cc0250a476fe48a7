const words = require("fs").readFileSync(0, "latin1").trim().split(/\s+/).slice(1);

const groups = new Map();
for (const word of words) {
  const letters = [...word].sort().join("");
  const group = groups.get(letters);
  if (group) group.push(word);
  else groups.set(letters, [word]);
}

let output = "";
for (const group of groups.values()) {
  if (group.length > 1) output += group.sort().join(" ") + "\n";
}
process.stdout.write(output);
