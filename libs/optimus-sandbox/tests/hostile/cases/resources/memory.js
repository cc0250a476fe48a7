require('./hostile');
const all = [];
for (;;) all.push({ more: [all.length, all.length, all.length] });
