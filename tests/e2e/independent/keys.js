// HKDF, HMAC and Ed25519 as the pages use them, on Node's own crypto.
'use strict';
const crypto = require('node:crypto');

// What stands before a raw key in the DER form of an Ed25519 public key (RFC 8410).
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function hkdf(ikm, salt, info, length) {
  return Buffer.from(crypto.hkdfSync('sha256', ikm, salt, info, length));
}

function hmac(key, ...parts) {
  const mac = crypto.createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

function publicKeyOf(raw) {
  return crypto.createPublicKey({ key: Buffer.concat([ED25519_PREFIX, raw]), format: 'der', type: 'spki' });
}

function rawOf(key) { return Buffer.from(key.export({ format: 'jwk' }).x, 'base64url'); }

function verify(rawPublicKey, data, signature) {
  return signature.length === 64 && crypto.verify(null, data, publicKeyOf(rawPublicKey), signature);
}

function same(a, b) { return a.length === b.length && crypto.timingSafeEqual(a, b); }

// A device: its key pair, and the raw public key that names it.
function newDevice() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
  return { publicKey, privateKey, raw: rawOf(publicKey) };
}

module.exports = { hkdf, hmac, rawOf, verify, same, newDevice };
