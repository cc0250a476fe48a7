require('./hostile');
const fs = require('fs');
for (;;) fs.writeSync(1, Buffer.alloc(1 << 16));
