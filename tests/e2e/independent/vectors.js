// The test vectors of PEER_LINK.md, 8. `node vectors.js` prints what this client computes.
'use strict';
const { linkSecret, knock, helloMac, REQUESTER, TARGET } = require('./introduction');

const run = (from, count) => Buffer.from([...Array(count).keys()].map((i) => from + i));

const id = run(0x01, 16);
const party = (nonce, key) => ({ nonce: run(nonce, 16), key: run(key, 32) });
const link = { id, secret: linkSecret(id, party(0x60, 0x30), party(0xc0, 0x90)) };
console.log(`link   ${link.secret.toString('hex')}`);
console.log(`knock  ${knock(link, REQUESTER, run(0xa0, 16)).toString('hex')}`);
console.log(`mac    ${helloMac(link, run(0xc0, 32), TARGET).toString('hex')}`);
