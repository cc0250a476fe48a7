// Fills the heap with small objects, until the engine itself gives up.
const hoard = [];
for (let i = 0; i < 30_000_000; i++) {
  hoard.push({ word: i, next: hoard[i >> 1] });
}
console.log(hoard.length);
