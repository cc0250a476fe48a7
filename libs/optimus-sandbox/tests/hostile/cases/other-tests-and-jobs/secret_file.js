require('./hostile');
const fs = require('fs');
try {
    console.log(fs.readFileSync('@SECRET_FILE@', 'utf8'));
} catch {
    console.log('withstood');
}
