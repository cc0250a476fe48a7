require('./hostile');
const fs = require('fs');
for (const place of ['/box', '/tmp', '/dev', '/etc', '/optimus', '/run']) {
    let names = [];
    try {
        names = fs.readdirSync(place);
    } catch {}
    for (const name of names) {
        try {
            fs.rmSync(`${place}/${name}`, { recursive: true, force: true });
        } catch {}
    }
}
for (const path of ['/box/main.js', '/box/hostile.js', '/tmp', '/dev/null']) if (!fs.existsSync(path)) console.log('removed:', path);
console.log('withstood');
