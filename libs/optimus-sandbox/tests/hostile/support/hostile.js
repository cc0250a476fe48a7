// Comes along with every hostile program in JavaScript: reads what is asked for and does all but the attack.
const fs = require('fs');
let line = '';
const byte = Buffer.alloc(1);
while (!line.endsWith('\n') && fs.readSync(0, byte) === 1) line += byte.toString();
const [what, number] = line.trim().split(' ');

function spoiled(text) {
    console.log('spoiled:', text);
    process.exit();
}

if (what === 'answer') process.exit();
if (what === 'honest') {
    for (const place of ['/box', '/tmp', '/dev/shm']) {
        for (const name of fs.readdirSync(place)) {
            if (fs.lstatSync(`${place}/${name}`).uid === process.getuid()) spoiled(`there is already ${place}/${name}`);
        }
        fs.writeFileSync(`${place}/honest`, Buffer.alloc(1 << 20), { flag: 'wx' });
        fs.unlinkSync(`${place}/honest`);
    }
    console.log('honest', number);
    process.exit();
}
exports.number = Number(number);
