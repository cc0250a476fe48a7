// Keeps much more than it needs: up to 1 GiB, outside the heap that the engine limits itself.
const hoard = [];
for (let i = 0; i < 64; i++) {
  hoard.push(Buffer.alloc(16 << 20, "x"));
}
console.log(hoard.length);
