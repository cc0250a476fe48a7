// Goes through all roads until nothing gets shorter: right, but up to 10^10 steps.
const [places, , ...roads] = readNumbers();

function readNumbers() {
  return require("fs").readFileSync(0, "latin1").trim().split(/\s+/).map(Number);
}

const distances = new Array(places + 1).fill(Infinity);
distances[1] = 0;
for (let changed = true; changed; ) {
  changed = false;
  for (let i = 0; i < roads.length; i += 3) {
    const distance = distances[roads[i]] + roads[i + 2];
    if (distance < distances[roads[i + 1]]) {
      distances[roads[i + 1]] = distance;
      changed = true;
    }
  }
}
const shown = distances.slice(1).map((distance) => (distance === Infinity ? -1 : distance));
process.stdout.write(shown.join("\n") + "\n");
