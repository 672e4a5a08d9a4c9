// The signed inner object of a broadcast (RELAY_DATAGRAM.md, "The inner object"): the same by datagram and by channel.
'use strict';
const crypto = require('node:crypto');
const { Reader, Malformed } = require('./bytes');
const { verify, same } = require('./keys');

const MAGIC = 'p2p-bcast-v1';

function parse(object) {
  const reader = new Reader(object);
  if (reader.bytes(12).toString('latin1') !== MAGIC) throw new Malformed('not a broadcast');
  const out = {
    id: reader.bytes(16).toString('hex'),
    sender_uid: reader.bytes(16).toString('hex'),
    sender: reader.bytes(reader.u8()).toString('utf8'),
    sent_at_ms: Number(reader.u64()),
    expires_at_ms: Number(reader.u64()),
    flags: reader.u8(),
    digest: reader.bytes(32),
  };
  reader.end();
  return out;
}

// The broadcast when everything holds, else throws Malformed. serverNow and retentionMs bound how old it may be.
function open({ id, object, signature, text }, broadcastKey, serverNow, retentionMs) {
  if (!verify(broadcastKey, object, signature)) throw new Malformed('signature');
  const out = parse(object);
  if (!same(out.digest, crypto.createHash('sha256').update(text).digest())) throw new Malformed('digest');
  if (out.id !== id) throw new Malformed('another id');
  if (out.expires_at_ms + retentionMs < serverNow) throw new Malformed('too old');
  out.text = text.toString('utf8');
  return out;
}

module.exports = { open };
