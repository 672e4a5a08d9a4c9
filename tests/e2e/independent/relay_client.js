// Receives broadcasts by UDP: registration, acknowledgements, pings, a new registration when the relay falls silent.
// RELAY_DATAGRAM.md throughout. `deliver(id, parts)` says whether a whole broadcast is valid and in the journal.
'use strict';
const crypto = require('node:crypto');
const dgram = require('node:dgram');
const net = require('node:net');
const wire = require('./datagrams');
const { Malformed, u16, u64 } = require('./bytes');
const { Reassembly, splitPayload } = require('./reassembly');
const { ReplayWindow } = require('./replay_window');

const PING_MS = 15_000, RESEND_MS = 250, REGISTRATION_MS = 3300, TRIES = 3, AGAIN_MS = 30_000, MAX_ACK_DELAY_MS = 1000, SILENT_PINGS = 3,
  OLD_EPOCH_MS = 30_000;

const jittered = (ms) => ms * (0.8 + 0.4 * Math.random());

class RelayClient {
  #session;          // {connId, psk, host, port}
  #journal;
  #deliver;
  #socket = null;
  #timers = new Set();
  #regSeq = 0n;
  #failures = 0;
  #try = null;       // A registration under way: {clientRandom, cookie, message}
  #live = null;      // Keys and state after it: {send, receive, epoch, number, window, pingMs, unanswered}
  #reassembly = new Reassembly();
  #acks = new Map(); // id -> {number, at, bitmap} waiting for their time; bitmap null: DONE
  #ackSpreadMs = 0;
  counts = { dropped: 0, fragments: 0, registrations: 0, registered: 0 };

  constructor(session, journal, deliver) {
    this.#session = session;
    this.#journal = journal;
    this.#deliver = deliver;
  }

  start() {
    this.stop();
    this.#live = null;
    this.#socket = dgram.createSocket(net.isIPv6(this.#session.host) ? 'udp6' : 'udp4');
    this.#socket.on('message', (datagram) => this.#onDatagram(datagram));
    this.#socket.on('error', () => {});
    this.counts.registrations++;
    this.#try = { clientRandom: crypto.randomBytes(16), message: null };
    this.#try.message = wire.registerStage0(this.#session, this.#try.clientRandom);
    this.#resend(this.#try);
    this.#after(REGISTRATION_MS, () => {
      if (this.#live) return;
      if (++this.#failures < TRIES) return this.start();
      this.#failures = 0;
      this.stop();
      this.#after(jittered(AGAIN_MS), () => this.start());
    });
  }

  stop() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (this.#socket) this.#socket.close();
    this.#socket = null;
    this.#try = null;
  }

