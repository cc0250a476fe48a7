// Takes little CPU time, and no end.
setTimeout(() => {}, 600_000);
