// What outlives the process, in one directory of its owner: the device key and the server's keys as first seen.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { newDevice, rawOf } = require('./keys');

function loadDevice(dir) {
  const file = path.join(dir, 'device.pem');
  if (!fs.existsSync(file)) {
    fs.writeFileSync(file, newDevice().privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  }
  const privateKey = crypto.createPrivateKey(fs.readFileSync(file));
  const publicKey = crypto.createPublicKey(privateKey);
  return { publicKey, privateKey, raw: rawOf(publicKey) };
}

// Keeps the keys at the first log-in; later ones must be the same.
function pin(dir, { introducer_public_key: introducer, broadcast_public_key: broadcast }) {
  const file = path.join(dir, 'server_keys');
  const seen = `${introducer.toString('hex')} ${broadcast.toString('hex')}\n`;
  if (!fs.existsSync(file)) fs.writeFileSync(file, seen, { mode: 0o600 });
  if (fs.readFileSync(file, 'latin1') !== seen) throw new Error('the server shows other signing keys than before');
  return { introducer, broadcast };
}

module.exports = { loadDevice, pin };
