// The .proto files, loaded as they are: services for control.js, ChatFrame for frames.js.
'use strict';
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PROTO = path.resolve(__dirname, '../../../proto');
const FILES = ['accounts', 'directory', 'peering', 'broadcast', 'chat'].map((name) => `p2p/v1/${name}.proto`);

const definition = loader.loadSync([...FILES, 'google/rpc/status.proto', 'google/rpc/error_details.proto'], {
  includeDirs: [PROTO], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
});

module.exports = {
  services: grpc.loadPackageDefinition(definition).p2p.v1,
  ChatFrame: definition['p2p.v1.ChatFrame'],
  Status: definition['google.rpc.Status'],
  ErrorInfo: definition['google.rpc.ErrorInfo'],
};
