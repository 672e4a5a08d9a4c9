// The client as a whole: commands in (methods), events out (`say`). Control, relay and peers are wired together here.
'use strict';
const crypto = require('node:crypto');
const path = require('node:path');
const { ControlClient } = require('./control');
const { RelayClient } = require('./relay_client');
const { Peers } = require('./peers');
const { Journal } = require('./journal');
const introduction = require('./introduction');
const broadcastObject = require('./broadcast_object');
const { Malformed } = require('./bytes');
const { loadDevice, pin } = require('./state');

class Client {
  #say;
  #dir;
  #host;
  #control;
  #device;
  #journal;
  #peers;
  #relay = null;
  #me = null;              // {name, key} after log-in
  #keys = null;            // the server's, pinned
  #nonces = new Set();     // given away, not used
  #clock = { offset: 0, retentionMs: 0, windowMs: 0 };

  constructor(options, say) {
    this.#say = say;
    this.#dir = options.dataDir;
    this.#host = options.host;
    this.#control = new ControlClient(`${options.host}:${options.port}`, options.certificate);
    this.#device = loadDevice(options.dataDir);
    this.#journal = new Journal(path.join(options.dataDir, 'broadcasts'));
    this.#listenToControl();
  }

  async openPeers(port) {
    this.#peers = await Peers.open(this.#device, port, path.join(this.#dir, 'conversations'));
    this.#peers.on('open', (peer) => this.#say('chat_open', { peer }));
    this.#peers.on('message', (peer, text) => this.#say('chat', { peer, text }));
    this.#peers.on('delivered', (peer, id) => this.#say('receipt', { peer, id }));
    this.#peers.on('lost', (peer, reason) => this.#say('chat_lost', { peer, reason }));
    this.#peers.on('closed', (peer, reason) => this.#say('chat_closed', { peer, reason }));
  }

  async hello() {
    this.#say('connected', await this.#control.call('AccountService', 'Hello', { client_version: 'independent 0.1' }));
  }

  async signup({ username, password, confirm_password = password }) {
    this.#say('signed_up', await this.#control.call('AccountService', 'Signup', { username, password, confirm_password }));
  }

  async login({ username, password }) {
    const session = await this.#control.logIn(username, password, this.#device.raw, this.#peers.port);
    this.#keys = pin(this.#dir, session.server_keys);
    this.#me = { name: session.username, key: this.#device.raw };
    this.#control.attach();
  }

  async list() {
    const { clients } = await this.#control.call('DirectoryService', 'ListActive', {});
    this.#say('active', { clients });
  }

  async request({ peer, reason }) {
    const { request_id } = await this.#control.call('PeeringService', 'RequestPeer',
      { username: peer, reason, nonce: this.#newNonce() });
    this.#say('request_sent', { request_id, to: peer });
  }

  approve({ request_id }) { this.#control.say({ approve: { request_id, nonce: this.#newNonce() } }); }
  deny({ request_id }) { this.#control.say({ deny: { request_id } }); }
  cancel({ request_id }) { this.#control.say({ cancel: { request_id } }); }
  msg({ peer, text }) { this.#say('sent', { peer, id: this.#peers.say(peer, text) }); }
  hangup({ peer }) { this.#peers.hangUp(peer); }

  async broadcast({ text, omit_sender = false }) {
    const { broadcast_id: id } = await this.#control.call('BroadcastService', 'Broadcast',
      { text, omit_sender, idempotency_key: crypto.randomUUID() });
    this.#say('broadcast_sent', { id });
  }

  counts() { this.#say('counts', this.#relay ? this.#relay.counts : {}); }

  quit() {
    if (this.#relay) this.#relay.leave();
    this.#peers.close();
    this.#control.close();
  }

  #newNonce() {
    const nonce = crypto.randomBytes(16);
    this.#nonces.add(nonce.toString('hex'));
    return nonce;
  }

  #listenToControl() {
    const control = this.#control;
    control.on('attached', (event) => this.#onAttached(event));
    control.on('relay_restarted', (event) => setTimeout(() => this.#openRelay(event), Math.random() * this.#clock.windowMs));
    control.on('peer_request', (event) => this.#say('peer_request', event));
    control.on('request_outcome', ({ state, ...event }) => this.#say('request_outcome', { ...event, outcome: state.toLowerCase() }));
    control.on('introduction', (event) => this.#onIntroduction(event));
    control.on('broadcast', (event) => this.#onChannelBroadcast(event));
    control.on('penalty', ({ reason, next_step }) => this.#say('penalised', { reason, next_step }));
    control.on('rejected', (event) => this.#say('rejected', event));
    control.on('ended', (status) => this.#say('detached', status));
  }

  #onAttached(event) {
    const serverNow = Number(event.server_time.seconds) * 1000 + event.server_time.nanos / 1e6;
    this.#clock = {
      offset: serverNow - Date.now(), retentionMs: event.broadcast_retention_s * 1000, windowMs: event.reconnect_window_ms,
    };
    this.#openRelay(event);
    this.#say('logged_in', { username: this.#me.name });
  }

  #openRelay({ conn_id: connId, relay_psk: psk, relay: endpoint }) {
    if (this.#relay) this.#relay.stop();
    this.#relay = null;
    if (!endpoint || endpoint.port === 0) return;
    const session = { connId, psk, host: endpoint.ip_address || this.#host, port: endpoint.port };
    this.#relay = new RelayClient(session, this.#journal, (id, parts) => this.#onBroadcast({ id, ...parts }, 'udp'));
    this.#relay.start();
  }

  #onChannelBroadcast({ broadcast_id: id, signed_object: object, signature, text }) {
    if (this.#onBroadcast({ id, object, signature, text: Buffer.from(text) }, 'channel')) {
      this.#control.say({ broadcast_ack: { broadcast_id: id } });
    }
  }

  // True when it is valid and in the journal, now or before: then it may be acknowledged.
  #onBroadcast(parts, via) {
    if (this.#journal.has(parts.id)) return true;
    try {
      const serverNow = Date.now() + this.#clock.offset;
      const { id, sender, text } = broadcastObject.open(parts, this.#keys.broadcast, serverNow, this.#clock.retentionMs);
      this.#journal.add(id);
      this.#say('broadcast', { id, sender, text, via });
      return true;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#say('refused', { what: 'broadcast', why: error.message });
      return false;
    }
  }

  #onIntroduction({ request_id, signed_object: object, signature }) {
    try {
      const take = (nonce) => this.#nonces.delete(nonce.toString('hex'));
      this.#peers.add(introduction.accept({ object, signature }, this.#keys.introducer, this.#me, take));
      this.#control.say({ introduction_ack: { request_id } });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#say('refused', { what: 'introduction', why: error.message });
    }
  }
}

module.exports = { Client };
