require('./hostile');
const fs = require('node:fs');
const net = require('node:net');
const { execFileSync } = require('node:child_process');
const { pipeline } = require('node:stream/promises');

const data = Buffer.from('copied '.repeat(40000));
const folder = fs.mkdtempSync('/tmp/copies');
const source = `${folder}/source`;
fs.writeFileSync(source, data);
const through = [];
const same = (way, got) => { if (Buffer.compare(got, data)) through.push(`${way}: ${got.length} bytes`); };

async function copies() {
  fs.copyFileSync(source, `${folder}/copied`);
  same('copyFileSync', fs.readFileSync(`${folder}/copied`));
  await fs.promises.copyFile(source, '/dev/shm/copied');
  same('copyFile', fs.readFileSync('/dev/shm/copied'));
  fs.cpSync(source, `${folder}/cp`);
  same('cpSync', fs.readFileSync(`${folder}/cp`));
  await pipeline(fs.createReadStream(source), fs.createWriteStream(`${folder}/piped`));
  same('pipeline', fs.readFileSync(`${folder}/piped`));
  const server = net.createServer((socket) => pipeline(fs.createReadStream(source), socket)).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const parts = [];
  for await (const part of net.connect(server.address().port, '127.0.0.1')) parts.push(part);
  same('socket', Buffer.concat(parts));
  server.close();
  same('child', execFileSync('cat', { input: data }));
  console.log(through.length ? through.join() : 'withstood');
}
copies().catch((error) => console.log(`${error}`));
