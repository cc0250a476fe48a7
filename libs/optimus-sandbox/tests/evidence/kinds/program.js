// Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says.
const fs = require("fs");
const MIB = 1 << 20;

function writeFile(path, size) {
  const file = fs.openSync(path, "w");
  const data = Buffer.alloc(1 << 16);
  for (let at = 0; at < size; at += data.length) fs.writeSync(file, data);
}

function deeper(depth) {
  return depth === 0 ? 0 : deeper(depth - 1) + 1;
}

const all = fs.readFileSync(0);
const line = all.indexOf(10) + 1;
const [kind, hold] = all.subarray(0, line).toString().split(" ");
let kept;
switch (kind) {
  case "nothing":
    break;
  case "hello":
    console.log("hello");
    break;
  case "array":
    kept = new Uint8Array(20 * MIB).fill(1);
    break;
  case "small":
    kept = Array.from({ length: 100000 }, (_, i) => [i]);
    break;
  case "file":
    writeFile("/dev/shm/file", 8 * MIB);
    break;
  case "recursion":
    deeper(3000);
    break;
  case "output":
    fs.writeSync(1, ("1".repeat(63) + "\n").repeat((8 * MIB) >> 6));
    break;
  case "input":
    if (all.length !== 8 * MIB + line) process.exit(93);
    break;
  case "fill":
    writeFile("/tmp/fill", 48 * MIB);
    writeFile("/dev/shm/fill", 48 * MIB);
    break;
  default:
    process.exit(95);
}
setTimeout(() => kept, Number(hold));
