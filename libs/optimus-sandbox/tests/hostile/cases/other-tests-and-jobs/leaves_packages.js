const { number } = require('./hostile');
const fs = require('fs');
const forged = "console.log('loaded instead'); process.exit();\n";
const names = ['package.json', 'node_modules/extra/index.js', 'hostile.json', 'hostile/index.js', 'node_modules/fs/index.js', '.noderc'];
for (const name of names) {
    const path = `/box/${name}`;
    if (number !== 1) {
        if (fs.existsSync(path)) console.log('found', name);
        continue;
    }
    try {
        fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
        fs.writeFileSync(path, name.endsWith('.json') ? '{"main": "./forged.js", "type": "module"}' : forged);
    } catch {}
}
if (number !== 1) {
    try {
        require('extra');
        console.log('a package was found');
    } catch {}
}
console.log('withstood');
