// The control API: sign-up, log-in, the channel, requests. Emits the channel's events by their names in ServerEvent, and
// 'detached' with the status when the channel ends.
'use strict';
const { EventEmitter } = require('node:events');
const grpc = require('@grpc/grpc-js');
const { services, Status, ErrorInfo } = require('./messages');

const DEADLINE_MS = 10_000;

class ControlClient extends EventEmitter {
  #stubs = {};
  #token = new grpc.Metadata();
  #channel = null;

  constructor(target, rootCertificate) {
    super();
    const credentials = grpc.credentials.createSsl(rootCertificate);
    for (const name of ['AccountService', 'DirectoryService', 'PeeringService', 'BroadcastService']) {
      this.#stubs[name] = new services[name](target, credentials);
    }
  }

  // Resolves to the answer; rejects with {code, message, info}: info is the ErrorInfo of the details, if there is one.
  call(service, method, request) {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + DEADLINE_MS };
      this.#stubs[service][method](request, this.#token, options, (error, answer) => {
        if (error) reject(describe(error)); else resolve(answer);
      });
    });
  }

  async logIn(username, password, devicePublicKey, chatPort) {
    const session = await this.call('AccountService', 'Login', {
      username, password, device_public_key: devicePublicKey, chat_endpoint: { port: chatPort },
    });
    this.#token = new grpc.Metadata();
    this.#token.set('authorization', `Bearer ${session.session_token}`);
    return session;
  }

  attach() {
    const channel = this.#stubs.PeeringService.ApprovalChannel(this.#token);
    this.#channel = channel;
    channel.on('data', (event) => { if (event.event) this.emit(event.event, event[event.event]); });
    channel.on('error', () => {});  // 'status' follows and says more.
    channel.on('status', (status) => this.emit('ended', describe(status)));
    channel.write({ attach: { take_over: true } });
  }

  say(event) { this.#channel.write(event); }

  close() {
    if (this.#channel) this.#channel.end();
    for (const stub of Object.values(this.#stubs)) stub.close();
  }
}

function describe(status) {
  const out = { code: grpc.status[status.code], message: status.details, info: null };
  const [packed] = status.metadata ? status.metadata.get('grpc-status-details-bin') : [];
  for (const detail of packed ? Status.deserialize(packed).details : []) {
    if (detail.type_url.endsWith('/google.rpc.ErrorInfo')) out.info = ErrorInfo.deserialize(detail.value);
  }
  return out;
}

module.exports = { ControlClient };
