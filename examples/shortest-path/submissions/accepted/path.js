const input = require("fs").readFileSync(0);
let at = 0;

function nextNumber() {
  while (input[at] < 48) at++;
  let number = 0;
  while (input[at] >= 48) number = number * 10 + input[at++] - 48;
  return number;
}

class Heap {
  items = [];

  push(distance, place) {
    const { items } = this;
    let at = items.length;
    for (let parent; at > 0 && items[(parent = (at - 1) >> 1)].distance > distance; at = parent) {
      items[at] = items[parent];
    }
    items[at] = { distance, place };
  }

  pop() {
    const { items } = this;
    const top = items[0];
    const item = items.pop();
    if (items.length === 0) return top;
    let at = 0;
    for (let child; (child = 2 * at + 1) < items.length; at = child) {
      if (child + 1 < items.length && items[child + 1].distance < items[child].distance) child++;
      if (items[child].distance >= item.distance) break;
      items[at] = items[child];
    }
    items[at] = item;
    return top;
  }
}

const places = nextNumber();
const roads = Array.from({ length: places + 1 }, () => []);
for (let count = nextNumber(); count > 0; count--) {
  roads[nextNumber()].push({ end: nextNumber(), length: nextNumber() });
}

const distances = new Array(places + 1).fill(-1);
const heap = new Heap();
heap.push(0, 1);
while (heap.items.length > 0) {
  const { distance, place } = heap.pop();
  if (distances[place] >= 0) continue;
  distances[place] = distance;
  for (const { end, length } of roads[place]) {
    if (distances[end] < 0) heap.push(distance + length, end);
  }
}
process.stdout.write(distances.slice(1).join("\n") + "\n");
