const numbers = require("fs").readFileSync(0, "latin1").trim().split(/\s+/).map(Number);
const points = [];
for (let i = 1; i < numbers.length; i += 2) {
  points.push({ x: numbers[i], y: numbers[i + 1] });
}

// The sum of all products, up to 10^17, may pass 2^53 on its way; half a unit in the last place is far below 10^-6 of it.
let doubledArea = 0;
let perimeter = 0;
let last = points[points.length - 1];
for (const point of points) {
  doubledArea += last.x * point.y - point.x * last.y;
  perimeter += Math.hypot(point.x - last.x, point.y - last.y);
  last = point;
}
console.log(`${Math.abs(doubledArea) / 2} ${perimeter}`);
