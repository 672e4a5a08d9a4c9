// One TLS connection of a link, from the handshake to its end: HELLO, then frames (PEER_LINK.md, 5 and 6).
// Events: 'proven' (the other side's received_seq), 'frame' (kind, fields), 'end' (reason).
'use strict';
const { EventEmitter } = require('node:events');
const crypto = require('node:crypto');
const tls = require('node:tls');
const { Malformed } = require('./bytes');
const { encode, FrameReader } = require('./frames');
const { helloMac, otherRole, VERSION } = require('./introduction');
const { rawOf, same } = require('./keys');
const { selfSigned } = require('./certificate');

const ALPN = 'p2p-chat/1', EXPORTER = 'EXPORTER-p2p-chat-hello-v1';
const HANDSHAKE_MS = 5000, PING_MS = 15_000, SILENT_PINGS = 3;

function tlsOptions(device) {
  return {
    ...selfSigned(device), minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-256', sigalgs: 'ed25519',
    ALPNProtocols: [ALPN], requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS,
    secureOptions: crypto.constants.SSL_OP_NO_TICKET,
  };
}

class Connection extends EventEmitter {
  #socket = null;
  #link;
  #dials;
  #received;       // () => the highest seq that is on disk
  #reader = new FrameReader();
  #state = 'tls';  // tls, hello, proven, ended
  #handshake;
  #quiet = null;
  #unanswered = 0;

  // raw: a TCP socket over which the knock has gone.
  constructor(raw, link, device, dials, received) {
    super();
    this.#link = link;
    this.#dials = dials;
    this.#received = received;
    this.#handshake = setTimeout(() => this.end('the handshake took too long'), HANDSHAKE_MS);
    raw.on('error', (error) => this.end(error.message));
    raw.on('close', () => this.end('closed'));
    this.destroy = () => raw.destroy();
    if (dials) {
      const socket = tls.connect({ socket: raw, ...tlsOptions(device) });
      socket.once('secureConnect', () => this.#onSecure(socket));
      socket.on('error', (error) => this.end(error.message));
    } else {
      const server = tls.createServer(tlsOptions(device), (socket) => this.#onSecure(socket));
      server.on('tlsClientError', (error) => this.end(error.message));
      server.emit('connection', raw);
    }
  }

  get open() { return this.#state === 'proven'; }

  send(kind, fields) { if (this.#state !== 'ended') this.#socket.write(encode(kind, fields)); }

  // Ends with close_notify after what was sent before.
  end(reason) {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#handshake);
    clearTimeout(this.#quiet);
    if (this.#socket) this.#socket.end(); else this.destroy();
    this.emit('end', reason);
  }

  #onSecure(socket) {
    this.#socket = socket;
    socket.on('error', (error) => this.end(error.message));
    const certificate = socket.getPeerX509Certificate();
    if (socket.getProtocol() !== 'TLSv1.3' || socket.alpnProtocol !== ALPN) return this.end('not TLS 1.3 with our ALPN');
    if (!certificate || certificate.publicKey.asymmetricKeyType !== 'ed25519' ||
        !same(rawOf(certificate.publicKey), this.#link.peer.key)) return this.end('another key');
    this.#state = 'hello';
    socket.on('data', (bytes) => this.#onBytes(bytes));
    socket.on('end', () => this.end('the other side closed'));
    if (this.#dials) {
      this.send('hello', { intro_id: this.#link.id, mac: this.#mac(this.#link.role), min_version: VERSION,
        max_version: VERSION, received_seq: this.#received() });
    }
    return undefined;
  }

  #mac(role) { return helloMac(this.#link, this.#socket.exportKeyingMaterial(32, EXPORTER), role); }

  #onBytes(bytes) {
    this.#listenForSilence();
    this.#reader.add(bytes);
    try {
      for (let frame = this.#reader.next(); frame && this.#state !== 'ended'; frame = this.#reader.next()) this.#onFrame(frame);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.end(error.message);
    }
  }

  #onFrame({ kind, fields }) {
    if (this.#state === 'hello') return this.#onHello(kind, fields);
    if (kind === 'ping') return this.send('pong', { token: fields.token });
    if (kind === 'pong' || kind === undefined) return undefined;
    return this.emit('frame', kind, fields);
  }

  #onHello(kind, fields) {
    if (kind !== (this.#dials ? 'hello_ok' : 'hello')) throw new Malformed('HELLO was due');
    if (!same(fields.mac, this.#mac(otherRole(this.#link.role)))) throw new Malformed('mac');
    if (this.#dials) {
      if (fields.version !== VERSION) throw new Malformed('version');
    } else {
      if (!same(fields.intro_id, this.#link.id)) throw new Malformed('intro_id');
      if (fields.min_version > VERSION || fields.max_version < VERSION) throw new Malformed('version');
      this.send('hello_ok', { mac: this.#mac(this.#link.role), version: VERSION, received_seq: this.#received() });
    }
    clearTimeout(this.#handshake);
    this.#state = 'proven';
    this.#reader.proven();
    this.emit('proven', fields.received_seq);
  }

  #listenForSilence() {
    this.#unanswered = 0;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#ping(), PING_MS);
  }

  #ping() {
    if (this.#unanswered++ >= SILENT_PINGS) return this.end('silent');
    this.send('ping', { token: Date.now() });
    this.#quiet = setTimeout(() => this.#ping(), PING_MS);
    return undefined;
  }
}

module.exports = { Connection };
