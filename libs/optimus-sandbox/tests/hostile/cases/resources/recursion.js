require('./hostile');
const deeper = n => deeper(n + 1) + n;
console.log(deeper(0));
