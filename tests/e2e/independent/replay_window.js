// Packet numbers seen, the newest 8192 (RELAY_DATAGRAM.md: DATA; RFC 6479). Asked after the tag verified.
'use strict';

const SIZE = 8192n;

class ReplayWindow {
  #newest = 0n;
  #seen = new Set();

  // True the first time a number comes that is not too old.
  accept(number) {
    if (number + SIZE <= this.#newest || this.#seen.has(number)) return false;
    this.#seen.add(number);
    if (number > this.#newest) this.#newest = number;
    if (this.#seen.size > 2 * Number(SIZE)) {
      for (const old of this.#seen) if (old + SIZE <= this.#newest) this.#seen.delete(old);
    }
    return true;
  }
}

module.exports = { ReplayWindow };