  // Tells the relay, so that it does not go on sending.
  leave() {
    if (this.#live) this.#send([[wire.FRAME.CLOSE, u16(0)]]);
    this.stop();
  }

  #after(ms, action) {
    const timer = setTimeout(() => { this.#timers.delete(timer); action(); }, ms);
    this.#timers.add(timer);
  }

  #transmit(datagram) { if (this.#socket) this.#socket.send(datagram, this.#session.port, this.#session.host, () => {}); }

  #resend(attempt) {
    if (this.#try !== attempt) return;
    this.#transmit(attempt.message);
    this.#after(jittered(RESEND_MS), () => this.#resend(attempt));
  }

  #onDatagram(datagram) {
    try {
      const kind = wire.kindOf(datagram, this.#session);
      if (kind === wire.CHALLENGE && this.#try) return this.#onChallenge(datagram);
      if (kind === wire.REGISTERED && this.#try) return this.#onRegistered(datagram);
      if (kind === wire.DATA && this.#live) return this.#onData(datagram);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
    this.counts.dropped++;
  }

  #onChallenge(datagram) {
    const cookie = wire.readChallenge(datagram, this.#session, this.#try.clientRandom);
    if (this.#try.stage1) return;  // Resends are byte-identical.
    this.#try.stage1 = true;
    this.#try.message = wire.registerStage1(this.#session, this.#try.clientRandom, cookie, ++this.#regSeq, this.#journal.newest(10));
    this.#transmit(this.#try.message);
  }

  #onRegistered(datagram) {
    const granted = wire.readRegistered(datagram, this.#session, this.#try.clientRandom, this.#regSeq);
    this.#try = null;
    this.#failures = 0;
    granted.pingMs = Math.min(Math.max(granted.pingMs || PING_MS, 100), 60_000);
    this.#live = { ...granted, number: 0n, window: new ReplayWindow(), unanswered: 0, heard: false };
    this.counts.registered++;
    this.#ping();
  }

  // The first PING puts the new keys into use, so it is repeated until the relay was heard under them.
  #ping() {
    if (this.#live.unanswered++ >= (this.#live.heard ? SILENT_PINGS : 8)) return this.start();
    this.#send([[wire.FRAME.PING, crypto.randomBytes(8)]]);
    this.#after(jittered(this.#live.heard ? this.#live.pingMs : RESEND_MS), () => this.#ping());
  }

  #send(frames) {
    this.#live.number += 1n;
    this.#transmit(wire.sealData(this.#session, this.#live.send, this.#live.epoch, this.#live.number, frames));
  }

  // A relay goes on to the next epoch when it likes; what it sealed before may still be on its way.
  #open(datagram) {
    const live = this.#live;
    live.receiveEpoch ??= live.epoch;
    if (live.before && Date.now() < live.beforeEnds && datagram[1] === ((live.receiveEpoch - 1) & 255)) {
      return wire.openData(datagram, live.before, live.receiveEpoch - 1);
    }
    if (datagram[1] !== ((live.receiveEpoch + 1) & 255)) return wire.openData(datagram, live.receive, live.receiveEpoch);
    const next = wire.nextKeys(this.#session, live.receive, live.receiveEpoch);
    const opened = wire.openData(datagram, next, live.receiveEpoch + 1);
    Object.assign(live, { before: live.receive, beforeEnds: Date.now() + OLD_EPOCH_MS, receive: next, receiveEpoch: live.receiveEpoch + 1 });
    return opened;
  }

  #onData(datagram) {
    const { number, frames } = this.#open(datagram);
    if (!this.#live.window.accept(number)) throw new Malformed('replayed');
    this.#live.heard = true;
    this.#live.unanswered = 0;
    for (const [type, body] of frames) this.#onFrame(type, body, number);
  }

  #onFrame(type, body, number) {
    switch (type) {
      case wire.FRAME.BFRAG: return this.#onFragment(body, number);
      case wire.FRAME.PATH_CHALLENGE: return this.#send([[wire.FRAME.PATH_RESPONSE, body]]);
      case wire.FRAME.ACKWINDOW: this.#ackSpreadMs = Math.min(body.readUInt16BE(), MAX_ACK_DELAY_MS); return undefined;
      case wire.FRAME.CLOSE: return this.stop();
      default: return undefined;  // PONG, PAD, and what a later version may add.
    }
  }

  #onFragment(body, number) {
    this.counts.fragments++;
    if (this.#journal.has(Reassembly.idOf(body))) return this.#acknowledge(Reassembly.idOf(body), number, null);
    const { id, bitmap, payload } = this.#reassembly.add(body, Date.now());
    if (!payload) return this.#acknowledge(id, number, bitmap);
    if (this.#deliver(id, splitPayload(payload))) this.#acknowledge(id, number, null);
    return undefined;
  }

  #acknowledge(id, number, bitmap) {
    const waiting = this.#acks.has(id);
    this.#acks.set(id, { number, at: Date.now(), bitmap });
    if (!waiting) this.#after(Math.random() * this.#ackSpreadMs, () => this.#sendAck(id));
  }

  #sendAck(id) {
    const { number, at, bitmap } = this.#acks.get(id);
    this.#acks.delete(id);
    const fields = [Buffer.from(id, 'hex'), u64(number), u16(Math.min(Date.now() - at, 65535))];
    if (bitmap === null) this.#send([[wire.FRAME.DONE, Buffer.concat(fields)]]);
    else this.#send([[wire.FRAME.ACK, Buffer.concat([...fields, u64(bitmap)])]]);
  }
}

module.exports = { RelayClient };
