// Accepts connections of known links and of nobody else (PEER_LINK.md, 4): whoever knocks wrongly hears nothing.
'use strict';
const net = require('node:net');
const { knock, otherRole } = require('./introduction');
const { same } = require('./keys');

const KNOCK = 32, KNOCK_MS = 2000, REMEMBERED = 1024, MAX_UNPROVEN = 64, MAX_PER_LINK = 3;

class Listener {
  #server;
  #links = new Map();  // link id in hex -> {link, randoms, connections, accepted}
  #unproven = 0;

  // accepted(link, socket): the knock was right and the socket stands at the first byte after it.
  static async open(port, accepted) {
    const listener = new Listener();
    listener.accepted = accepted;
    listener.#server = net.createServer((socket) => listener.#onConnection(socket));
    await new Promise((resolve, reject) => listener.#server.once('error', reject).listen(port, resolve));
    return listener;
  }

  get port() { return this.#server.address().port; }
  add(link) { this.#links.set(link.id.toString('hex'), { link, randoms: [], connections: 0 }); }
  remove(link) { this.#links.delete(link.id.toString('hex')); }
  close() { this.#server.close(); }

  #onConnection(socket) {
    socket.on('error', () => socket.destroy());
    if (this.#unproven >= MAX_UNPROVEN) return socket.destroy();
    this.#unproven++;
    const timer = setTimeout(() => socket.destroy(), KNOCK_MS);
    const settle = () => { if (settled) return; settled = true; this.#unproven--; clearTimeout(timer); };
    let settled = false;
    socket.once('close', settle);
    const read = () => {
      const bytes = socket.read(KNOCK);
      if (bytes === null) return;
      socket.off('readable', read);
      settle();
      const entry = this.#recognise(bytes);
      if (!entry) { socket.destroy(); return; }
      entry.connections++;
      socket.once('close', () => entry.connections--);
      this.accepted(entry.link, socket);
    };
    socket.on('readable', read);
    return undefined;
  }

  #recognise(bytes) {
    const random = bytes.subarray(0, 16);
    let found = null;
    for (const entry of this.#links.values()) {
      if (same(knock(entry.link, otherRole(entry.link.role), random), bytes)) found = entry;
    }
    const hex = random.toString('hex');
    if (!found || found.randoms.includes(hex) || found.connections >= MAX_PER_LINK) return null;
    found.randoms.push(hex);
    if (found.randoms.length > REMEMBERED) found.randoms.shift();
    return found;
  }
}

module.exports = { Listener };
