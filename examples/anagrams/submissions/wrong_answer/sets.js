// Takes words for anagrams that have the same letters, however often.
const words = require("fs").readFileSync(0, "latin1").trim().split(/\s+/).slice(1);

const groups = new Map();
for (const word of words) {
  const letters = [...new Set(word)].sort().join("");
  groups.set(letters, [...(groups.get(letters) ?? []), word]);
}
for (const group of groups.values()) {
  if (group.length > 1) console.log(group.sort().join(" "));
}
