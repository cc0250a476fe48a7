const input = require("fs").readFileSync(0, "latin1");
const newline = input.indexOf("\n");
const limit = Number(input.slice(0, newline));

const counts = new Map();
for (const [word] of input.slice(newline).toLowerCase().matchAll(/[a-z]+/g)) {
  counts.set(word, (counts.get(word) ?? 0) + 1);
}

const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
process.stdout.write(
  ranked
    .slice(0, limit)
    .map(([word, count]) => `${word} ${count}\n`)
    .join(""),
);
