// Fragments of broadcasts until they are whole (RELAY_DATAGRAM.md: BFRAG, ACK, Numbers).
'use strict';
const { Reader, Malformed } = require('./bytes');

const FRAGMENT_BYTES = 1132, MAX_FRAGMENTS = 55, MAX_PAYLOAD = 61632, MAX_PARTIALS = 8, PARTIAL_LIFE_MS = 60_000;

class Reassembly {
  #partials = new Map();  // id -> {count, total, parts, since}

  // Takes a BFRAG body in. {id, bitmap} while parts are missing, {id, payload} when it is whole.
  add(body, now) {
    const reader = new Reader(body);
    const id = reader.bytes(16).toString('hex');
    const index = reader.u16(), count = reader.u16(), total = reader.u32();
    const bytes = reader.bytes(reader.left);
    const length = index < count - 1 ? FRAGMENT_BYTES : total - FRAGMENT_BYTES * (count - 1);
    if (count > MAX_FRAGMENTS || total > MAX_PAYLOAD || count !== Math.ceil(total / FRAGMENT_BYTES) ||
        index >= count || bytes.length !== length) throw new Malformed('fragment');
    this.#forgetOld(now);
    let partial = this.#partials.get(id);
    if (partial && (partial.count !== count || partial.total !== total)) {
      this.#partials.delete(id);
      throw new Malformed('fragments contradict each other');
    }
    if (!partial) {
      if (this.#partials.size >= MAX_PARTIALS) throw new Malformed('too many at once');
      partial = { count, total, parts: new Map(), since: now };
      this.#partials.set(id, partial);
    }
    partial.parts.set(index, Buffer.from(bytes));
    if (partial.parts.size < count) return { id, bitmap: bitmapOf(partial.parts) };
    this.#partials.delete(id);
    return { id, payload: Buffer.concat([...Array(count).keys()].map((i) => partial.parts.get(i))) };
  }

  static idOf(body) { return new Reader(body).bytes(16).toString('hex'); }

  #forgetOld(now) {
    for (const [id, partial] of this.#partials) if (now - partial.since > PARTIAL_LIFE_MS) this.#partials.delete(id);
  }
}

function bitmapOf(parts) {
  let bitmap = 0n;
  for (const index of parts.keys()) bitmap |= 1n << BigInt(index);
  return bitmap;
}

// object length u16 ‖ object ‖ signature 64 ‖ text
function splitPayload(payload) {
  const reader = new Reader(payload);
  const object = reader.bytes(reader.u16());
  return { object, signature: reader.bytes(64), text: reader.bytes(reader.left) };
}

module.exports = { Reassembly, splitPayload };
