// Frames of the peer link (PEER_LINK.md, 6): u32 length ‖ ChatFrame.
'use strict';
const { Malformed, u32 } = require('./bytes');
const { ChatFrame } = require('./messages');

const MAX_FRAME = 262144, MAX_HELLO_FRAME = 4096;

function encode(kind, fields) {
  const body = ChatFrame.serialize({ [kind]: fields });
  return Buffer.concat([u32(body.length), body]);
}

class FrameReader {
  #buffer = Buffer.alloc(0);
  limit = MAX_HELLO_FRAME;

  add(bytes) { this.#buffer = Buffer.concat([this.#buffer, bytes]); }
  proven() { this.limit = MAX_FRAME; }

  // The next whole frame: {kind, fields}, kind undefined when it is unknown; null while it is incomplete.
  next() {
    if (this.#buffer.length < 4) return null;
    const length = this.#buffer.readUInt32BE();
    if (length < 1 || length > this.limit) throw new Malformed('frame length');
    if (this.#buffer.length < 4 + length) return null;
    const body = this.#buffer.subarray(4, 4 + length);
    this.#buffer = this.#buffer.subarray(4 + length);
    let frame;
    try {
      frame = ChatFrame.deserialize(body);
    } catch {
      throw new Malformed('frame');
    }
    return { kind: frame.frame, fields: frame.frame && frame[frame.frame] };
  }
}

module.exports = { encode, FrameReader };
