// node main.js HOST PORT CERTIFICATE DATA_DIR
// Commands come as JSON lines ({"cmd": "login", …}: the methods of Client), events go out the same way.
'use strict';
const fs = require('node:fs');
const readline = require('node:readline');
const { Client } = require('./client');

const COMMANDS = ['signup', 'login', 'list', 'request', 'approve', 'deny', 'cancel', 'msg', 'hangup', 'broadcast', 'counts'];

function say(event, fields) { process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`); }

async function obey(client, line) {
  try {
    const { cmd, ...fields } = JSON.parse(line);
    if (!COMMANDS.includes(cmd)) throw new Error(`unknown command ${cmd}`);
    await client[cmd](fields);
  } catch (error) {
    say('error', { code: error.code || 'BAD_COMMAND', message: error.message, info: error.info });
  }
}

async function main([host, port, certificate, dataDir]) {
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const client = new Client({ host, port: Number(port), certificate: fs.readFileSync(certificate), dataDir }, say);
  await client.openPeers(0);
  await client.hello();
  const input = readline.createInterface({ input: process.stdin });
  for await (const line of input) await obey(client, line);  // Until the end of input.
  client.quit();
  process.exit(0);
}

main(process.argv.slice(2));
