require('./hostile');
// The agent's UID is 0 in the box.
const claims = { setuid: 0, setgid: 0, seteuid: 0, setegid: 0, setgroups: [0], initgroups: 'root' };
const through = Object.entries(claims).filter(([name, value]) => {
  try { process[name](value, 0); return true; } catch { return false; }
});
console.log(through.length ? through.join() : 'withstood');
