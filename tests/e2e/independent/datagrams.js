// Layout and sealing of relay datagrams (RELAY_DATAGRAM.md: First byte, Keys, Registration, DATA).
'use strict';
const crypto = require('node:crypto');
const { Reader, Malformed, u8, u16, u32, u64 } = require('./bytes');
const { hkdf, hmac, same } = require('./keys');

const VERSION = 1;
const DATA = 0, REGISTER = 1, CHALLENGE = 2, REGISTERED = 3;
const TO_RELAY = u8(0), TO_CLIENT = u8(1);
const TAG = 16, MAC = 16, HEADER = 20;
const FRAME = {
  PAD: 0, BFRAG: 1, ACK: 2, DONE: 3, PING: 4, PONG: 5, PATH_CHALLENGE: 6, PATH_RESPONSE: 7, ACKWINDOW: 9, CLOSE: 10,
};

const kindByte = (kind) => u8((VERSION << 4) | kind);
const mac = (psk, label, message) => hmac(hkdf(psk, '', label, 32), message).subarray(0, MAC);

function nonce(keys, number) {
  const out = Buffer.from(keys.iv);
  const n = u64(number);
  for (let i = 0; i < 8; i++) out[4 + i] ^= n[i];
  return out;
}

function seal(keys, number, aad, plain) {
  const cipher = crypto.createCipheriv('aes-128-gcm', keys.key, nonce(keys, number));
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function unseal(keys, number, aad, sealed) {
  const cipher = crypto.createDecipheriv('aes-128-gcm', keys.key, nonce(keys, number), { authTagLength: TAG });
  cipher.setAAD(aad);
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, sealed.length - TAG)), cipher.final()]);
  } catch {
    throw new Malformed('tag');
  }
}

function sealingKeys(psk, salt, info) {
  const bytes = hkdf(psk, salt, info, 28);
  return { key: bytes.subarray(0, 16), iv: bytes.subarray(16) };
}

function dataKeys(session, clientRandom, serverRandom, direction, epoch) {
  return sealingKeys(session.psk, Buffer.concat([clientRandom, serverRandom]),
    Buffer.concat([Buffer.from('p2p-relay v1'), session.connId, direction, u32(epoch)]));
}

function withMac(psk, label, message) { return Buffer.concat([message, mac(psk, label, message)]); }

function registerStage0(session, clientRandom) {
  const message = Buffer.alloc(240);
  Buffer.concat([kindByte(REGISTER), u8(0), u16(0), session.connId, clientRandom]).copy(message);
  return withMac(session.psk, 'mac1', message);
}

function registerStage1(session, clientRandom, cookie, regSeq, have) {
  const head = Buffer.concat([kindByte(REGISTER), u8(1), u16(0), session.connId, clientRandom]);
  const body = Buffer.alloc(180);
  Buffer.concat([u64(regSeq), u8(have.length), ...have.map((id) => Buffer.from(id, 'hex'))]).copy(body);
  const keys = sealingKeys(session.psk, clientRandom, Buffer.concat([Buffer.from('p2p-register v1'), TO_RELAY]));
  return withMac(session.psk, 'mac1', Buffer.concat([head, cookie, seal(keys, 0, head, body)]));
}

// Kind of a datagram that is ours, by its clear part; throws Malformed otherwise.
function kindOf(datagram, session) {
  if (datagram.length < HEADER || datagram[0] >> 4 !== VERSION) throw new Malformed('header');
  if (!same(datagram.subarray(4, 12), session.connId)) throw new Malformed('another session');
  return datagram[0] & 15;
}

function readChallenge(datagram, session, clientRandom) {
  if (datagram.length !== 64) throw new Malformed('size');
  if (!same(mac(session.psk, 'mac2', datagram.subarray(0, 48)), datagram.subarray(48))) throw new Malformed('mac');
  if (!same(datagram.subarray(12, 28), clientRandom)) throw new Malformed('an old one');
  return datagram.subarray(28, 44);
}

function readRegistered(datagram, session, clientRandom, regSeq) {
  if (datagram.length !== 96) throw new Malformed('size');
  if (!same(datagram.subarray(12, 28), clientRandom)) throw new Malformed('an old one');
  const serverRandom = datagram.subarray(28, 44);
  const keys = sealingKeys(session.psk, Buffer.concat([clientRandom, serverRandom]),
    Buffer.concat([Buffer.from('p2p-register v1'), TO_CLIENT]));
  const reader = new Reader(unseal(keys, 0, datagram.subarray(0, 44), datagram.subarray(44)));
  const out = { epoch: reader.u32(), retentionMs: reader.u32(), pingMs: reader.u32() };
  if (reader.u64() !== regSeq) throw new Malformed('an old one');
  return {
    ...out,
    send: dataKeys(session, clientRandom, serverRandom, TO_RELAY, out.epoch),
    receive: dataKeys(session, clientRandom, serverRandom, TO_CLIENT, out.epoch),
  };
}

function sealData(session, keys, epoch, number, frames) {
  const head = Buffer.concat([kindByte(DATA), u8(epoch & 255), u16(0), session.connId, u64(number)]);
  const body = frames.map(([type, bytes]) => Buffer.concat([u8(type), u16(bytes.length), bytes]));
  return Buffer.concat([head, seal(keys, number, head, Buffer.concat(body))]);
}

// {number, frames: [[type, body], …]}
function openData(datagram, keys, epoch) {
  if (datagram.length < HEADER + TAG || datagram[1] !== (epoch & 255)) throw new Malformed('header');
  const number = datagram.readBigUInt64BE(12);
  const reader = new Reader(unseal(keys, number, datagram.subarray(0, HEADER), datagram.subarray(HEADER)));
  const frames = [];
  while (reader.left > 0) frames.push([reader.u8(), reader.bytes(reader.u16())]);
  return { number, frames };
}

// The key of the epoch after `epoch`, whose key is `keys`.
function nextKeys(session, keys, epoch) {
  return sealingKeys(Buffer.concat([keys.key, keys.iv]), '', Buffer.concat([Buffer.from('p2p-relay next'), session.connId, u32(epoch + 1)]));
}

module.exports = {
  DATA, CHALLENGE, REGISTERED, FRAME,
  registerStage0, registerStage1, kindOf, readChallenge, readRegistered, sealData, openData, nextKeys,
};
