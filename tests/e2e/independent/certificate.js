// A self-signed Ed25519 certificate, as the peer link wants one: names, dates and chains in it mean nothing. (RFC 5280, 8410;
// Node makes keys but no certificates.)
'use strict';
const crypto = require('node:crypto');

const ED25519 = der(0x30, der(0x06, Buffer.from([0x2b, 0x65, 0x70])));
const COMMON_NAME = der(0x06, Buffer.from([0x55, 0x04, 0x03]));

function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  return Buffer.concat([Buffer.from([tag, 0x82, body.length >> 8, body.length & 0xff]), body]);
}

function selfSigned(device) {
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from('peer')))));
  const time = (text) => der(0x17, Buffer.from(text));
  const body = der(0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),                    // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), crypto.randomBytes(8)])),
    ED25519, name,
    der(0x30, time('200101000000Z'), time('491231235959Z')),
    name, device.publicKey.export({ format: 'der', type: 'spki' }));
  const signature = crypto.sign(null, body, device.privateKey);
  const certificate = der(0x30, body, ED25519, der(0x03, Buffer.from([0]), signature));
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: device.privateKey.export({ format: 'pem', type: 'pkcs8' }),
  };
}

module.exports = { selfSigned };
