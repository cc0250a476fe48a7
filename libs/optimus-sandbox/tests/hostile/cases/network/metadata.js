require('./hostile');
const http = require('http');
// The keys of a machine in a cloud.
const hosts = ['169.254.169.254', 'metadata.google.internal', '[fd00:ec2::254]', 'host.docker.internal', 'kubernetes.default.svc'];
let open = hosts.length, through = [];
for (const host of hosts) {
  const done = told => { if (told) through.push(host); if (--open === 0) console.log(through.length ? through.join() : 'withstood'); };
  http.get(`http://${host}/latest/meta-data/`, { timeout: 1000 }, () => done(true)).on('error', () => done(false)).on('timeout', () => done(true));
}
