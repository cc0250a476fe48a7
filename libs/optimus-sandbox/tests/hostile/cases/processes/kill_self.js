require('./hostile');
process.kill(process.pid, 'SIGKILL');
