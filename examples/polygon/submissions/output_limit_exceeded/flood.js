// Forgets to end its loop.
const { writeSync } = require("fs");

const line = "0.0 ".repeat(256) + "\n";
while (true) {
  writeSync(1, line);
}
