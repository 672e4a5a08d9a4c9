// Dials the target of a link until a connection stands (PEER_LINK.md, 3).
'use strict';
const net = require('node:net');
const { dialPlan } = require('./addresses');
const { knock } = require('./introduction');

const PAUSES_MS = [100, 250, 500, 1000, 2000, 4000], TOTAL_MS = 15_000, CONNECT_MS = 5000;

function connect({ host, port }) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.setTimeout(CONNECT_MS, () => socket.destroy());
    socket.once('connect', () => { socket.setTimeout(0); socket.setNoDelay(true); resolve(socket); });
    socket.on('error', () => resolve(null));
    socket.once('close', () => resolve(null));
  });
}

// dialled(socket): connected, the knock is sent; resolves to true when that connection was proven. False after 15 s.
async function dial(link, dialled) {
  const end = Date.now() + TOTAL_MS;
  for (let round = 0; Date.now() < end; round++) {
    for (const place of dialPlan(link.peer, link.own.observed)) {
      const socket = await connect(place);
      if (!socket) continue;
      socket.write(knock(link, link.role));
      if (await dialled(socket)) return true;
    }
    await new Promise((resolve) => { setTimeout(resolve, PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)]); });
  }
  return false;
}

module.exports = { dial };
