// Dies by SIGABRT.
process.abort();
