// Reading and writing fixed binary layouts: everything on the wires of this system is big-endian.
'use strict';

class Malformed extends Error {}

class Reader {
  #buffer;
  #at = 0;

  constructor(buffer) { this.#buffer = buffer; }

  bytes(count) {
    if (this.#at + count > this.#buffer.length) throw new Malformed('short');
    const part = this.#buffer.subarray(this.#at, this.#at + count);
    this.#at += count;
    return part;
  }

  u8() { return this.bytes(1).readUInt8(); }
  u16() { return this.bytes(2).readUInt16BE(); }
  u32() { return this.bytes(4).readUInt32BE(); }
  u64() { return this.bytes(8).readBigUInt64BE(); }
  get left() { return this.#buffer.length - this.#at; }

  end() {
    if (this.left !== 0) throw new Malformed('something follows');
  }
}

const u8 = (n) => Buffer.from([n]);
function u16(n) { const out = Buffer.alloc(2); out.writeUInt16BE(n); return out; }
function u32(n) { const out = Buffer.alloc(4); out.writeUInt32BE(n); return out; }
function u64(n) { const out = Buffer.alloc(8); out.writeBigUInt64BE(BigInt(n)); return out; }

module.exports = { Malformed, Reader, u8, u16, u32, u64 };
