// All conversations of this client: links from introductions, the listener, dialling, and dialling again after a drop.
// Events: 'open' (peer), 'message' (peer, text), 'delivered' (peer, id), 'closed' (peer, reason).
'use strict';
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const { Connection } = require('./connection');
const { Conversation } = require('./conversation');
const { Listener } = require('./listener');
const { dial } = require('./dialler');
const { REQUESTER } = require('./introduction');

const REDIAL_MS = 30_000;

class Peers extends EventEmitter {
  #device;
  #listener;
  #file;
  #byName = new Map();

  static async open(device, port, journalPath) {
    const peers = new Peers();
    peers.#device = device;
    peers.#file = fs.openSync(journalPath, 'a', 0o600);
    peers.#listener = await Listener.open(port, (link, socket) => peers.#connect(link, socket, false));
    return peers;
  }

  get port() { return this.#listener.port; }

  // The link record is on disk when this returns; then the introduction may be acknowledged.
  add(link) {
    this.#record({ link: link.id.toString('hex'), secret: link.secret.toString('hex'), peer: link.peer.name, role: link.role });
    const name = link.peer.name;
    const conversation = new Conversation(link, (entry) => this.#record(entry));
    this.#byName.set(name, conversation);
    conversation.on('open', () => this.emit('open', name));
    conversation.on('message', (text) => this.emit('message', name, text));
    conversation.on('delivered', (id) => this.emit('delivered', name, id));
    conversation.on('lost', (reason) => { this.emit('lost', name, reason); this.#dial(conversation); });
    conversation.on('closed', (reason) => this.#onClosed(conversation, reason));
    if (link.role !== REQUESTER) this.#listener.add(link);
    this.#dial(conversation);
  }

  say(peer, text) { return this.#of(peer).say(text); }
  hangUp(peer) { this.#of(peer).hangUp('bye'); }
  close() { this.#listener.close(); }

  #of(peer) {
    const conversation = this.#byName.get(peer);
    if (!conversation) throw new Error(`no conversation with ${peer}`);
    return conversation;
  }

  #record(entry) {
    fs.writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fs.fsyncSync(this.#file);
  }

  // The requester's part, at first and after every loss.
  async #dial(conversation) {
    if (conversation.link.role !== REQUESTER) return;
    while (!await dial(conversation.link, (socket) => this.#connect(conversation.link, socket, true))) {
      if (conversation.forgotten) return;
      this.emit('lost', conversation.link.peer.name, 'not reached');
      await new Promise((resolve) => { setTimeout(resolve, REDIAL_MS); });
    }
  }

  #connect(link, socket, dials) {
    const conversation = this.#of(link.peer.name);
    const connection = new Connection(socket, link, this.#device, dials, () => conversation.received);
    conversation.adopt(connection);
    return new Promise((resolve) => {
      connection.once('proven', () => resolve(true));
      connection.once('end', () => resolve(false));
    });
  }

  #onClosed(conversation, reason) {
    this.#byName.delete(conversation.link.peer.name);
    this.#listener.remove(conversation.link);
    this.emit('closed', conversation.link.peer.name, reason);
  }
}

module.exports = { Peers };
