// The introduction (PEER_LINK.md, 1) and the link that follows from it (2, 4, 6).
'use strict';
const crypto = require('node:crypto');
const { Reader, Malformed, u8 } = require('./bytes');
const { hkdf, hmac, verify, same } = require('./keys');
const { toText } = require('./addresses');

const REQUESTER = 1, TARGET = 2, VERSION = 1, MAX_SIZE = 2048;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{2,31}$/;

function readPort(reader) {
  const port = reader.u16();
  if (port !== 0 && port < 1024) throw new Malformed('port');
  return port;
}

function readParty(reader) {
  const party = { uid: reader.bytes(16), name: reader.bytes(reader.u8()).toString('latin1'), key: reader.bytes(32) };
  if (!NAME.test(party.name)) throw new Malformed('name');
  party.observed = toText(reader.bytes(reader.u8()));
  party.port = readPort(reader);
  const count = reader.u8();
  if (count > 4) throw new Malformed('candidates');
  party.candidates = [];
  for (let i = 0; i < count; i++) party.candidates.push({ host: toText(reader.bytes(reader.u8())), port: readPort(reader) });
  party.nonce = reader.bytes(16);
  return party;
}

function parse(object) {
  if (object.length > MAX_SIZE) throw new Malformed('size');
  const reader = new Reader(object);
  if (reader.bytes(12).toString('latin1') !== 'p2p-intro-v1') throw new Malformed('not an introduction');
  const out = { id: reader.bytes(16), issued: reader.u64(), expires: reader.u64() };
  out.requester = readParty(reader);
  out.target = readParty(reader);
  out.controller = reader.u8();
  out.minProto = reader.u16();
  reader.end();
  if (out.controller !== REQUESTER && out.controller !== TARGET) throw new Malformed('controller');
  return out;
}

// The link record for me = {name, key}, when the introduction is good; takeNonce(nonce) says whether I gave it away unused.
function accept({ object, signature }, introducerKey, me, takeNonce) {
  if (!verify(introducerKey, object, signature)) throw new Malformed('signature');
  const intro = parse(object);
  const mine = (party) => party.name.toLowerCase() === me.name.toLowerCase() && same(party.key, me.key);
  if (mine(intro.requester) === mine(intro.target)) throw new Malformed('not for me');
  if (same(intro.requester.uid, intro.target.uid) || same(intro.requester.key, intro.target.key)) {
    throw new Malformed('one party');
  }
  if (intro.minProto > VERSION) throw new Malformed('too new');
  const role = mine(intro.requester) ? REQUESTER : TARGET;
  const [own, peer] = role === REQUESTER ? [intro.requester, intro.target] : [intro.target, intro.requester];
  if (!takeNonce(own.nonce)) throw new Malformed('nonce');
  const secret = linkSecret(intro.id, intro.requester, intro.target);
  return { id: intro.id, secret, role, controller: intro.controller, own, peer };
}

function linkSecret(id, requester, target) {
  return hkdf(Buffer.concat([requester.nonce, target.nonce]), id,
    Buffer.concat([Buffer.from('p2p-link v1'), requester.key, target.key]), 32);
}

function knock(link, diallerRole, random = crypto.randomBytes(16)) {
  const key = hkdf(link.secret, '', 'knock', 32);
  return Buffer.concat([random, hmac(key, 'p2p-knock v1', link.id, u8(diallerRole), random).subarray(0, 16)]);
}

function helloMac(link, exporter, senderRole) { return hmac(link.secret, 'p2p-hello v1', exporter, u8(senderRole)); }

const otherRole = (role) => (role === REQUESTER ? TARGET : REQUESTER);

module.exports = { REQUESTER, TARGET, VERSION, accept, linkSecret, knock, helloMac, otherRole };
