require('./hostile');
const fs = require('fs');
const known = new Set();
const until = Date.now() + 200;
while (Date.now() < until) {
    for (const name of fs.readdirSync('/proc')) {
        if (!/^\d+$/.test(name) || known.has(name)) continue;
        known.add(name);
        try {
            const line = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
            if (line && !/node|runner|main.js/.test(line) && name !== '1') console.log(name, line);
        } catch {}
    }
}
if (known.size > 4) console.log(known.size, 'processes');
console.log('withstood');
