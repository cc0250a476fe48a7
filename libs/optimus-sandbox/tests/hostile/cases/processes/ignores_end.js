require('./hostile');
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE', 'SIGXCPU']) process.on(name, () => {});
setInterval(() => {}, 1000);
