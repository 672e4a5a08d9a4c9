// One link: which of its connections carries it, messages and receipts over all of them (PEER_LINK.md, 6).
// Events: 'open', 'message' (text), 'delivered' (id), 'lost' (reason; the link lives), 'closed' (reason; it does not).
'use strict';
const { EventEmitter } = require('node:events');
const crypto = require('node:crypto');
const { Malformed } = require('./bytes');

const SELECT_MS = 3000, SELECTED_MS = 15_000;

class Conversation extends EventEmitter {
  #journal;                 // seq => made durable
  #connections = new Map(); // proven ones -> the other side's received_seq
  #current = null;          // open, or the one that SELECT was sent on
  #isOpen = false;
  #timer = null;
  #received = 0;
  #sent = 0;                // The last seq that this connection has carried.
  #lastSeq = 0;
  #outbox = [];             // not delivered: {id, seq, text, sent_at_ms}
  #hangUp = null;

  constructor(link, journal) {
    super();
    this.link = link;
    this.#journal = journal;
  }

  get received() { return this.#received; }
  get isOpen() { return this.#isOpen; }
  get #controls() { return this.link.role === this.link.controller; }

  // Any connection, as soon as it exists.
  adopt(connection) {
    connection.on('proven', (peerReceived) => {
      this.#connections.set(connection, peerReceived);
      if (this.#controls) this.#select(connection); else this.#expectSelect(connection);
    });
    connection.on('frame', (kind, fields) => this.#onFrame(connection, kind, fields));
    connection.on('end', (reason) => this.#onEnd(connection, reason));
  }

  say(text) {
    const message = { id: crypto.randomBytes(16), seq: ++this.#lastSeq, text, sent_at_ms: Date.now() };
    this.#outbox.push(message);
    this.#flush();
    return message.id.toString('hex');
  }

  hangUp(reason) {
    this.#hangUp = { reason };
    this.#flush();
  }

  #select(connection) {
    if (this.#current) return;
    this.#current = connection;
    connection.send('select', {});
    this.#timer = setTimeout(() => connection.end('not SELECTED in time'), SELECT_MS);
  }

  #expectSelect(connection) {
    setTimeout(() => { if (this.#current !== connection) connection.end('never selected'); }, SELECTED_MS).unref();
  }

  #start(connection) {
    clearTimeout(this.#timer);
    this.#current = connection;
    this.#isOpen = true;
    this.#deliveredUpTo(this.#connections.get(connection));
    this.#sent = this.#lastSeq - this.#outbox.length;
    for (const other of this.#connections.keys()) if (other !== connection) other.end('another one was selected');
    this.emit('open');
    this.#flush();
  }

  #onFrame(connection, kind, fields) {
    const isCurrent = connection === this.#current;
    if (kind === 'select' && !this.#controls && !isCurrent) {
      connection.send('selected', {});
      return this.#start(connection);
    }
    if (kind === 'selected' && this.#controls && isCurrent && !this.#isOpen) return this.#start(connection);
    if (!isCurrent || !this.#isOpen) throw new Malformed(`${kind} before the conversation is open`);
    switch (kind) {
      case 'message': return this.#onMessage(fields);
      case 'receipt': return this.#deliveredUpTo(fields.up_to_seq);
      case 'hang_up':
        connection.send('hang_up_ack', {});
        return this.#forget(fields.reason || 'hung up');
      case 'hang_up_ack':
        if (this.#hangUp) return this.#forget('hung up here');
        throw new Malformed(kind);
      case 'hello': case 'hello_ok': case 'select': case 'selected': throw new Malformed(kind);
      default: return undefined;  // Files: defined, and may be ignored.
    }
  }

  #onMessage({ id, seq, text }) {
    if (seq > this.#received + 1) throw new Malformed('a gap');
    if (seq === this.#received + 1) {
      if (id.length !== 16 || text.length === 0 || Buffer.byteLength(text) > 16384) throw new Malformed('message');
      this.#journal({ link: this.link.id.toString('hex'), seq, text });
      this.#received = seq;
      this.emit('message', text);
    }
    this.#current.send('receipt', { up_to_seq: this.#received, state: 'DELIVERED' });
  }

  #deliveredUpTo(seq) {
    if (seq > this.#lastSeq) throw new Malformed('a receipt for what was not sent');
    while (this.#outbox.length > 0 && this.#outbox[0].seq <= seq) this.emit('delivered', this.#outbox.shift().id.toString('hex'));
  }

  #flush() {
    if (!this.#isOpen) return;
    for (const message of this.#outbox) {
      if (message.seq <= this.#sent) continue;
      this.#current.send('message', message);
      this.#sent = message.seq;
    }
    if (this.#hangUp) this.#current.send('hang_up', this.#hangUp);
  }

  #onEnd(connection, reason) {
    this.#connections.delete(connection);
    if (connection !== this.#current) return;
    clearTimeout(this.#timer);
    this.#current = null;
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    const [next] = this.#connections.keys();
    if (this.#controls && next) this.#select(next);
    else if (!this.forgotten && wasOpen) this.emit('lost', reason);
  }

  #forget(reason) {
    this.forgotten = true;
    const all = [...this.#connections.keys()];
    for (const connection of all) connection.end('hung up');
    this.emit('closed', reason);
  }
}

module.exports = { Conversation };
