require('./hostile');
const fs = require('fs');
const names = ['-rf', '--no-preserve-root', '-exec', '--', '-e sh', '--checkpoint-action=exec=sh', '..;', '-.', '@file', '=', '!'];
for (const place of ['/box', '/tmp', '/dev/shm']) {
    for (const name of names) {
        fs.mkdirSync(`${place}/${name}`);
        for (const inner of names) fs.writeFileSync(`${place}/${name}/${inner}`, 'rm -rf /\n', { mode: 0o777 });
    }
}
console.log('withstood');
